"""Edits by identity: a new tree that shares every untouched node with the old one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any, TypeVar, Union, cast

import libcst as cst

from refactorer.analysis.walk import child_fields, is_node_class
from refactorer.emit.brackets import bracketed_in
from refactorer.emit.quotes import fitted


@dataclass(frozen=True)
class Removed:
    """A statement that goes, with the comments that it leaves to the one behind it; None leaves all of them."""

    leaves: Sequence[cst.EmptyLine] = ()


Edit = Union[cst.CSTNode, Sequence[cst.CSTNode], Removed, None]
Edits = Mapping[cst.CSTNode, Edit]
Node = TypeVar("Node", bound=cst.CSTNode)


def takes_away(edit: Edit) -> bool:
    """Whether an edit leaves nothing of its statement."""
    return edit is None or isinstance(edit, Removed)


def apply(node: Node, edits: Edits) -> Node:
    """The tree with every edited node replaced: by a node, by several statements, or by nothing (None).

    Replacements are searched for edits too, so a statement can be replaced by one that holds parts of the original.
    An expression takes brackets where it would be read apart in its new place.
    """
    return cast(Node, _rebuild(node, edits)) if edits else node


def _rebuild(node: cst.CSTNode, edits: Edits) -> cst.CSTNode:
    changes: dict[str, Any] = {}
    for name in child_fields(type(node)):
        value = getattr(node, name)
        kind = type(value)
        if kind is tuple or kind is list:
            items, left = _sequence(value, edits) if value else (None, [])
            if items is not None:
                changes[name] = items
            if left and isinstance(node, (cst.IndentedBlock, cst.Module)):
                changes["footer"] = [*left, *node.footer]
        elif is_node_class(kind):
            new = _edited(value, edits)
            if new is not value:
                changes[name] = bracketed_in(node, name, new) if value in edits else new
    if not changes:
        return node
    new = node.with_changes(**changes)
    return fitted(new, node, _rebuild) if isinstance(new, cst.FormattedString) else new


def _edited(node: cst.CSTNode, edits: Edits) -> Any:
    if node not in edits:
        return _rebuild(node, edits)
    replacement = edits[node]
    if isinstance(replacement, cst.CSTNode):
        return _rebuild(replacement, edits)
    raise TypeError(f"{type(node).__name__} stands alone and can only be replaced by one node")


def _sequence(items: Sequence[Any], edits: Edits) -> tuple[list[Any] | None, list[cst.EmptyLine]]:
    """The edited items, None if nothing has changed; and the comments of those that went at the end."""
    result: list[Any] = []
    orphans: list[cst.EmptyLine] = []
    gap: list[cst.EmptyLine] = []
    changed = False
    for item in items:
        new = _replacements(item, edits) if is_node_class(type(item)) else [item]
        changed = changed or len(new) != 1 or new[0] is not item
        if not new and not isinstance(item, cst.FunctionDef):
            edit = edits.get(item)
            gap = gap or _gap_above(item, result)
            orphans += edit.leaves if isinstance(edit, Removed) else _comments(item)
        elif new and isinstance(new[0], (cst.SimpleStatementLine, cst.BaseCompoundStatement)):
            if orphans or gap:
                new = [_behind_gone(new[0], orphans, gap), *new[1:]]
            orphans, gap = [], []
        result += new
    if not changed:
        return None, []
    if not result and items and isinstance(items[0], (cst.SimpleStatementLine, cst.BaseCompoundStatement)):
        result.append(cst.SimpleStatementLine([cst.Pass()]))
    return result, orphans


def _gap_above(item: Any, in_front: Sequence[Any]) -> list[cst.EmptyLine]:
    """The blank lines above a statement and its comments; one is enough behind what is no definition."""
    lines = list(takewhile(lambda line: line.comment is None, getattr(item, "leading_lines", ())))
    behind_definition = in_front and isinstance(in_front[-1], (cst.FunctionDef, cst.ClassDef))
    return lines if behind_definition else lines[:1]


def _behind_gone(statement: Any, orphans: list[cst.EmptyLine], gap: list[cst.EmptyLine]) -> Any:
    """A statement with the comments of those that went in front of it, and the blank line above them."""
    lines = [*orphans, *statement.leading_lines]
    return statement.with_changes(leading_lines=lines if lines and lines[0].comment is None else [*gap, *lines])


def _replacements(item: cst.CSTNode, edits: Edits) -> list[cst.CSTNode]:
    if item in edits:
        replacement = edits[item]
        if replacement is None or isinstance(replacement, Removed):
            return []
        found = [replacement] if isinstance(replacement, cst.CSTNode) else replacement
        return [_rebuild(node, edits) for node in found]
    if isinstance(item, cst.SimpleStatementLine) and any(edits.get(small, ...) is None for small in item.body):
        kept = [_edited(small, edits) for small in item.body if edits.get(small, ...) is not None]
        if kept:
            kept[-1] = kept[-1].with_changes(semicolon=cst.MaybeSentinel.DEFAULT)
        return [item.with_changes(body=kept)] if kept else []
    return [_rebuild(item, edits)]


def _comments(item: Any) -> list[cst.EmptyLine]:
    """What a removed statement leaves to the one behind it: its comments, with the blank lines above them."""
    lines = list(getattr(item, "leading_lines", ()))
    while lines and lines[-1].comment is None:
        lines.pop()
    behind = getattr(item, "trailing_whitespace", None)
    if behind is not None and behind.comment is not None:
        lines.append(cst.EmptyLine(comment=behind.comment))
    return lines
