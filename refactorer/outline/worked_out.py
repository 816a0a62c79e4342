"""Attributes that an object of the file may work out when it is asked for them: properties, and `__getattr__`."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from refactorer.analysis.program import Program
from refactorer.outline.classes import class_of_method


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
