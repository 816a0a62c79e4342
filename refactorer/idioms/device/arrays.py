"""Expressions that are surely arrays of NumPy or lists, or surely whole numbers.

Where tensors are made of them, a number means a size, and the others a content.
"""

from __future__ import annotations

from dataclasses import dataclass

import libcst as cst

from refactorer.analysis.parsed_arguments import is_number_setting
from refactorer.outline.outline import Outline

# Where the size of what is drawn stands; without one a number is drawn.
_SIZES = {"normal": 2, "uniform": 2, "randint": 2, "binomial": 2, "random": 0, "random_sample": 0, "standard_normal": 0}
_FILLED = ("zeros", "ones")
_OPERATORS = (cst.Add, cst.Subtract, cst.Multiply, cst.Divide)
_WHOLE = (cst.Add, cst.Subtract, cst.Multiply, cst.FloorDivide)


@dataclass(frozen=True)
class Filled:
    """`np.ones(size)` or `np.zeros(size)`."""

    name: str
    size: cst.BaseExpression


def is_content(outline: Outline, node: cst.BaseExpression) -> bool:
    """Whether an expression gives a list, or an array whose size is known, perhaps by way of a variable."""
    if isinstance(node, cst.Name):
        value = outline.program.assigned_value(outline.variable(node))
        return value is not None and not isinstance(value, cst.Name) and is_content(outline, value)
    return isinstance(node, (cst.List, cst.ListComp)) or is_array(outline, node)


def is_whole_number(outline: Outline, node: cst.BaseExpression) -> bool:
    """Whether an expression surely is an int: of a shape, a length, a setting, or what is computed of these."""
    program = outline.program
    if isinstance(node, cst.Integer):
        return True
    if isinstance(node, cst.BinaryOperation):
        return isinstance(node.operator, _WHOLE) and all(
            is_whole_number(outline, side) for side in (node.left, node.right)
        )
    if isinstance(node, cst.Name):
        value = program.assigned_value(outline.variable(node))
        return value is not None and not isinstance(value, cst.Name) and is_whole_number(outline, value)
    if isinstance(node, cst.Attribute):
        return is_number_setting(program, node, "int")
    if isinstance(node, cst.Subscript):
        return _is_shape(node.value) and _is_one_place(node)
    if not isinstance(node, cst.Call):
        return False
    return program.qualified_name(node.func) == "builtins.len" or (_is_shape(node) and len(node.args) == 1)


def _is_shape(node: cst.BaseExpression) -> bool:
    """Whether an expression is `x.shape` or a call of `x.size()`."""
    if isinstance(node, cst.Call):
        return isinstance(node.func, cst.Attribute) and node.func.attr.value == "size"
    return isinstance(node, cst.Attribute) and node.attr.value == "shape"


def _is_one_place(node: cst.Subscript) -> bool:
    index = node.slice[0].slice if len(node.slice) == 1 else None
    value = index.value if isinstance(index, cst.Index) else None
    return isinstance(value.expression if isinstance(value, cst.UnaryOperation) else value, cst.Integer)


def is_array(outline: Outline, node: cst.BaseExpression) -> bool:
    """Whether an expression gives an array whose size is written as a tuple, or is that of a tensor."""
    if isinstance(node, cst.BinaryOperation) and isinstance(node.operator, _OPERATORS):
        sides = (node.left, node.right)
        return any(is_array(outline, side) for side in sides) and all(
            is_array(outline, side) or isinstance(side, cst.BaseNumber) for side in sides
        )
    if filled_array(outline, node) is not None:
        return True
    name = outline.program.qualified_name(node.func) if isinstance(node, cst.Call) else None
    if not isinstance(node, cst.Call) or name is None or not name.startswith("numpy.random."):
        return False
    place = _SIZES.get(name.removeprefix("numpy.random."))
    size = _argument(node, place, "size") if place is not None else None
    return size is not None and _is_size(outline, size)


def filled_array(outline: Outline, node: cst.BaseExpression) -> Filled | None:
    """What `np.ones(size)` is; None for everything else."""
    name = outline.program.qualified_name(node.func) or "" if isinstance(node, cst.Call) else ""
    own = name.removeprefix("numpy.")
    if not isinstance(node, cst.Call) or not name.startswith("numpy.") or own not in _FILLED or len(node.args) != 1:
        return None
    size = node.args[0]
    return Filled(own, size.value) if size.keyword is None and not size.star and _is_size(outline, size.value) else None


def _argument(call: cst.Call, place: int, name: str) -> cst.BaseExpression | None:
    """The argument of a call at a place or with a name; None where stars leave that open."""
    if any(arg.star for arg in call.args):
        return None
    named = [arg.value for arg in call.args if arg.keyword is not None and arg.keyword.value == name]
    plain = [arg.value for arg in call.args if arg.keyword is None]
    return named[0] if named else plain[place] if len(plain) > place else None


def _is_size(outline: Outline, node: cst.BaseExpression) -> bool:
    """Whether an expression is a size: a tuple or a shape, or a number that is one of a shape."""
    if isinstance(node, cst.Name):
        value = outline.program.assigned_value(outline.variable(node))
        return value is not None and not isinstance(value, cst.Name) and _is_size(outline, value)
    if isinstance(node, cst.Subscript):
        node = node.value
    return isinstance(node, (cst.Tuple, cst.Integer)) or _is_shape(node)
