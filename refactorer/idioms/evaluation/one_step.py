"""An evaluation of everything at once is one step: the code around its loop of one round joins it there.

Sound because there is one batch: the hooks run one after the other with nothing in between. The step runs without
gradients and the code around it with them, so that only joins what runs without them as well, or cannot tell.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import libcst as cst

from refactorer.idioms.evaluation.parts import Evaluation, Stage
from refactorer.idioms.evaluation.quiet import is_indifferent, names_of_others, own_variables, without_gradients
from refactorer.outline.control import loop_jumps, returns
from refactorer.outline.objects.optimizers import Roles
from refactorer.outline.outline import Outline


def join(outline: Outline, roles: Roles, found: Evaluation, stage: Stage) -> None:
    """Puts the last statements in front of an evaluation, and the first ones behind it, into its step."""
    own = own_variables(outline, found)
    others = names_of_others(outline, roles, found, own)
    with_gradients = stage.step in outline.with_gradients

    def may_join(line: cst.CSTNode) -> bool:
        if loop_jumps([line]) or returns([line]):
            return False
        return with_gradients or line in found.quiet or is_indifferent(outline, roles, line, own, others)

    before, after = outline.hooks[stage.start], outline.hooks[stage.end]
    first = len(before) - _leading(before[::-1], may_join)
    last = _leading(after, may_join)
    outline.hooks[stage.step] = [*before[first:], *outline.hooks[stage.step], *after[:last]]
    outline.hooks[stage.start] = without_gradients(outline, roles, found, before[:first])
    outline.hooks[stage.end] = without_gradients(outline, roles, found, after[last:])
    if first == 0:
        outline.above.setdefault(stage.step, []).extend(outline.footers.pop(stage.start, []))
    if last == len(after):
        outline.footers.setdefault(stage.step, []).extend(outline.footers.pop(stage.end, []))


def _leading(lines: Sequence[cst.CSTNode], holds: Callable[[cst.CSTNode], bool]) -> int:
    """How many of the first lines have a property."""
    return next((i for i, line in enumerate(lines) if not holds(line)), len(lines))
