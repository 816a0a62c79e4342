"""Whether a line of a function belongs to the training alone: whatever trains has run it, once."""

from __future__ import annotations

import libcst as cst

from refactorer.idioms.progress.effects import is_simple
from refactorer.idioms.shapes import waits_for_ctrl_c
from refactorer.outline.outline import Outline


def runs_beside(outline: Outline, line: cst.CSTNode) -> bool:
    """Whether a line in front of the training is followed by it, unless something fails in between or nothing trains.

    The training may stand deeper: in a `with`, in a `try` that waits for Ctrl-C, or under conditions that only ask for
    values, such as `if __name__ == "__main__":` or `if args.train:`.
    """
    program, loop = outline.program, outline.site.epoch_loop
    block = program.parent[line]
    inner: cst.CSTNode = loop
    for outer in program.ancestors(loop):
        if outer is block:
            return program.order[line] < program.order[loop]
        if not isinstance(outer, cst.IndentedBlock) and not _goes_on_inside(outline, outer, inner):
            return False
        inner = outer
    return False


def _goes_on_inside(outline: Outline, outer: cst.CSTNode, inner: cst.CSTNode) -> bool:
    if isinstance(outer, cst.With):
        return outer.asynchronous is None
    if isinstance(outer, cst.If):
        return is_simple(outline.program, outer.test)
    if isinstance(outer, cst.Else):
        return isinstance(outline.program.parent[outer], cst.If)
    return isinstance(outer, cst.Try) and outer.body is inner and waits_for_ctrl_c(outline.program, outer)
