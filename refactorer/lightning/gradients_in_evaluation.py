"""Around an evaluation: Lightning computes no gradients there, where the script did."""

from __future__ import annotations

import libcst as cst

from refactorer.analysis.scopes import Occurrence, Variable
from refactorer.analysis.walk import walk
from refactorer.lightning.plan import Plan
from refactorer.lightning.traps import Found
from refactorer.outline.outline import (
    AFTER_BACKWARD,
    BATCH_END,
    BEFORE_STEP,
    EPOCH_START,
    STEP,
    VALIDATION_DATA,
    VALIDATION_END,
    VALIDATION_START,
)

_NUMBERS = ("item", "detach", "tolist", "shape", "size", "data", "numel", "dim")
_STATE = ("state_dict", "param_groups", "get_last_lr", "step", "load_state_dict")
_GRADIENT_WORDS = ("requires_grad", "requires_grad_", "enable_grad", "backward", "grad", "Parameter")


def find(plan: Plan) -> Found | None:
    """Code around the evaluation whose result may carry gradients."""
    if plan.outline.evaluation is None:
        return None
    lines = plan.lines(VALIDATION_START, VALIDATION_END)
    training = plan.outline.uses(*plan.lines(EPOCH_START, STEP, AFTER_BACKWARD, BEFORE_STEP, BATCH_END))
    used = {variable for _, variable in training}
    trained = {variable for node, variable in training if plan.outline.is_write(node)}
    for node, variable in plan.outline.uses(*lines):
        parent = plan.program.parent.get(node)
        attribute = parent.attr.value if isinstance(parent, cst.Attribute) else ""
        if variable in plan.roles.objects and attribute not in _STATE:
            return Found(node, f"{variable.name} is used beside the evaluation")
        counted = attribute in _NUMBERS or plan.outline.is_write(node) or _is_number(plan, variable)
        if variable in used and plan.outline.is_write(node) and not _is_number(plan, variable):
            return Found(node, f"{variable.name}, which the training uses, is set beside the evaluation")
        if variable in trained and not counted:
            return Found(node, f"{variable.name}, which the training computes, is used beside the evaluation")
    return _in_functions(plan, lines)


def find_other_evaluations(plan: Plan) -> Found | None:
    """Evaluations with gradients or modes of their own, with a loader that changes, or behind the training."""
    outline = plan.outline
    unusual = outline.test is not None or outline.with_gradients or outline.own_modes
    if not unusual and VALIDATION_DATA not in outline.hooks:
        return None
    source = outline.evaluation or outline.test
    return Found(source.loop if source is not None else plan.loop, "an evaluation does not run in the usual way")


def _is_number(plan: Plan, variable: Variable) -> bool:
    """Whether everything that a variable is bound to is a number, a string, or made of them."""
    return all(_binds_number(plan, seen) for seen in variable.writes if seen.order >= 0)


def _binds_number(plan: Plan, seen: Occurrence) -> bool:
    parent = plan.program.parent.get(seen.node)
    if isinstance(parent, cst.AugAssign):
        return _makes_number(plan, parent.value)
    value = plan.program.bound_to(seen.node)
    if value is not None:
        return _makes_number(plan, value)
    counted = parent.iter if isinstance(parent, cst.For) and parent.target is seen.node else None
    return isinstance(counted, cst.Call) and plan.program.qualified_name(counted.func) == "builtins.range"


def _makes_number(plan: Plan, value: cst.BaseExpression) -> bool:
    if isinstance(value, (cst.BaseNumber, cst.BaseString, cst.Comparison)):
        return True
    if isinstance(value, cst.BinaryOperation):
        return _makes_number(plan, value.left) and _makes_number(plan, value.right)
    if isinstance(value, (cst.List, cst.Dict)):
        return not value.elements
    if isinstance(value, cst.UnaryOperation):
        return _makes_number(plan, value.expression)
    if not isinstance(value, cst.Call):
        return False
    name = plan.program.qualified_name(value.func) or ""
    if name.startswith("time.") or name in ("builtins.len", "builtins.float", "builtins.int"):
        return True
    return isinstance(value.func, cst.Attribute) and value.func.attr.value in ("item", "size")


def _in_functions(plan: Plan, lines: list[cst.CSTNode]) -> Found | None:
    """Functions of the file that are called there may make gradients, or reach the model, in places out of sight."""
    for call in (node for line in lines for node in walk(line) if isinstance(node, cst.Call)):
        function = plan.program.function(call.func)
        if function is None:
            continue
        named = {n.value for n in plan.program.find(cst.Name, function)}
        reached = any(v in plan.roles.objects for _, v in plan.outline.uses(function))
        if reached or named & set(_GRADIENT_WORDS):
            return Found(call, f"{function.name.value}() is called beside the evaluation")
    words = [n for line in lines for n in walk(line) if isinstance(n, cst.Name) and n.value in _GRADIENT_WORDS]
    return Found(words[0], "gradients are used beside the evaluation") if words else None
