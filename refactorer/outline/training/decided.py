"""`if` statements whose conditions are decided: the lines that they come to."""

from __future__ import annotations

import libcst as cst

from refactorer.outline.blocks import block_lines
from refactorer.outline.comments import comments_of, footer_of, with_comments


def word_of(node: cst.BaseExpression) -> bool | None:
    """The truth value that an expression is, if it is one of the words."""
    return {"True": True, "False": False}.get(node.value) if isinstance(node, cst.Name) else None


def taken(node: cst.If) -> list[cst.CSTNode] | None:
    """The lines that a decided `if` comes to; None for one that is not decided."""
    value = word_of(node.test)
    if value is None:
        return None
    if value:
        return opened(node, node.body)
    if node.orelse is None:
        return []
    if isinstance(node.orelse, cst.Else):
        blank = [line for line in node.leading_lines if line.comment is None]
        above = [*blank, *(line for line in node.orelse.leading_lines if line.comment is not None)]
        return opened(node.orelse.with_changes(leading_lines=above), node.orelse.body)
    lines = taken(node.orelse)
    return [without_decided(node.orelse.with_changes(leading_lines=node.leading_lines))] if lines is None else lines


def without_decided(node: cst.If) -> cst.If:
    """An `if` whose `elif` parts are only those that are not decided."""
    orelse = node.orelse
    if not isinstance(orelse, cst.If):
        return node
    lines = taken(orelse)
    if lines is None:
        return node.with_changes(orelse=without_decided(orelse))
    new = cst.Else(cst.IndentedBlock(lines)) if lines else None  # type: ignore[arg-type]
    return node.with_changes(orelse=new)


def opened(node: cst.CSTNode, body: cst.BaseSuite) -> list[cst.CSTNode]:
    """The lines of a block without its header, whose comments and blank lines stay above them."""
    lines = block_lines(body)
    above = [line for line in getattr(node, "leading_lines", ()) if line.comment is None]
    first = lines[0]
    if isinstance(first, (cst.SimpleStatementLine, cst.BaseCompoundStatement)):
        kept = [*comments_of(node), *first.leading_lines]
        lines[0] = first.with_changes(leading_lines=[*above[:1], *kept])
    footer = footer_of(node)
    return lines if not footer else [*lines[:-1], with_comments(lines[-1], footer)]
