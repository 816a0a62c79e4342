"""Comments on the calls that the Trainer makes: they go above the `return` that hands it the loss."""

from __future__ import annotations

from collections.abc import Sequence

import libcst as cst

from refactorer.emit.edits import Edit, Removed
from refactorer.outline.comments import comments_of, lines_above


def remove(
    body: Sequence[cst.CSTNode], zeros: Sequence[int], steps: Sequence[int]
) -> tuple[dict[cst.CSTNode, Edit], list[cst.EmptyLine]]:
    """Edits that take calls out of a body, by their indices, and the comments on them.

    A comment above `zero_grad` alone may be about the lines that follow it without a gap: then it stays there.
    """
    gone = {*zeros, *steps}
    edits: dict[cst.CSTNode, Edit] = {}
    remarks: list[cst.EmptyLine] = []
    for index in sorted(gone):
        line = body[index]
        if _opens_other_lines(body, index, gone, steps):
            edits[line] = None
        else:
            apart, own = lines_above(line)
            edits[line] = Removed(apart)
            remarks += [*own, *comments_of(line.with_changes(leading_lines=()))]
    return edits, remarks


def _opens_other_lines(body: Sequence[cst.CSTNode], index: int, gone: set[int], steps: Sequence[int]) -> bool:
    """Whether lines that stay follow a call, and the calls next to it, without a gap."""
    while index in gone:
        if index in steps:
            return False
        index += 1
    return index < len(body) and not getattr(body[index], "leading_lines", ())
