"""Comments on code that disappears: collected, so that they can stand on their own lines elsewhere."""

from __future__ import annotations

from collections.abc import Iterable

import libcst as cst
from libcst import matchers


def comment_lines(lines: Iterable[cst.EmptyLine]) -> list[cst.EmptyLine]:
    """The lines that hold a comment, at the indentation of the place where they go."""
    return [cst.EmptyLine(comment=line.comment) for line in lines if line.comment is not None]


def comments_of(node: cst.CSTNode) -> list[cst.EmptyLine]:
    """The comments above a statement, behind it or behind its header."""
    found = comment_lines([*getattr(node, "leading_lines", ()), *getattr(node, "lines_after_decorators", ())])
    for owner, name in ((node, "trailing_whitespace"), (getattr(node, "body", None), "header")):
        space = getattr(owner, name, None)
        if isinstance(space, cst.TrailingWhitespace) and space.comment is not None:
            found.append(cst.EmptyLine(comment=space.comment))
    return found


def lines_above(line: cst.CSTNode) -> tuple[list[cst.EmptyLine], list[cst.EmptyLine]]:
    """The comments above a statement: those that a blank line parts from it, and those that belong to it."""
    above = list(getattr(line, "leading_lines", ()))
    start = max((i + 1 for i, part in enumerate(above) if part.comment is None), default=0)
    apart = above[:start]
    while apart and apart[-1].comment is None:
        apart.pop()
    return apart, above[start:]


def comments_inside(node: cst.CSTNode, kept: cst.CSTNode | None) -> list[cst.EmptyLine]:
    """The comments between the lines of an expression that disappears, save for a part of it that is kept."""
    staying = {id(found) for found in matchers.findall(kept, matchers.Comment())} if kept is not None else set()
    found = matchers.findall(node, matchers.Comment())
    return [cst.EmptyLine(comment=part) for part in found if id(part) not in staying]  # type: ignore[arg-type]


def footer_of(node: cst.CSTNode) -> list[cst.EmptyLine]:
    """The comments at the end of the body of a compound statement, with the blank lines above them."""
    lines = list(getattr(getattr(node, "body", None), "footer", ()))
    while lines and lines[-1].comment is None:
        lines.pop()
    return [cst.EmptyLine(indent=line.comment is not None, comment=line.comment) for line in lines]


def behind_header(line: cst.If) -> list[cst.EmptyLine]:
    """The comment behind `if ...:`; that of a block on the same line stays behind its last statement."""
    comment = line.body.header.comment if isinstance(line.body, cst.IndentedBlock) else None
    return [cst.EmptyLine(comment=comment)] if comment is not None else []


def with_comments(node: cst.CSTNode, comments: Iterable[cst.EmptyLine]) -> cst.CSTNode:
    """A statement with more comments above its own."""
    return node.with_changes(leading_lines=[*comments, *getattr(node, "leading_lines", ())])
