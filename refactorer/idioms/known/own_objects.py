"""What the classes of networks put their own objects into: `ALL.append(self)`, `Net.last = self`, `global LAST`."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from refactorer.analysis.program import Program
from refactorer.analysis.scopes import Variable
from refactorer.idioms.known.holders import holders, kept_in
from refactorer.outline.classes import class_around, class_of_self
from refactorer.outline.objects.optimizers import is_module_class


def shown_by_classes(program: Program) -> set[Variable]:
    """The variables through which an object of such a class can be seen; functions may stand for methods of one."""
    found: set[Variable] = set()
    for node in program.find((cst.Assign, cst.AugAssign, cst.Call)):
        places, given = kept_in(program, node)
        names = [target.target for target in node.targets] if isinstance(node, cst.Assign) else []
        if any(_is_object(program, value) for value in given):
            found |= {variable for place in (*places, *names) for variable in _holders(program, place)}
    return {variable for variable in found if variable.name != "self"}


def _holders(program: Program, place: cst.CSTNode) -> Iterator[Variable]:
    yield from holders(program, place)
    owner = place.value if isinstance(place, cst.Attribute) else None
    called = isinstance(owner, cst.Call) and program.qualified_name(owner.func) == "builtins.type"
    kind = class_around(program, place)
    if kind is not None and (called or (isinstance(owner, cst.Attribute) and owner.attr.value == "__class__")):
        yield program.variables[kind.name]


def _is_object(program: Program, value: cst.CSTNode) -> bool:
    """Whether a value is the `self` of a method, or of a function in its place; a class has to be that of a network."""
    node = value.value if isinstance(value, cst.Arg) else value
    if not isinstance(node, cst.Name) or node.value != "self":
        return False
    kind = class_of_self(program, program.variables.get(node))
    return kind is None or is_module_class(program, kind)
