"""An epoch that trains on everything at once: what follows the optimizer's step moves to the end of the epoch.

Sound because the epoch has one batch: the hooks run one after the other with nothing in between. The step has to be
reached whenever the code behind it is.
"""

from __future__ import annotations

import libcst as cst

from refactorer.idioms.shapes import method_line, mode_line
from refactorer.outline.control import loop_jumps, returns
from refactorer.outline.optimizers import Roles
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


def _clears(outline: Outline, roles: Roles, line: cst.CSTNode) -> bool:
    return any(method_line(outline, line, owner, "zero_grad") for owner in (roles.optimizer, roles.model))


def _others(outline: Outline) -> dict[str, list[cst.CSTNode]]:
    return {hook: lines for hook, lines in outline.hooks.items() if hook != STEP}
