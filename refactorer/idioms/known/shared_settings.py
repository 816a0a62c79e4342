"""Settings that are attributes of a class: whoever sets one there changes it for all objects of the class."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from refactorer.analysis.program import Program
from refactorer.outline.classes import class_of_method


def sets_for_all(program: Program, stored: set[str], line: cst.CSTNode, loop: cst.CSTNode) -> bool:
    """Whether code between two places, or any method of the file, may set one of some attributes of a class.

    Methods run by other ways than calls too, such as `with` and operators.
    """
    for node in program.find((cst.AssignTarget, cst.AugAssign)):
        target = node.target  # type: ignore[attr-defined]
        if isinstance(target, cst.Attribute) and target.attr.value in stored and _is_class(program, target.value):
            function = program.enclosing_function(node)
            between = program.order[line] < program.order[node] < program.order[loop]
            if between or (function is not None and class_of_method(program, function) is not None):
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


def computes(program: Program, attribute: str) -> bool:
    """Whether an object of the file may work out an attribute when it is asked, and do more than to look it up."""
    return any(not only_looks_up(program, function) for function in asked_for(program, attribute))


def asked_for(program: Program, attribute: str) -> Iterator[cst.FunctionDef]:
    """The methods of the file that may run where an attribute is asked for."""
    for function in program.find(cst.FunctionDef):
        if class_of_method(program, function) is None:
            continue
        asked = function.name.value == attribute and bool(function.decorators)
        if asked or function.name.value in _LOOKING_UP:
            yield function


_LOOKING_UP = ("__getattr__", "__getattribute__")
_LOOKS = {"get", "format", "join", "size", "dim", "numel", *_LOOKING_UP, "__getitem__"}
_DOING = {
    f"builtins.{name}" for name in ("print", "next", "setattr", "delattr", "exec", "eval", "input", "open", "iter")
}
_CHANGES = (cst.AugAssign, cst.Del, cst.Global, cst.Nonlocal, cst.NamedExpr, cst.Yield, cst.Await)


def only_looks_up(program: Program, function: cst.FunctionDef) -> bool:
    """Whether a function does no more than to look something up, and to compute with numbers."""
    if any(program.find(kind, function.body) for kind in _CHANGES):
        return False
    targets = [node.target for node in program.find(cst.AssignTarget, function.body)]
    if not all(isinstance(target, cst.Name) for target in targets):
        return False
    return all(_is_look(program, call) for call in program.find(cst.Call, function.body))


def _is_look(program: Program, call: cst.Call) -> bool:
    name = program.qualified_name(call.func) or ""
    if name.startswith("builtins."):
        return name not in _DOING
    return name.startswith("math.") or (isinstance(call.func, cst.Attribute) and call.func.attr.value in _LOOKS)
