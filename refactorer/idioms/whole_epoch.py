"""An epoch that trains on everything at once: what follows the optimizer's step moves to the end of the epoch.

Sound because the epoch has one batch: the hooks run one after the other with nothing in between. The step has to be
reached whenever the code behind it is. Once the evaluations have been found there, the lines that need no hook of their
own go back into the step: all of them where the script steps the optimizer itself, else those that cannot tell whether
it has stepped.
"""

from __future__ import annotations

import libcst as cst

from refactorer.idioms.automatic import detect
from refactorer.idioms.known.sensitive import Obstacle
from refactorer.idioms.schedulers import is_step_line
from refactorer.idioms.shapes import method_line, mode_line
from refactorer.outline.control import loop_jumps, returns
from refactorer.outline.objects.optimizers import Roles
from refactorer.outline.outline import EPOCH_END, EPOCH_START, STEP, Outline


def apply(outline: Outline, roles: Roles) -> None:
    """Splits the step of an epoch of one batch into the customary hooks."""
    if outline.site.form != "whole" or roles.optimizer is None:
        return
    body = outline.hooks[STEP]
    steps = [i for i, line in enumerate(body) if method_line(outline, line, roles.optimizer, "step")]
    if len(steps) != 1:
        return
    end = steps[0] + 1
    while end < len(body) and _clears(outline, roles, body[end]):
        end += 1
    if loop_jumps(body[:end]) or returns(body[:end]):
        return
    start = 0
    while start < end and roles.model is not None and mode_line(outline, body[start], roles.model, "train"):
        start += 1
    outline.hooks = {EPOCH_START: body[:start], STEP: body[start:end], EPOCH_END: body[end:], **_others(outline)}
    if body[end:]:
        outline.footers[EPOCH_END] = outline.footers.pop(STEP, [])


def rejoin(outline: Outline, roles: Roles, undivided: str | None) -> None:
    """Puts back into the step what needs no hook of its own; `undivided` says why the step has to be a literal one."""
    if outline.site.form != "whole" or outline.evaluation is not None:
        return
    start, tail = outline.hooks.pop(EPOCH_START, []), outline.hooks.get(EPOCH_END, [])
    outline.hooks[STEP][:0] = start
    stays = _staying(outline, roles, tail, undivided) if tail else []
    outline.hooks[STEP] += [line for line in tail if line not in stays]
    outline.hooks[EPOCH_END] = stays
    if not stays:
        outline.footers.setdefault(STEP, []).extend(outline.footers.pop(EPOCH_END, []))


def _staying(outline: Outline, roles: Roles, tail: list[cst.CSTNode], undivided: str | None) -> list[cst.CSTNode]:
    """The lines at the end of the epoch that need a hook of their own; the Trainer steps schedulers there."""
    body = outline.hooks[STEP]
    steps = [line for line in tail if is_step_line(outline, roles, line)]
    if undivided is not None or isinstance(detect(outline, roles), Obstacle):
        return tail if steps else []
    outline.hooks[STEP] = [*body, *tail]
    found = detect(outline, roles)
    outline.hooks[STEP] = body
    sensitive = isinstance(found, Obstacle) or any(line not in steps for line in found[1].behind)
    return tail if sensitive or loop_jumps(tail) or returns(tail) else steps


def _clears(outline: Outline, roles: Roles, line: cst.CSTNode) -> bool:
    return any(method_line(outline, line, owner, "zero_grad") for owner in (roles.optimizer, roles.model))


def _others(outline: Outline) -> dict[str, list[cst.CSTNode]]:
    return {hook: lines for hook, lines in outline.hooks.items() if hook != STEP}
