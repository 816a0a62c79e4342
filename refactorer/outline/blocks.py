"""The lines of blocks."""

from __future__ import annotations

import libcst as cst


def block_lines(block: cst.BaseSuite) -> list[cst.CSTNode]:
    """The lines of a block; one for each part of a suite that stands on the line of its header."""
    if not isinstance(block, cst.SimpleStatementSuite):
        return list(block.body)
    parts = [small.with_changes(semicolon=cst.MaybeSentinel.DEFAULT) for small in block.body]
    lines = [cst.SimpleStatementLine([small]) for small in parts]
    return [*lines[:-1], lines[-1].with_changes(trailing_whitespace=block.trailing_whitespace)]


def is_docstring(line: cst.CSTNode) -> bool:
    """Whether a line is a string on its own."""
    return (
        isinstance(line, cst.SimpleStatementLine)
        and isinstance(line.body[0], cst.Expr)
        and isinstance(line.body[0].value, (cst.SimpleString, cst.ConcatenatedString))
    )


def is_pass(line: cst.CSTNode) -> bool:
    """Whether a line does nothing."""
    return isinstance(line, cst.SimpleStatementLine) and all(isinstance(small, cst.Pass) for small in line.body)
