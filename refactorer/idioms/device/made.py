"""Attributes that the file sets only where an object is made: they mean the same as long as there is the object."""

from __future__ import annotations

import libcst as cst

from refactorer.analysis.parsed_arguments import is_parsed
from refactorer.analysis.program import Program
from refactorer.analysis.scopes import Variable
from refactorer.outline.classes import class_of_self
from refactorer.outline.functions.other_objects import is_other
from refactorer.outline.objects.constructed import in_constructor
from refactorer.outline.outline import Outline

_WRITING = (cst.AssignTarget, cst.AugAssign, cst.AnnAssign)


def writes_of(outline: Outline, name: str) -> list[cst.Attribute]:
    """The places of the file that assign an attribute of this name, of whatever object."""
    program = outline.program
    return [
        node for node in program.find(cst.Attribute)
        if node.attr.value == name and isinstance(program.parent.get(node), _WRITING)
    ]  # fmt: skip


def is_made_with_object(outline: Outline, variable: Variable, name: str) -> bool:
    """Whether an attribute of an object is set in constructors only, and there in any case.

    Code that sets it on what is surely an object of another class is none of this object's.
    """
    program = outline.program
    owner = class_of_self(program, variable)
    writes = [
        node for node in writes_of(outline, name) if owner is None or not _is_on_another(program, node, owner)
    ]  # fmt: skip
    makers = {program.enclosing_function(node) for node in writes}
    if not writes or not all(_is_own(program, node) for node in writes) or _is_made_anew(program):
        return False
    if owner is not None and all(program.parent.get(program.parent[maker]) is not owner for maker in makers):  # type: ignore[index]
        return False
    sets = [[node for node in writes if program.enclosing_function(node) is maker] for maker in makers]
    return all(_is_set(program, places) for places in sets)


def _is_on_another(program: Program, node: cst.Attribute, owner: cst.ClassDef) -> bool:
    """Whether an attribute is surely set on no object of a class."""
    variable = program.variables.get(node.value)
    kind = class_of_self(program, variable)
    if kind is None:
        return is_parsed(program, variable) or is_other(program, node.value, owner)
    return kind is not owner and not kind.bases and not owner.bases


def _is_own(program: Program, node: cst.Attribute) -> bool:
    """Whether a constructor sets an attribute of its own object."""
    function, variable = program.enclosing_function(node), program.variables.get(node.value)
    alone = variable is not None and len(variable.writes) == 1 and class_of_self(program, variable) is not None
    return alone and function is not None and function.name.value == "__init__"


def _is_made_anew(program: Program) -> bool:
    """Whether something but a constructor may call the constructor of an object that is there already."""
    for node in program.find(cst.Attribute):
        function = program.enclosing_function(node)
        if node.attr.value == "__init__" and not (function is not None and function.name.value == "__init__"):
            return True
    return False


def _is_set(program: Program, places: list[cst.Attribute]) -> bool:
    """Whether a constructor surely sets an attribute once, on a line of its own or in either branch of an `if`."""
    if len(places) == 1:
        return in_constructor(program, places[0])
    blocks = [program.parent[program.statement(node)] for node in places]
    first, last = program.parent.get(blocks[0]), program.parent.get(blocks[-1])
    if len(places) != 2 or not isinstance(first, cst.If) or last is None or first.orelse is not last:
        return False
    return isinstance(program.parent.get(program.parent[first]), cst.FunctionDef)
