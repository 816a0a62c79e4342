"""An optimizer that the script makes anew at the start or the end of some epochs: the Trainer is given the new one.

Sound when every line that makes one stands in front of the training, or outside its steps: between two batches the
Trainer steps one object.
"""

from __future__ import annotations

from dataclasses import replace

import libcst as cst

from refactorer.analysis.scopes import Occurrence, Variable
from refactorer.emit.edits import Edit
from refactorer.idioms.known.elsewhere import base_of
from refactorer.idioms.shapes import method_name, only_call
from refactorer.outline.blocks import block_lines
from refactorer.outline.control import may_reach_end
from refactorer.outline.objects.optimizers import Roles, is_surely_bound, models_of
from refactorer.outline.objects.torch_names import names_optimizer
from refactorer.outline.outline import EPOCH_END, EPOCH_START, STEP, TEST_HOOKS, Outline
from refactorer.outline.training.reach import bound_by_functions

_HOOKS = (EPOCH_START, EPOCH_END)


def with_renewed(outline: Outline, roles: Roles) -> Roles:
    """The roles of a training whose one optimizer is made anew between epochs; other roles as they are."""
    found = dict.fromkeys(_stepped(outline))
    variable = next(iter(found), None)
    if roles.stepping is not None or roles.optimizers or len(found) != 1 or variable is None:
        return roles
    if not _is_renewed(outline, variable):
        return roles
    replaced = {v for body in outline.hooks.values() for node, v in outline.uses(*body) if outline.is_write(node)}
    models = tuple(model for model in models_of(outline.program, outline, variable) if model not in replaced)
    return replace(roles, renewed=variable, models=tuple(dict.fromkeys(models)), tentative=True)


def hand_over(outline: Outline, roles: Roles) -> None:
    """Has the Trainer step what each of these lines makes."""
    assert roles.renewed is not None
    others, may_be_missing = _other_uses(outline, roles.renewed), _may_be_missing(outline, roles)
    for hook in [name for name in outline.hooks if name not in (STEP, *TEST_HOOKS)]:
        edits: dict[cst.CSTNode, Edit] = {}
        for line in _making_lines(outline, outline.hooks.get(hook, []), roles.renewed):
            made = line.body[0]
            assert isinstance(made, cst.Assign)
            kept = [line, _given(outline.new_name(roles.renewed))] if others else [_given(made.value, line)]
            edits[line] = kept
        if edits:
            outline.edit(hook, edits)
    outline.plain_steps = may_be_missing


def _given(value: cst.BaseExpression, line: cst.SimpleStatementLine | None = None) -> cst.SimpleStatementLine:
    """The line `self.trainer.optimizers = [value]`, with the comments of another."""
    target = cst.Attribute(cst.Attribute(cst.Name("self"), cst.Name("trainer")), cst.Name("optimizers"))
    small = cst.Assign([cst.AssignTarget(target)], cst.List([cst.Element(value)]))
    return line.with_changes(body=[small]) if line is not None else cst.SimpleStatementLine([small])


def is_made_in_front(outline: Outline, roles: Roles) -> bool:
    """Whether there may be an optimizer before the first epoch begins."""
    assert roles.renewed is not None
    return any(_is_in_front(outline, seen) for seen in roles.renewed.writes)


def holds_the_same(outline: Outline, roles: Roles) -> bool:
    """Whether each optimizer is made of `model.parameters()`, of one model.

    Where they are not, gradients may be left that a `zero_grad()` behind the step of the next one clears too late.
    """
    values = [outline.program.bound_to(seen.node) for seen in roles.renewed.writes] if roles.renewed is not None else []
    given = [value.args[0].value for value in values if isinstance(value, cst.Call) and value.args]
    plain = all(isinstance(made, cst.Call) and method_name(made) == "parameters" and not made.args for made in given)
    same = plain and len(given) == len(values) and all(made.deep_equals(given[0]) for made in given)
    return same and not _is_changed(outline, {variable for made in given for _, variable in outline.uses(made)})


def _is_changed(outline: Outline, models: set[Variable]) -> bool:
    """Whether the training binds one of some models, or an attribute of one, to something else."""
    lines = outline.lines(*outline.hooks)
    targets = [target.target for line in lines for target in outline.program.find(cst.AssignTarget, line)]
    attributes = {base_of(target) for target in targets if isinstance(target, cst.Attribute)}
    return any(
        variable in models and (outline.is_write(node) or node in attributes) for node, variable in outline.uses(*lines)
    )


def _may_be_missing(outline: Outline, roles: Roles) -> bool:
    """Whether the first epoch may begin its batches without an optimizer."""
    assert roles.renewed is not None
    anew = _surely_makes(outline, outline.hooks.get(EPOCH_START, []), roles.renewed)
    return not anew and not is_surely_bound(outline, roles.renewed)


def _stepped(outline: Outline) -> list[Variable]:
    """The variables that lines of the step call `step()` of."""
    calls = [only_call(line) for line in outline.hooks[STEP]]
    funcs = [call.func for call in calls if call is not None and not call.args]
    owners = [outline.variable(f.value) for f in funcs if isinstance(f, cst.Attribute) and f.attr.value == "step"]
    return [owner for owner in owners if owner is not None and _is_made_of_classes(outline, owner)]


def _is_made_of_classes(outline: Outline, variable: Variable) -> bool:
    return bool(variable.writes) and all(_makes_optimizer(outline, seen) for seen in variable.writes)


def _makes_optimizer(outline: Outline, seen: Occurrence) -> bool:
    value = outline.program.bound_to(seen.node)
    name = outline.program.qualified_name(value.func) if isinstance(value, cst.Call) else None
    return names_optimizer(name) and not (name or "").endswith("LBFGS")


def _is_renewed(outline: Outline, variable: Variable) -> bool:
    """Whether every write is in front of the training, or one of the lines at the start or end of epochs."""
    if variable in bound_by_functions(outline):
        return False
    lines = [line for hook in _HOOKS for line in _making_lines(outline, outline.hooks.get(hook, []), variable)]
    inside = [seen for seen in variable.writes if any(outline.program.contains(line, seen.node) for line in lines)]
    outside = [seen for seen in variable.writes if seen not in inside]
    if not inside or not all(_is_in_front(outline, seen) for seen in outside):
        return False
    start = outline.hooks.get(EPOCH_START, [])
    return variable.owner is outline.site.driver or _surely_makes(outline, start, variable)


def _is_in_front(outline: Outline, seen: Occurrence) -> bool:
    program, loop = outline.program, outline.site.epoch_loop
    return seen.scope is outline.site.driver and program.order[seen.node] < program.order[loop]


def _making_lines(
    outline: Outline, lines: list[cst.CSTNode], variable: Variable
) -> list[cst.SimpleStatementLine]:  # fmt: skip
    """The lines `variable = X(...)` among some statements, and in the branches of their conditions."""
    found: list[cst.SimpleStatementLine] = []
    for line in lines:
        if isinstance(line, cst.If):
            found += _making_lines(outline, block_lines(line.body), variable)
            if line.orelse is not None:
                other = line.orelse
                inner = block_lines(other.body) if isinstance(other, cst.Else) else list[cst.CSTNode]([other])
                found += _making_lines(outline, inner, variable)
        elif _makes(outline, line, variable):
            assert isinstance(line, cst.SimpleStatementLine)
            found.append(line)
    return found


def _makes(outline: Outline, line: cst.CSTNode, variable: Variable) -> bool:
    small = line.body[0] if isinstance(line, cst.SimpleStatementLine) and len(line.body) == 1 else None
    plain = isinstance(small, cst.Assign) and len(small.targets) == 1
    return plain and line in outline.program.order and outline.variable(small.targets[0].target) is variable  # type: ignore[union-attr]


def _surely_makes(outline: Outline, lines: list[cst.CSTNode], variable: Variable) -> bool:
    """Whether one of some lines makes one before the code behind them runs, in whichever branch."""
    return any(_makes(outline, line, variable) or _each_branch_makes(outline, line, variable) for line in lines)


def _each_branch_makes(outline: Outline, line: cst.CSTNode, variable: Variable) -> bool:
    if not isinstance(line, (cst.If, cst.Else)):
        return False
    if may_reach_end(line.body) and not _surely_makes(outline, block_lines(line.body), variable):
        return False
    other = line.orelse if isinstance(line, cst.If) else None
    return isinstance(line, cst.Else) or (other is not None and _each_branch_makes(outline, other, variable))


def _other_uses(outline: Outline, variable: Variable) -> bool:
    """Whether anything but the Trainer needs the name."""
    inside = [node for node, used in outline.uses(*outline.lines(*outline.hooks)) if used is variable]
    parts = [outline.site.epoch_loop, *outline.consumed, *outline.site.functions]
    beside = [
        seen for seen in variable.occurrences
        if seen.order >= 0 and not any(outline.program.contains(part, seen.node) for part in parts)
    ]  # fmt: skip
    return bool(beside) or any(not outline.is_write(node) for node in inside)
