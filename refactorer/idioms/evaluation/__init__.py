"""Evaluations become loops of the Trainer: `validation_step` for that of every epoch, `test_step` for a last one.

Sound when the Trainer iterates over the data as the script does, at the same place and with the same gradients. Where
the Trainer's own switches of mode are those of the script, it makes them; else the script's stay, and the Trainer's are
switched off.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import libcst as cst

from refactorer.analysis.walk import walk
from refactorer.idioms.evaluation.final import blocks_behind, final_obstacle, is_sometimes, take_in
from refactorer.idioms.evaluation.midway import midway, midway_obstacle
from refactorer.idioms.evaluation.moving import move
from refactorer.idioms.evaluation.obstacles import module_makes_data, obstacle
from refactorer.idioms.evaluation.overlooked import overlooked
from refactorer.idioms.evaluation.parts import TEST, VALIDATION, Evaluation, is_switched, likeness, take_apart
from refactorer.idioms.evaluation.remaining import remaining
from refactorer.outline.objects.optimizers import Roles
from refactorer.outline.outline import EPOCH_END, STEP, Outline
from refactorer.outline.refusal import Refusal

OVERLOOKED = "the evaluation stays where it is"
Failed = tuple[Evaluation, str, str]
"""An evaluation, why it could not be moved, and where it stays."""


def apply(outline: Outline, roles: Roles, asks: bool) -> None:
    """Moves the first evaluation behind the training that qualifies, and the first one of each epoch, or of a step.

    `asks` says that hooks may ask the Trainer for a validation.
    """
    missed = _test(outline, roles, asks)
    failed = _validation(outline, roles, asks)
    if asks and outline.evaluation is None:
        failed = _asked(outline, roles, failed)
    if outline.evaluation is not None:
        missed = [one for one in missed if not is_sometimes(outline, one[0])]
    _say(outline, missed + failed)
    if outline.evaluation is not None or outline.test is not None:
        _say_overlooked(outline, remaining(outline, roles, [found.loop for found, _, _ in missed + failed]))
    elif not missed and not failed:
        _say_overlooked(outline, overlooked(outline, roles))


def _test(outline: Outline, roles: Roles, asks: bool) -> list[Failed]:
    """Moves an evaluation that stands behind the training; returns what failed, if all did.

    `asks` says that the Trainer looks for no batch ahead, so that a method may make the data.
    """
    failed: list[Failed] = []
    for block in blocks_behind(outline):
        for index in range(len(block.lines)):
            earlier = [*block.earlier, *block.lines[:index]]
            found = take_apart(outline, roles, block.lines, index, is_switched(earlier))
            if found is None:
                continue
            found.earlier, found.later = earlier, [*block.lines[index + 1 :], *block.later]
            found.final = True
            take_in(outline, roles, found)
            reason = _reason(outline, roles, found) or final_obstacle(outline, found)
            reason = reason or (None if asks else module_makes_data(outline, found))
            if reason is None:
                move(outline, roles, found, TEST)
                return []
            failed.append((found, reason, "behind the training"))
    return failed


def _validation(outline: Outline, roles: Roles, goes_on: bool) -> list[Failed]:
    """Moves an evaluation that stands at the end of each epoch; returns what failed, if all did.

    `goes_on` says that it may go through several sets of data: the Trainer looks for no batch ahead.
    """
    lines: Sequence[cst.CSTNode] = outline.hooks.get(EPOCH_END, [])
    failed: list[Failed] = []
    places = range(len(lines))
    every = [take_apart(outline, roles, lines, index, is_switched(lines[:index])) for index in places]
    for found in sorted((found for found in every if found is not None), key=lambda one: _rank(outline, one)):
        reason = _reason(outline, roles, found)
        reason = reason or (None if goes_on else module_makes_data(outline, found))
        if reason is None:
            move(outline, roles, found, VALIDATION)
            return []
        failed.append((found, reason, f"in {EPOCH_END}"))
    return failed


def _asked(outline: Outline, roles: Roles, failed: list[Failed]) -> list[Failed]:
    """Has a hook ask for an evaluation; returns what failed, with the evaluations that failed before."""
    places = list(midway(outline, roles))
    for found in sorted(places, key=lambda one: (one.asks != STEP, _rank(outline, one))):
        reason = midway_obstacle(outline, roles, found) or _reason(outline, roles, found)
        if reason is None:
            move(outline, roles, found, VALIDATION)
            return []
        failed = [*(one for one in failed if one[0].line is not found.line), (found, reason, f"in {found.asks}")]
    return failed


def _rank(outline: Outline, found: Evaluation) -> int:
    calls = [node for node in walk(found.line) if isinstance(node, cst.Call)] if found.function is not None else []
    given = [arg for call in calls if outline.program.function(call.func) is found.function for arg in call.args]
    return likeness(*given) if found.function is not None else likeness(found.loop.iter)


def _reason(outline: Outline, roles: Roles, found: Evaluation) -> str | None:
    try:
        return obstacle(outline, roles, found)
    except Refusal as refusal:
        return refusal.message


def _say(outline: Outline, failed: list[Failed]) -> None:
    """Where no evaluation could be moved, the reader learns why."""
    for found, reason, where in failed:
        outline.note("N102", found.loop, f"the evaluation stays {where}: {reason}",
                     "nothing to do; the literal form evaluates the same")  # fmt: skip


def _say_overlooked(outline: Outline, found: Iterable[tuple[cst.CSTNode, str]]) -> None:
    """Of evaluations that were not even looked at, the reader learns why."""
    for loop, reason in found:
        outline.note("N102", loop, f"{OVERLOOKED}: {reason}",
                     "nothing to do; the literal form evaluates the same")  # fmt: skip
