"""Whether a line in front of the training belongs to it alone: whatever trains has run it, once."""

from __future__ import annotations

import libcst as cst

from refactorer.idioms.configure.between import between
from refactorer.idioms.progress.effects import is_simple
from refactorer.idioms.shapes import waits_for_ctrl_c
from refactorer.outline.outline import Outline


def runs_beside(outline: Outline, line: cst.CSTNode) -> bool:
    """Whether a line in front of the training is followed by it, unless something fails in between or nothing trains.

    The training may stand deeper: in a `with`, in a `try` that waits for Ctrl-C, or under conditions that only ask for
    values, such as `if __name__ == "__main__":` or `if args.train:`.
    """
    program = outline.program
    around = between(outline, line)
    block = program.parent[line]
    if around.call is None or around.function is None:
        return _leads_to(outline, block, line, around.loop)
    inside = _leads_to(outline, around.function.body, around.function.body.body[0], around.loop)
    return inside and _leads_to(outline, block, line, around.call)


def _leads_to(outline: Outline, block: cst.CSTNode, line: cst.CSTNode, goal: cst.CSTNode) -> bool:
    """Whether whatever runs a line of a block goes on to a statement behind it, which may stand deeper, just once."""
    inner: cst.CSTNode = goal
    for outer in outline.program.ancestors(goal):
        if outer is block:
            return outline.program.order[line] <= outline.program.order[goal]
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
