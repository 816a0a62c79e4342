"""What may be known of a variable while a copy of some code runs: its constant, or that it holds an object."""

from __future__ import annotations

import re
from typing import Final, Union

import libcst as cst

Value = Union[cst.SimpleString, cst.Name, cst.Ellipsis]
# An object that is not None and counts as true, such as an optimizer; names of it stay names.
PRESENT: Final = cst.Ellipsis()
UNKNOWN: Final = object()
_NAMED = {"True": True, "False": False, "None": None}
_PLAIN = re.compile(r"""[rRuU]?(?:'[\w .,:;+/()-]*'|"[\w .,:;+/()-]*")""")


def constant(node: cst.CSTNode) -> cst.SimpleString | cst.Name | None:
    """The node without brackets, if it is True, False, None or a string without anything unusual in it."""
    if isinstance(node, cst.Name) and node.value in _NAMED:
        return node.with_changes(lpar=[], rpar=[])
    if isinstance(node, cst.SimpleString) and _PLAIN.fullmatch(node.value):
        return node.with_changes(lpar=[], rpar=[])
    return None


def value_of(node: cst.CSTNode) -> object:
    """What an expression is when the program runs: a string, True, False, None, PRESENT or UNKNOWN."""
    if node is PRESENT:
        return PRESENT
    if isinstance(node, cst.Name):
        return _NAMED.get(node.value, UNKNOWN)
    return node.evaluated_value if isinstance(node, cst.SimpleString) else UNKNOWN


def truth(value: Value) -> bool:
    """Whether a value counts as true."""
    return value is PRESENT or bool(value_of(value))


def compared(left: object, operator: cst.BaseCompOp, right: object) -> bool | None:
    """The outcome of `==`, `!=`, `is` or `is not` between two values; None if that is not known."""
    if UNKNOWN in (left, right) or not isinstance(operator, (cst.Equal, cst.NotEqual, cst.Is, cst.IsNot)):
        return None
    if PRESENT in (left, right):
        same = False if None in (left, right) else None
    elif isinstance(operator, (cst.Is, cst.IsNot)) and isinstance(left, str) and isinstance(right, str):
        same = None
    else:
        same = type(left) is type(right) and left == right
    return None if same is None else same is isinstance(operator, (cst.Equal, cst.Is))


def written(value: Value, spec: str) -> str:
    """How a formatted string shows a constant.

    Raises:
        TypeError, ValueError: the specification does not fit.
    """
    return format(value_of(value), spec)
