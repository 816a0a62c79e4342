"""Variables that mean the same settings: `cfg = args`, `run = Run(args)`."""

from __future__ import annotations

import libcst as cst

from refactorer.analysis.scopes import Variable
from refactorer.analysis.targets import names_in
from refactorer.idioms.known.plain import is_plain
from refactorer.idioms.shapes import key_of
from refactorer.outline.outline import Outline

_DISPLAYS = (cst.List, cst.Tuple, cst.Set, cst.Dict)


def same_settings(outline: Outline, settings: set[Variable], read: set[str]) -> set[Variable]:
    """Other variables through which some settings can be changed; `read` are the attributes and items that matter.

    A name for the same object is one, or for a part of it that is read; so is a container of it, and an object that a
    class makes of it. What functions return holds no settings.
    """
    found = set(settings)
    assigns = outline.program.find(cst.Assign)
    grown = True
    while grown:
        before = len(found)
        for node in assigns:
            if _holds(outline, node.value, found, read):
                bases = [_base(target.target) for target in node.targets]
                names = [name for target in node.targets for name in names_in(target.target)]
                found |= {v for part in (*bases, *names) if (v := outline.variable(part)) is not None}
            found |= _same_object(outline, node, found, read)
        grown = len(found) > before
    return found - settings


def _same_object(outline: Outline, node: cst.Assign, settings: set[Variable], read: set[str]) -> set[Variable]:
    """The variable that some settings, or a part of them that is read, were given: `args.betas = betas`."""
    value = node.value
    parts = [element.value for element in value.elements] if isinstance(value, _DISPLAYS) else [value]
    given = [outline.variable(part) for part in parts if isinstance(part, cst.Name)]
    if not given or not any(_holds(outline, target.target, settings, read) for target in node.targets):
        return set()
    return {variable for variable in given if variable is not None and not is_plain(outline, variable)}


def _base(node: cst.CSTNode) -> cst.CSTNode:
    while isinstance(node, (cst.Attribute, cst.Subscript)):
        node = node.value
    return node


def _holds(outline: Outline, value: cst.CSTNode, settings: set[Variable], read: set[str]) -> bool:
    """Whether a value is, or holds, the settings themselves or a part of them that is read."""
    if isinstance(value, cst.Attribute):
        return value.attr.value in read and _holds(outline, value.value, settings, read)
    if isinstance(value, cst.Subscript):
        key = key_of(value)
        return (key is None or key in read) and _holds(outline, value.value, settings, read)
    if isinstance(value, _DISPLAYS):
        return any(_holds(outline, element.value, settings, read) for element in value.elements)
    if isinstance(value, cst.IfExp):
        return any(_holds(outline, part, settings, read) for part in (value.body, value.orelse))
    if isinstance(value, cst.BooleanOperation):
        return any(_holds(outline, part, settings, read) for part in (value.left, value.right))
    if isinstance(value, cst.Call):
        return _makes_object(outline, value) and any(_holds(outline, a.value, settings, read) for a in value.args)
    return isinstance(value, cst.Name) and outline.variable(value) in settings


def _makes_object(outline: Outline, call: cst.Call) -> bool:
    """Whether a call is one of a class, by its definition or by the way its name is written; or `vars(args)`."""
    program = outline.program
    name = program.qualified_name(call.func) or ""
    if name.startswith(("torch.", "builtins.")):
        return name == "builtins.vars"
    last = call.func.attr.value if isinstance(call.func, cst.Attribute) else getattr(call.func, "value", "")
    written = isinstance(last, str) and last[:1].isupper()
    return written or isinstance(program.definition(program.variables.get(call.func)), cst.ClassDef)
