"""Settings that are attributes of a class: whoever sets one there changes it for all objects of the class."""

from __future__ import annotations

from collections.abc import Callable

import libcst as cst

from refactorer.analysis.program import Program
from refactorer.outline.classes import class_of_method


def sets_for_all(program: Program, stored: set[str], between: Callable[[cst.CSTNode], bool]) -> bool:
    """Whether code `between` two places, or any method of the file, may set one of some attributes of a class.

    Methods run by other ways than calls too, such as `with` and operators.
    """
    for node in program.find((cst.AssignTarget, cst.AugAssign)):
        target = node.target  # type: ignore[attr-defined]
        if isinstance(target, cst.Attribute) and target.attr.value in stored and _is_class(program, target.value):
            function = program.enclosing_function(node)
            if between(node) or (function is not None and class_of_method(program, function) is not None):
                return True
    return False


def sets_by_name(program: Program, call: cst.Call, stored: set[str]) -> bool:
    """Whether a call of `setattr` may set one of some attributes, of whatever object."""
    if program.qualified_name(call.func) != "builtins.setattr" or len(call.args) < 2:
        return False
    name = call.args[1].value
    return bool(stored) and (not isinstance(name, cst.SimpleString) or name.raw_value in stored)


def _is_class(program: Program, node: cst.BaseExpression) -> bool:
    """Whether an expression is, or may be, a class: its name, `cls`, `type(x)` or `x.__class__`."""
    if isinstance(node, cst.Attribute):
        return node.attr.value == "__class__"
    if isinstance(node, cst.Call):
        return program.qualified_name(node.func) == "builtins.type"
    named = isinstance(program.definition(program.variables.get(node)), cst.ClassDef)
    return named or (isinstance(node, cst.Name) and node.value == "cls")
