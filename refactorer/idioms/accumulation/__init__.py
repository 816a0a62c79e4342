"""Accumulation: the Trainer steps the optimizer behind several batches, where the script counts them by hand.

The `if` around the step is taken away, as though it ran for every batch; the rest is left to automatic optimization.
Sound when its condition counts the batches of the epoch by a number that stays the same, when the gradients are cleared
behind the step and nowhere else but in front of the batches, and when all that ran under the condition does so still.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import libcst as cst

from refactorer.emit.edits import Edit
from refactorer.emit.edits import apply as edited
from refactorer.idioms import automatic
from refactorer.idioms.accumulation.division import find_division
from refactorer.idioms.accumulation.stepping import Flat, Stepping, find_stepping, flatten, flatten_around
from refactorer.idioms.clearing import clearing_lines
from refactorer.idioms.known.fixed import fixed, parameter_line
from refactorer.idioms.known.sensitive import Obstacle
from refactorer.idioms.shapes import method_line
from refactorer.outline.control import loop_jumps
from refactorer.outline.objects.optimizers import Roles
from refactorer.outline.outline import EPOCH_START, STEP, Outline

CODE = "N111"
_FALSE = cst.Name("False")
_STATE = ("settings", "cleared", "stepping", "closing", "clears_itself")


@dataclass(frozen=True)
class Plan:
    """A step that accumulates: its new body, lines elsewhere that the Trainer makes needless, and what it is told.

    `clears_itself` says that the script's own lines clear the gradients, where they did.
    """

    flat: Flat
    cleared: list[cst.CSTNode]
    settings: dict[str, cst.BaseExpression]
    division: dict[cst.CSTNode, Edit] = field(default_factory=dict)
    clears_itself: bool = False

    @property
    def body(self) -> list[cst.CSTNode]:
        """The lines of the step, without the division that the Trainer does."""
        block = edited(cst.IndentedBlock(self.flat.body), self.division)  # type: ignore[arg-type]
        return list(block.body)


def apply(outline: Outline, roles: Roles, lean: bool) -> None:
    """Leaves the counting to the Trainer, or says in a note why the script goes on counting.

    `lean` says that the Trainer clears no gradients but where the module says so.
    """
    found = detect(outline, roles, lean)
    if isinstance(found, Obstacle):
        node = found.node if found.node in outline.program.order else outline.site.batch_loop
        outline.note(CODE, node, f"gradients are accumulated by hand: {found.reason}",
                     "nothing to do; the literal form trains the same")  # fmt: skip
    elif found is not None:
        start = outline.hooks.get(EPOCH_START, [])
        if start:
            outline.edit(EPOCH_START, dict.fromkeys(line for line in found.cleared if line in start))
        outline.consumed += [line for line in found.cleared if line not in start]
        _install(outline, found)
        outline.footers.setdefault(STEP, [])[:0] = found.flat.footer
        _drop_unused_parameters(outline)


def detect(outline: Outline, roles: Roles, lean: bool) -> Plan | Obstacle | None:
    """How to do without the `if` around the step, or the first condition that fails; None without such an `if`."""
    if roles.stepping is None:
        return None
    stepping = find_stepping(outline, roles.stepping)
    if stepping is None or isinstance(stepping, Obstacle):
        return stepping
    batches = fixed(outline, stepping.window.batches)
    if batches is None:
        return Obstacle(stepping.branch.test, "the number of batches is not one that is known in front of the training")
    index = outline.variable(outline.train.index)
    if any(used is index and outline.is_write(node) for node, used in outline.uses(*outline.hooks[STEP])):
        return Obstacle(stepping.branch.test, "the step changes the number of the batch")
    flat = flatten(outline, roles, stepping)
    if isinstance(flat, Obstacle):
        return flat
    found = _with_clearing(outline, roles, stepping, flat, batches, lean)
    if not isinstance(found, Obstacle) or not lean or stepping.window.steps_last or not stepping.clears:
        return found
    flat = flatten_around(outline, roles, stepping)
    settings = _settings(outline, batches, {"last_window": cst.SimpleString('"carry"')})
    again = _without_division(outline, roles, Plan(flat, [], settings, clears_itself=True), stepping, lean)
    return found if isinstance(again, Obstacle) else again


def _with_clearing(
    outline: Outline, roles: Roles, stepping: Stepping, flat: Flat, batches: cst.BaseExpression, lean: bool
) -> Plan | Obstacle:  # fmt: skip
    """The plan by which the Trainer clears the gradients, in front of each window."""
    cleared = _cleared_in_front(outline, roles) if not flat.by_hook else []
    anew = any(line in outline.hooks.get(EPOCH_START, []) for line in cleared)
    last = _last_window(outline, stepping, flat.opens or anew)
    if isinstance(last, Obstacle):
        return last
    return _without_division(outline, roles, Plan(flat, cleared, _settings(outline, batches, last)), stepping, lean)


def _settings(
    outline: Outline, batches: cst.BaseExpression, last: dict[str, cst.BaseExpression]
) -> dict[str, cst.BaseExpression]:  # fmt: skip
    return {**outline.settings, "accumulate_grad_batches": batches, "divide_loss": _FALSE, **last}


def _cleared_in_front(outline: Outline, roles: Roles) -> list[cst.CSTNode]:
    """The lines that clear the gradients at the start of each epoch, and in front of the training."""
    start = outline.hooks.get(EPOCH_START, [])
    found = [start[i] for i in clearing_lines(outline, roles, start)]
    loop = outline.site.epoch_loop
    block: list[cst.CSTNode] = list(getattr(outline.program.parent[loop], "body", []))
    lines = block[: block.index(loop)] if loop in block else []
    own = [line for line in lines if method_line(outline, line, roles.stepping, "zero_grad")]
    return [*found, *(line for line in own if clearing_lines(outline, roles, [line]))]


def _last_window(outline: Outline, stepping: Stepping, cleared: bool) -> dict[str, cst.BaseExpression] | Obstacle:
    """What becomes of the last batches of an epoch; `cleared` says that their gradients do not reach the next."""
    if not stepping.window.steps_last:
        return {"last_window": cst.SimpleString('"drop"' if cleared else '"carry"')}
    jumps = loop_jumps(outline.hooks[STEP])
    if jumps and not cleared:
        return Obstacle(jumps[0], "an epoch may be left in front of a step, and its gradients reach the next epoch")
    return {}


def _without_division(
    outline: Outline, roles: Roles, plan: Plan, stepping: Stepping, lean: bool
) -> Plan | Obstacle:  # fmt: skip
    """The plan that leaves the division of the loss to the Trainer as well, if that is sound; else the plan itself."""
    calls = outline.site.backwards
    division = None
    if len(calls) == 1 and isinstance(calls[0].func, cst.Attribute):
        division = find_division(outline, plan.flat.body, calls[0], stepping.window.batches)
    if division is not None:
        settings = {name: value for name, value in plan.settings.items() if name != "divide_loss"}
        divided = replace(plan, settings=settings, division=division.edits)
        if _obstacle(outline, roles, divided, lean) is None:
            return divided
    return _obstacle(outline, roles, plan, lean) or plan


def _obstacle(outline: Outline, roles: Roles, plan: Plan, lean: bool) -> Obstacle | None:
    """Why the step cannot be automatic without its `if`; None if it can."""
    kept = outline.hooks[STEP], {name: getattr(outline, name) for name in _STATE}
    _install(outline, plan)
    found = automatic.detect(outline, roles, lean)
    outline.hooks[STEP], state = kept
    for name, value in state.items():
        setattr(outline, name, value)
    if isinstance(found, Obstacle):
        return found
    calls, places = found
    behind = {variable for _, variable in outline.uses(*places.behind)}
    if plan.division and any(variable in behind for _, variable in outline.uses(calls.loss)):
        return Obstacle(plan.flat.body[calls.backward], "code behind step() sees the loss")
    return None


def _install(outline: Outline, plan: Plan) -> None:
    outline.hooks[STEP] = plan.body
    outline.settings, outline.cleared = plan.settings, plan.cleared
    outline.stepping, outline.closing = plan.flat.residual, plan.flat.before
    outline.clears_itself = plan.clears_itself


def _drop_unused_parameters(outline: Outline) -> None:
    """A parameter that only the condition needed is not bound any more."""
    for line in list(outline.hooks.get(EPOCH_START, [])):
        bound = [variable for node, variable in outline.uses(line) if outline.is_write(node)]
        if len(bound) != 1 or parameter_line(outline, bound[0]) is not line:
            continue
        elsewhere = [part for body in outline.hooks.values() for part in body if part is not line]
        if not outline.mentions(bound[0], *elsewhere):
            outline.edit(EPOCH_START, {line: None})
