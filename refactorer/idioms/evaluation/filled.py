"""Containers and objects that the training puts its own values into, which may have gradients.

    losses.append(loss)         log["loss"] = loss         state.loss = loss

What is put in as a number has none: `losses.append(loss.item())`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

import libcst as cst

from refactorer.analysis.scopes import Variable
from refactorer.analysis.walk import walk
from refactorer.idioms.device.aliases import root_of
from refactorer.idioms.known.plain import is_plain
from refactorer.outline.outline import Outline

STORING = ("append", "extend", "insert", "add", "update", "setdefault", "appendleft", "put")
_CUTTING = ("item", "tolist", "numpy", "detach", "size", "numel", "dim", "argmax", "eq")
_WITHOUT = ("data", "shape", "dtype", "device")
_NUMBERS = ("builtins.float", "builtins.int", "builtins.len", "builtins.str", "builtins.round", "time.", "torch.argmax")


def filled(outline: Outline, lines: Iterable[cst.CSTNode], trained: Collection[Variable]) -> set[Variable]:
    """The variables that some lines of the training put something into that may have gradients."""
    found: set[Variable] = set()
    for target, values in _stores(walk(*lines)):
        variable = outline.variable(root_of(outline, target))
        if variable is not None and any(_may_need(outline, value, trained) for value in values):
            found.add(variable)
    return found


def _stores(nodes: Iterable[cst.CSTNode]) -> Iterator[tuple[cst.CSTNode, list[cst.BaseExpression]]]:
    for node in nodes:
        if isinstance(node, cst.Assign):
            yield from ((t.target, [node.value]) for t in node.targets if not isinstance(t.target, cst.Name))
        elif isinstance(node, cst.AugAssign) and not isinstance(node.target, cst.Name):
            yield node.target, [node.value]
        elif isinstance(node, cst.Call) and isinstance(node.func, cst.Attribute) and node.func.attr.value in STORING:
            yield node.func.value, [arg.value for arg in node.args]


def _may_need(outline: Outline, value: cst.CSTNode, trained: Collection[Variable]) -> bool:
    """Whether a value may have gradients: what the training computed, or a part of a model, and not as a number."""
    if isinstance(value, (cst.Name, cst.Attribute)) and outline.variable(root_of(outline, value)) is not None:
        variable = outline.variable(root_of(outline, value))
        without = isinstance(value, cst.Attribute) and value.attr.value in _WITHOUT
        return not without and variable is not None and (variable in trained or not is_plain(outline, variable))
    if isinstance(value, (cst.FormattedString, cst.Comparison)):
        return False
    if isinstance(value, cst.Call):
        cuts = isinstance(value.func, cst.Attribute) and value.func.attr.value in _CUTTING
        if cuts or (outline.program.qualified_name(value.func) or "").startswith(_NUMBERS):
            return False
    parts = [child for child in value.children if isinstance(child, cst.CSTNode)]
    return any(_may_need(outline, part, trained) for part in parts)
