"""Where a module is not moved yet, when its move is left to the Trainer."""

from __future__ import annotations

from dataclasses import dataclass

import libcst as cst

from refactorer.analysis.program import Program
from refactorer.outline.blocks import block_lines
from refactorer.outline.outline import Outline

# What stands in one of these may not run at all.
_CONDITIONS = (cst.If, cst.Else, cst.For, cst.While, cst.ExceptHandler, cst.MatchCase)


@dataclass(frozen=True)
class Waiting:
    """Where a module without its move is not moved yet: up to the training, and wherever the script may skip that.

    `certain` is the code that runs only if the training does; None means that it is never skipped.
    """

    program: Program
    start: int
    end: int
    certain: cst.CSTNode | None

    def covers(self, node: cst.CSTNode) -> bool:
        order = self.program.order[node]
        if order <= self.start or order < self.end:
            return order > self.start
        return self.certain is not None and not self.program.contains(self.certain, node)


def waiting_for(outline: Outline, line: cst.CSTNode) -> Waiting:
    """Where the module waits whose move is a line in front of the training."""
    program, loop = outline.program, outline.site.epoch_loop
    inner: cst.CSTNode = loop
    certain: cst.CSTNode | None = None
    for outer in program.ancestors(loop):
        if program.contains(outer, line):
            break
        if isinstance(outer, _CONDITIONS) or (isinstance(outer, cst.Try) and _may_leave(program, outer, loop)):
            certain = inner
            break
        inner = outer
    return Waiting(program, program.last[line], program.order[loop], certain)


def _may_leave(program: Program, block: cst.Try, loop: cst.CSTNode) -> bool:
    """Whether lines in front of the training may raise what a block catches, or what its end runs behind."""
    if program.contains(block_lines(block.body)[0], loop):
        return False
    caught = [program.qualified_name(one.type) if one.type is not None else None for one in block.handlers]
    return block.finalbody is not None or any(name != "builtins.KeyboardInterrupt" for name in caught)
