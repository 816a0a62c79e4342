"""What a variable may be bound to, seen through the parameters of functions; whether that is a whole number."""

from __future__ import annotations

import libcst as cst

from refactorer.analysis.parsed_arguments import is_number_setting
from refactorer.analysis.program import Program
from refactorer.analysis.scopes import Variable
from refactorer.outline.functions.inline import values_given
from refactorer.outline.functions.shapes_of_values import tuple_place

_DEPTH = 6
_COUNTING = ("builtins.int", "builtins.len")
_WHOLE = (cst.Add, cst.Subtract, cst.Multiply, cst.FloorDivide, cst.Modulo)


def values_of(program: Program, variable: Variable | None) -> list[cst.BaseExpression] | None:
    """Every expression that a variable may be bound to, seen through parameters; None where one is not known."""
    found: list[cst.BaseExpression] = []
    for seen in variable.writes if variable is not None else []:
        parent = program.parent.get(seen.node)
        if isinstance(parent, cst.Param):
            given = values_given(program, parent)
            if given is None:
                return None
            found += given
            continue
        value = program.bound_to(seen.node) or tuple_place(program, seen.node)
        if value is None:
            return None
        found.append(value)
    return found or None


def is_whole(program: Program, node: cst.BaseExpression, depth: int = 0) -> bool:
    """Whether an expression is surely an integer of Python's own, not one of numpy or torch."""
    if isinstance(node, cst.Integer):
        return True
    if isinstance(node, cst.BinaryOperation):
        return isinstance(node.operator, _WHOLE) and all(is_whole(program, n, depth) for n in (node.left, node.right))
    if isinstance(node, cst.UnaryOperation):
        return isinstance(node.operator, cst.Minus) and is_whole(program, node.expression, depth)
    if isinstance(node, cst.Call):
        return program.qualified_name(node.func) in _COUNTING
    if isinstance(node, cst.Attribute):
        return is_number_setting(program, node, "int")
    if not isinstance(node, cst.Name) or depth > _DEPTH:
        return False
    values = values_of(program, program.variables.get(node))
    return values is not None and all(is_whole(program, value, depth + 1) for value in values)
