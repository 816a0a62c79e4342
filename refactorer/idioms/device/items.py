"""Settings that are items of dictionaries: `config['device']`, `config['run']['device']`."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from refactorer.analysis.parsed_arguments import is_stored
from refactorer.analysis.scopes import Variable
from refactorer.idioms.device.lines import text_of
from refactorer.idioms.device.named import Target
from refactorer.idioms.shapes import key_of, method_name
from refactorer.outline.classes import class_of_method
from refactorer.outline.outline import Outline

_ASKED = ("__getitem__", "__missing__")
_CHANGING = ("update", "pop", "popitem", "clear", "setdefault")


def item_of(outline: Outline, node: cst.CSTNode, words: tuple[str, ...] = ("device",)) -> Target | None:
    """The item of a dictionary that an expression is, if its name speaks of a device; None for any other."""
    keys = list(_keys(node))
    base = node
    while isinstance(base, cst.Subscript):
        base = base.value
    owner = outline.variable(base) if isinstance(base, cst.Name) else None
    if owner is None or not keys or None in keys or not any(word in str(keys[-1]).lower() for word in words):
        return None
    return ("item", owner, "".join(f"[{key!r}]" for key in keys))


def are_plain(outline: Outline) -> bool:
    """Whether no class of the file, data sets aside, does something of its own where an item is asked for."""
    program = outline.program
    own = [function for function in program.find(cst.FunctionDef) if function.name.value in _ASKED]
    owners = [class_of_method(program, function) for function in own]
    return all(owner is not None and any("Dataset" in text_of(base.value) for base in owner.bases) for owner in owners)


def items_in(target: Target) -> list[str]:
    """The keys of an item, the outermost first."""
    expression = cst.parse_expression(f"x{target[2]}")
    return [str(key) for key in _keys(expression)]


def may_set_item(outline: Outline, variable: Variable, target: Target) -> Iterator[cst.CSTNode]:
    """The places of the file that may give an item of a dictionary another value, whatever the dictionary is called."""
    program, keys = outline.program, items_in(target)
    for node in program.find(cst.Subscript):
        if is_stored(program, node):
            key = next(reversed([*_keys(node)]), None)
            if key in keys or (key is None and _is_called(node.value, variable)):
                yield node
    for call in program.calls:
        changes = method_name(call) in _CHANGING and isinstance(call.func, cst.Attribute)
        if changes and _is_called(call.func.value, variable):  # type: ignore[attr-defined]
            yield call


def _keys(node: cst.CSTNode) -> Iterator[str | None]:
    """The texts in the brackets of an expression, None for what is no text."""
    if not isinstance(node, cst.Subscript):
        return
    yield from _keys(node.value)
    yield key_of(node)


def _is_called(node: cst.CSTNode, variable: Variable) -> bool:
    while isinstance(node, cst.Subscript):
        node = node.value
    return isinstance(node, cst.Name) and node.value == variable.name
