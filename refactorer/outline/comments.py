"""Comments on code that disappears: collected, so that they can stand on their own lines elsewhere."""

from __future__ import annotations

from collections.abc import Iterable

import libcst as cst


def comment_lines(lines: Iterable[cst.EmptyLine]) -> list[cst.EmptyLine]:
    """The lines that hold a comment, at the indentation of the place where they go."""
    return [cst.EmptyLine(comment=line.comment) for line in lines if line.comment is not None]


def comments_of(node: cst.CSTNode) -> list[cst.EmptyLine]:
    """The comments above a statement, behind it or behind its header."""
    found = comment_lines(getattr(node, "leading_lines", ()))
    for owner, name in ((node, "trailing_whitespace"), (getattr(node, "body", None), "header")):
        space = getattr(owner, name, None)
        if isinstance(space, cst.TrailingWhitespace) and space.comment is not None:
            found.append(cst.EmptyLine(comment=space.comment))
    return found


def footer_of(node: cst.CSTNode) -> list[cst.EmptyLine]:
    """The comments at the end of the body of a compound statement."""
    return comment_lines(getattr(getattr(node, "body", None), "footer", ()))


def with_comments(node: cst.CSTNode, comments: Iterable[cst.EmptyLine]) -> cst.CSTNode:
    """A statement with more comments above its own."""
    return node.with_changes(leading_lines=[*comments, *getattr(node, "leading_lines", ())])
