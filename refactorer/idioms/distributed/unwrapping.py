"""Takes the wrapper out of the script: the model keeps its name, and what was its `module` is the model itself."""

from __future__ import annotations

import libcst as cst

from refactorer.analysis.walk import walk
from refactorer.emit.edits import Edit
from refactorer.idioms.distributed.wrapper import Wrapper
from refactorer.outline.outline import Outline

_PLAIN, _UNUSED = "'ddp'", "'ddp_find_unused_parameters_true'"


def unwrap(outline: Outline, found: Wrapper) -> None:
    """Edits the hooks, and the lines of the driver, and gives the Trainer its strategy."""
    outline.strategy = cst.SimpleString(_UNUSED if found.finds_unused else _PLAIN)
    inner = _inner(outline, found)
    for hook, body in list(outline.hooks.items()):
        own = {id(node) for node in walk(*body)}
        edits: dict[cst.CSTNode, Edit] = {node: value for node, value in inner.items() if id(node) in own}
        if edits:
            outline.edit(hook, edits)
    outline.driver_edits.update(inner)
    if isinstance(found.wrapped, cst.Name):
        outline.driver_edits[found.line] = None
    else:
        outline.driver_edits[found.call] = found.wrapped


def _inner(outline: Outline, found: Wrapper) -> dict[cst.CSTNode, Edit]:
    """Each `model.module`, with the name that takes its place; the wrapper's own state keeps its prefix."""
    edits: dict[cst.CSTNode, Edit] = {}
    for node in outline.program.find(cst.Attribute):
        if outline.variable(node.value) is not found.model:
            continue
        if node.attr.value == "module":
            edits[node] = node.value
        elif node.attr.value == "state_dict":
            edits[node.value] = _prefixed(outline.new_name(found.model))
    return edits


def _prefixed(name: cst.BaseExpression) -> cst.Call:
    """A module with the model in it, whose state has the keys that the wrapper's had."""
    held = cst.Dict([cst.DictElement(cst.SimpleString("'module'"), name)])
    return cst.Call(cst.parse_expression("torch.nn.ModuleDict"), [cst.Arg(held)])
