"""Arguments of optimizers and schedulers that mean the same when they are evaluated later."""

from __future__ import annotations

import libcst as cst

from refactorer.analysis.program import Program
from refactorer.analysis.walk import children
from refactorer.idioms.configure.between import between
from refactorer.idioms.configure.items import looks_items_up
from refactorer.idioms.schedulers.rates import function_of, functions_asked, is_for_rates, only_computes
from refactorer.idioms.shapes import key_of
from refactorer.outline.objects.optimizers import Roles
from refactorer.outline.outline import Outline
from refactorer.outline.worked_out import computes, is_worked_out, operators_look_up

_OPERATIONS = (cst.BinaryOperation, cst.BooleanOperation, cst.Comparison, cst.UnaryOperation, cst.IfExp)
_CONTAINERS = {"itertools.chain", "builtins.list", "builtins.tuple", "builtins.dict"}
_INVOLVED = (cst.Lambda, cst.BaseComp, cst.Await, cst.Yield, cst.NamedExpr)
_FREEING = ("requires_grad", "requires_grad_")
_NUMBERS = {
    "builtins.float": ("__float__", "__index__"),
    "builtins.int": ("__int__", "__index__", "__trunc__"),
}


def has_simple_arguments(outline: Outline, roles: Roles, made: cst.Call, line: cst.CSTNode) -> bool:
    """Whether a call in a statement is given numbers, settings and the parameters of models.

    They may stand in lists and dictionaries.
    """
    if any(arg.star for arg in made.args) or any(
        node.name.value == "parameters" for node in outline.program.find(cst.FunctionDef)
    ):
        return False
    return all(
        _only_gives_rates(outline, made) if is_for_rates(outline.program, made, arg)
        else _is_simple(outline, roles, arg.value, line)
        for arg in made.args
    )  # fmt: skip


def _only_gives_rates(outline: Outline, made: cst.Call) -> bool:
    """Whether all functions that a scheduler asks for rates are known, and only compute them."""
    asked = functions_asked(outline.program, made)
    return all(function is not None and only_computes(outline.program, function) for function in asked)


def _is_simple(outline: Outline, roles: Roles, node: cst.CSTNode, line: cst.CSTNode) -> bool:
    program = outline.program
    if isinstance(node, _INVOLVED):
        return False
    if isinstance(node, cst.Name):
        return function_of(program, node) is None
    if isinstance(node, cst.Subscript):
        return key_of(node) is not None and looks_items_up(program) and _is_simple(outline, roles, node.value, line)
    if isinstance(node, cst.Attribute) and is_worked_out(program, node.attr.value):
        return False
    if isinstance(node, _OPERATIONS) and not operators_look_up(program):
        return False
    if not isinstance(node, cst.Call):
        return all(_is_simple(outline, roles, child, line) for child in children(node))
    if program.qualified_name(node.func) in _CONTAINERS or _makes_number(program, node):
        return all(_is_simple(outline, roles, arg.value, line) for arg in node.args)
    if _chooses_by_gradient(outline, node):
        return _is_parameters(outline, roles, node.args[1].value) and not _frees_or_freezes(outline, line)
    return _is_parameters(outline, roles, node)


def _makes_number(program: Program, call: cst.Call) -> bool:
    """Whether a call is `float(x)` or `int(x)`, and no object of the file is asked what number it is."""
    asked = _NUMBERS.get(program.qualified_name(call.func) or "")
    return asked is not None and not any(node.name.value in asked for node in program.find(cst.FunctionDef))


def _is_parameters(outline: Outline, roles: Roles, node: cst.CSTNode) -> bool:
    """Whether an expression is `model.parameters()`, or that of a part of a model."""
    if not isinstance(node, cst.Call) or not isinstance(node.func, cst.Attribute) or node.args:
        return False
    base = node.func.value
    while isinstance(base, cst.Attribute) and not computes(outline.program, base.attr.value):
        base = base.value
    return node.func.attr.value == "parameters" and outline.variable(base) in roles.models


def _chooses_by_gradient(outline: Outline, call: cst.Call) -> bool:
    """Whether a call is `filter(lambda p: p.requires_grad, ...)`."""
    if outline.program.qualified_name(call.func) != "builtins.filter" or len(call.args) != 2:
        return False
    test = call.args[0].value
    asked = test.body if isinstance(test, cst.Lambda) else None
    if not isinstance(test, cst.Lambda) or not isinstance(asked, cst.Attribute):
        return False
    names = [param.name.value for param in test.params.params]
    return isinstance(asked.value, cst.Name) and [asked.value.value] == names and asked.attr.value == "requires_grad"


def _frees_or_freezes(outline: Outline, line: cst.CSTNode) -> bool:
    """Whether code in front of the training, but behind a line, names what tells which parameters are trained."""
    around = between(outline, line)
    named = [node for node in outline.program.find(cst.Attribute) if node.attr.value in _FREEING]
    return any(around.holds(node) for node in named)
