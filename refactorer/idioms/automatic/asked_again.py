"""Conditions that give the same when they are asked again behind some lines, without anyone who notices."""

from __future__ import annotations

import libcst as cst

from refactorer.analysis.parsed_arguments import is_parsed
from refactorer.analysis.program import Program
from refactorer.analysis.scopes import Variable
from refactorer.analysis.walk import walk
from refactorer.idioms.known.fixed import fixed
from refactorer.outline.classes import class_of_object
from refactorer.outline.functions.arguments import is_constant
from refactorer.outline.may_run import MayRun
from refactorer.outline.objects.constructed import is_behind_for_good, is_left_alone
from refactorer.outline.outline import Outline
from refactorer.outline.setting import may_set_variables
from refactorer.outline.training.reach import bound_by_functions
from refactorer.outline.worked_out import computes

_ASKING = (
    cst.Name, cst.Attribute, cst.BaseNumber, cst.Comparison, cst.BooleanOperation, cst.UnaryOperation,
    cst.BinaryOperation, cst.SimpleString,
)  # fmt: skip
_MAKING = ("builtins.range", "builtins.len", "builtins.int", "torch.device")
_LOOKERS = ("builtins.vars", "builtins.print")
_OPERATORS = {f"__{name}__" for name in ("bool", "len", "eq", "ne", "lt", "le", "gt", "ge", "add", "sub", "mul", "mod")}


def stays(outline: Outline, test: cst.BaseExpression, lines: list[cst.CSTNode]) -> bool:
    """Whether a condition that is asked again behind some lines gives the same, and nobody notices."""
    program = outline.program
    if any(function.name.value in _OPERATORS for function in program.find(cst.FunctionDef)):
        return False
    for part in walk(test):
        if isinstance(part, cst.Attribute) and not _is_fixed(outline, part):
            return False
        if isinstance(part, (cst.BaseExpression, cst.BaseSlice)) and not isinstance(part, _ASKING):
            return False
    asked = {variable for _, variable in outline.uses(test)}
    bound = {variable for node, variable in outline.uses(*lines) if outline.is_write(node)}
    names = [used for node, used in outline.uses(test) if not isinstance(program.parent[node], cst.Attribute)]
    if not all(_is_constant(outline, used) for used in names) or asked & (bound | bound_by_functions(outline)):
        return False
    return not names or not _may_change(outline, asked)


def _may_change(outline: Outline, asked: set[Variable]) -> bool:
    """Whether code that runs by whatever way, as hooks of the optimizer do, binds one of some variables of others."""
    program, inside = outline.program, [outline.site.epoch_loop, *outline.consumed]
    others = [seen.node for variable in asked for seen in variable.writes if seen.scope is not variable.owner]
    others = [node for node in others if not any(program.contains(part, node) for part in inside)]
    running = MayRun(program, inside)
    bound = any(program.contains(body, node) for body in running.bodies for node in others)
    return bound or may_set_variables(running)


def _is_fixed(outline: Outline, setting: cst.Attribute) -> bool:
    """Whether an attribute is only looked up, and neither set during the training nor changed by its own methods."""
    program, name = outline.program, setting.attr.value
    inner = (node.value for node in program.find(cst.Attribute))
    changed = any(isinstance(node, cst.Attribute) and node.attr.value == name for node in inner)
    fixed_here = not changed and not computes(program, name) and fixed(outline, setting) is not None
    return fixed_here and _keeps_to_itself(outline, setting.value)


def _keeps_to_itself(outline: Outline, owner: cst.BaseExpression) -> bool:
    """Whether code out of sight sets no attributes of an object: settings, that of this code, or one never handed out.

    Methods may set them, and whatever else the object is given to.
    """
    program, variable = outline.program, outline.variable(owner)
    if variable is None:
        return False
    if is_parsed(program, variable) or (_is_own(program, variable) and is_left_alone(outline, variable)):
        return True
    for seen in variable.reads:
        if is_behind_for_good(outline, seen.node):
            continue
        parent = program.parent.get(seen.node)
        around = program.parent.get(parent) if parent is not None else None
        if isinstance(parent, cst.Arg) and isinstance(around, cst.Call):
            if program.qualified_name(around.func) not in _LOOKERS:
                return False
        elif not isinstance(parent, cst.Attribute) or (isinstance(around, cst.Call) and around.func is parent):
            return False
    return True


def _is_own(program: Program, variable: Variable) -> bool:
    """Whether a variable is the `self` of a class of the file, and nothing else."""
    parents = [program.parent.get(seen.node) for seen in variable.writes]
    return all(isinstance(node, cst.Param) and class_of_object(program, node) is not None for node in parents)


def _is_constant(outline: Outline, variable: Variable) -> bool:
    """Whether a variable only holds numbers, texts and devices: the number of the batch, or what its lines say."""
    program = outline.program
    for seen in variable.writes:
        around, value = program.parent.get(seen.node), program.bound_to(seen.node)
        if isinstance(around, cst.For):
            value = around.iter
        elif isinstance(around, cst.AugAssign):
            value = around.value
        if not (_makes_constant(program, value) or variable is outline.variable(outline.train.index)):
            return False
    return True


def _makes_constant(program: Program, value: cst.CSTNode | None) -> bool:
    if isinstance(value, cst.IfExp):
        return _makes_constant(program, value.body) and _makes_constant(program, value.orelse)
    if isinstance(value, cst.Call):
        return program.qualified_name(value.func) in _MAKING
    return value is not None and is_constant(value)
