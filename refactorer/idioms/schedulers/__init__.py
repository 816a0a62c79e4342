"""Schedulers are stepped by the Trainer: behind every batch, or at the end of the epoch.

Sound when nothing behind the script's own call in the epoch can see the learning rate.
"""

from __future__ import annotations

import libcst as cst

from refactorer.analysis.scopes import Variable
from refactorer.idioms.known.elsewhere import shown_by
from refactorer.idioms.known.harmless import harm_in
from refactorer.idioms.known.sensitive import is_guarded
from refactorer.idioms.remarks import without_step
from refactorer.idioms.schedulers.code import may_meet
from refactorer.idioms.shapes import method_calls, method_line
from refactorer.outline.control import loop_jumps, returns
from refactorer.outline.objects.optimizers import Roles
from refactorer.outline.outline import BATCH_END, Outline


def steps_of(outline: Outline, scheduler: Variable) -> list[cst.Call]:
    """The calls of the file that step a scheduler."""
    return [c for c in method_calls(outline, "step") if outline.variable(c.func.value) is scheduler]  # type: ignore[attr-defined]


def step_line(outline: Outline, line: cst.CSTNode, scheduler: Variable) -> cst.Call | None:
    """The call of a line `scheduler.step()`, which may stand alone under the condition for the optimizer's step."""
    if isinstance(line, cst.If) and any(line is branch for branch in outline.stepping) and len(line.body.body) == 1:
        return method_line(outline, line.body.body[0], scheduler, "step")
    return method_line(outline, line, scheduler, "step")


def is_step_line(outline: Outline, roles: Roles, line: cst.CSTNode) -> bool:
    """Whether a line does no more than to step a scheduler together with the optimizer."""
    return stepped_by(outline, roles, line) is not None


def stepped_by(outline: Outline, roles: Roles, line: cst.CSTNode) -> Variable | None:
    """The scheduler that a line steps, if it does no more than that, together with the optimizer."""
    return next((s for s in roles.schedulers if step_line(outline, line, s) is not None), None)


def step_behind_batch(outline: Outline, scheduler: Variable) -> bool:
    """Takes `scheduler.step()` out of the code behind the step where it is the first thing there."""
    own = [line for line in outline.hooks.get(BATCH_END, []) if line not in outline.openings]
    if not own or step_line(outline, own[0], scheduler) is None or _is_stepped_otherwise(outline, scheduler):
        return False
    if own[0] in outline.always or (outline.accumulates and not isinstance(own[0], cst.If)):
        return False
    outline.edit(BATCH_END, {own[0]: without_step(own[0])})
    if len(own) == 1:
        del outline.hooks[BATCH_END]
    return True


def step_behind_epoch(outline: Outline, roles: Roles, scheduler: Variable) -> str | None:
    """Takes `scheduler.step()` out of the end of the epoch when nothing behind it can tell; else says why not."""
    last = outline.last_hook
    reason = _is_stepped_otherwise(outline, scheduler)
    if reason is not None:
        return reason
    if any(node in outline.program.order for body in outline.hooks.values() for node in returns(body)):
        return "`return` leaves the training"
    lines = outline.hooks.get(last, [])
    index = next((i for i, line in enumerate(lines) if method_line(outline, line, scheduler, "step")), None)
    if index is None or loop_jumps(lines):
        return "it does not step once, at the end of every epoch"
    reason = _sees_it(outline, roles, scheduler, lines[index + 1 :])
    if reason is None:
        outline.edit(last, {lines[index]: without_step(lines[index])})
    return reason


def _is_stepped_otherwise(outline: Outline, scheduler: Variable) -> str | None:
    steps = steps_of(outline, scheduler)
    if not outline.automatic:
        return "optimization is manual"
    if len(steps) != 1:
        return "it is stepped in more than one place"
    return "step() is given an argument" if steps[0].args else None


def _sees_it(outline: Outline, roles: Roles, scheduler: Variable, later: list[cst.CSTNode]) -> str | None:
    """Why lines behind `scheduler.step()` may tell that it has not been called yet; None if they cannot."""
    if any(_sees_rate(outline, roles, part) for part in later):
        return "the learning rate is used behind it"
    if later and may_meet(outline, scheduler, later):
        return "it calls functions of the script, which may be seen behind it"
    if later and is_guarded(outline):
        return "an exception behind it is caught outside the loop"
    if later and harm_in(outline, later, shown_by(outline, roles)) is not None:
        return "code behind it may depend on it"
    return None


def _sees_rate(outline: Outline, roles: Roles, line: cst.CSTNode) -> bool:
    hidden = {*roles.optimizers, *roles.schedulers}
    for _, variable in outline.uses(line):
        if variable in hidden:
            return True
        function = outline.program.definition(variable)
        if isinstance(function, cst.FunctionDef) and any(outline.mentions(v, function) for v in hidden):
            return True
    return False
