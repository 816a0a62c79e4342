"""Conditions that may be asked once more than the script does: nobody can tell, and it cannot fail.

A list may have no item for one more epoch, and an object of the script may count how often it is asked.
"""

from __future__ import annotations

import libcst as cst

from refactorer.analysis.program import Program
from refactorer.analysis.walk import walk
from refactorer.idioms.shared_settings import computes

_DIVISIONS = (cst.Divide, cst.FloorDivide, cst.Modulo, cst.Power)
_ORDERS = (cst.LessThan, cst.LessThanEqual, cst.GreaterThan, cst.GreaterThanEqual, cst.In, cst.NotIn)


def may_be_asked_again(program: Program, test: cst.BaseExpression) -> bool:
    """Whether a condition that reads names, numbers and texts can be asked at other times as well."""
    return not any(_fails_or_shows(program, node) for node in walk(test))


def _fails_or_shows(program: Program, node: cst.CSTNode) -> bool:
    if isinstance(node, cst.Subscript):
        return True
    if isinstance(node, cst.Attribute):
        return computes(program, node.attr.value)
    if isinstance(node, cst.Name):
        return any(_is_object(program, value) for value in _values(program, node))
    if isinstance(node, cst.BinaryOperation):
        divides = isinstance(node.operator, _DIVISIONS) and not _is_number(node.right)
        return divides or _may_be_none(program, node.left) or _may_be_none(program, node.right)
    if isinstance(node, cst.Call):
        return _may_fail(program, node) or any(_may_be_none(program, arg.value) for arg in node.args)
    if isinstance(node, cst.Comparison) and any(isinstance(part.operator, _ORDERS) for part in node.comparisons):
        return any(_may_be_none(program, part) for part in (node.left, *(part.comparator for part in node.comparisons)))
    return False


def _may_fail(program: Program, call: cst.Call) -> bool:
    """Whether a function does not take all values of one kind: `round` no NaN, `min` no empty list."""
    return program.qualified_name(call.func) not in ("builtins.len", "builtins.str")


def _values(program: Program, node: cst.CSTNode) -> list[cst.BaseExpression]:
    """The expressions that are assigned to a name."""
    variable = program.variables.get(node)
    found = [program.bound_to(seen.node) for seen in variable.writes] if variable is not None else []
    return [value for value in found if value is not None]


def _is_object(program: Program, value: cst.BaseExpression) -> bool:
    """Whether a value is an object of a class of the file."""
    made = program.definition(program.variables.get(value.func)) if isinstance(value, cst.Call) else None
    return isinstance(made, cst.ClassDef)


def _may_be_none(program: Program, node: cst.CSTNode) -> bool:
    """Whether a name, or its default as a parameter, is None at times."""
    variable = program.variables.get(node)
    given = program.definition(variable)
    default = [given.default] if isinstance(given, cst.Param) and given.default is not None else []
    values = [*_values(program, node), *default]
    return any(isinstance(value, cst.Name) and value.value == "None" for value in values)


def _is_number(node: cst.BaseExpression) -> bool:
    return isinstance(node, (cst.Integer, cst.Float)) and node.evaluated_value != 0
