"""What a statement puts something into: containers, objects, and modules, whose attributes are names of their own.

`box.model = model`, `kept.append(model)`, `setattr(box, "model", model)`, `builtins.model = model`.
"""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from refactorer.analysis.program import Program
from refactorer.analysis.scopes import Variable

_KEEPING = {"append", "extend", "add", "insert", "update", "setdefault", "register", "put", "appendleft"}
_OF_OBJECTS = ("builtins.setattr", "builtins.vars", "builtins.getattr")
_OWN_MODULE = ("__main__", "sys.modules", "builtins.globals")


def kept_in(program: Program, node: cst.CSTNode) -> tuple[list[cst.CSTNode], list[cst.CSTNode]]:
    """What a statement or call puts something into, and what it puts there."""
    if isinstance(node, cst.Assign):
        targets = [target.target for target in node.targets]
        return [part for part in targets if isinstance(part, (cst.Attribute, cst.Subscript))], [node.value]
    if isinstance(node, cst.AugAssign):
        return [node.target], [node.value]
    if isinstance(node, cst.Call) and program.qualified_name(node.func) == "builtins.setattr":
        return [node], list(node.args[1:])
    if isinstance(node, cst.Call) and isinstance(node.func, cst.Attribute) and node.func.attr.value in _KEEPING:
        return [node.func], list(node.args)
    return [], []


def holders(program: Program, place: cst.CSTNode) -> Iterator[Variable]:
    """The variables through which a place can be seen that something is put into."""
    variable = program.variables.get(holder_of(program, place))
    if variable is not None and variable.owner is not None:
        yield variable
    name, module = _named(place)
    named = None
    if module is not None and program.qualified_name(module) == "builtins":
        named = program.unbound.get(name)
    elif module is not None and _is_own_module(program, module):
        named = program.scope[program.module].variables.get(name) or program.unbound.get(name)
    if named is not None:
        yield named


def holder_of(program: Program, place: cst.CSTNode) -> cst.CSTNode:
    """The name that attributes, elements and results of methods are taken from; `vars(x)` is a part of `x`."""
    while True:
        if isinstance(place, (cst.Attribute, cst.Subscript)):
            place = place.value
        elif isinstance(place, cst.Call) and program.qualified_name(place.func) in _OF_OBJECTS and place.args:
            place = place.args[0].value
        elif isinstance(place, cst.Call) and isinstance(place.func, cst.Attribute):
            place = place.func
        else:
            return place


def shows_own_module(program: Program) -> Iterator[Variable]:
    """The variables through which all others of the file may be seen: `sys`, where it is asked for modules."""
    for node in program.find((cst.Attribute, cst.Name)):
        base = node.value if isinstance(node, cst.Attribute) else node
        variable = program.variables.get(base)
        if variable is not None and variable.owner is not None and program.qualified_name(node) in _OWN_MODULE:
            yield variable


def _named(place: cst.CSTNode) -> tuple[str, cst.CSTNode | None]:
    """The name that is set, and the object or dictionary that it is set in."""
    if isinstance(place, cst.Attribute):
        return place.attr.value, place.value
    if isinstance(place, cst.Subscript) and len(place.slice) == 1:
        index = place.slice[0].slice
        key = index.value if isinstance(index, cst.Index) else None
        return _text(key), place.value
    if isinstance(place, cst.Call) and len(place.args) > 1:
        return _text(place.args[1].value), place.args[0].value
    return "", None


def _text(node: cst.CSTNode | None) -> str:
    return str(node.raw_value) if isinstance(node, cst.SimpleString) else ""


def _is_own_module(program: Program, node: cst.CSTNode) -> bool:
    """Whether an expression is the module of the file, or the dictionary of its variables."""
    while isinstance(node, (cst.Subscript, cst.Call)):
        node = node.value if isinstance(node, cst.Subscript) else node.func
    return program.qualified_name(node) in _OWN_MODULE
