"""An optimizer that may not be there, or whose class is out of sight: made in another file, or handed to an object.

Whatever it is, a step that calls its `zero_grad()` and `step()` once each may leave these calls to the Trainer, as long
as all the code around the calls of an unknown class keeps its place.
"""

from __future__ import annotations

from dataclasses import replace

import libcst as cst

from refactorer.analysis.scopes import Variable
from refactorer.idioms.accumulation.windows import window_of
from refactorer.idioms.automatic.each_branch import steps_in_each_branch
from refactorer.idioms.clearing import lines_for_hook
from refactorer.idioms.shapes import only_call, trains
from refactorer.outline.blocks import block_lines
from refactorer.outline.objects.held import held_by, is_known_optimizer
from refactorer.outline.objects.kept import keeps_meanwhile
from refactorer.outline.objects.optimizers import Held, Roles, is_scheduler, known_optimizers, roles_of
from refactorer.outline.outline import EPOCH_START, STEP, Outline


def with_opaque(outline: Outline, roles: Roles) -> Roles:
    """The roles of a training with the one object that it clears and steps, and the one that it puts into train mode.

    They say who is who where no optimizer is known, or where the making of one does not tell its model.
    """
    found = roles if roles.optimizers else _with_optimizer(outline, roles)
    unknown = outline.models_unknown and not found.models
    return replace(found, models=_switched(outline)) if unknown else found


def _with_optimizer(outline: Outline, roles: Roles) -> Roles:
    known = [variable for variable in known_optimizers(outline) if _is_of_driver(outline, variable)]
    seen = roles_of(outline, known, even_unbound=True)
    if seen.optimizers:
        return replace(seen, tentative=True) if seen.optimizer is not None else roles
    both = [owner for owner in _called(outline, "step") if owner in _called(outline, "zero_grad")]
    both = both or _stepping_alone(outline, roles)
    if len(both) != 1:
        return roles
    found = both[0]
    if isinstance(found, Held):
        if not keeps_meanwhile(outline, found):
            return roles
        outline.models_unknown = True
        return replace(roles, held=found, opaque=not is_known_optimizer(outline.program, found), tentative=True)
    seen = roles_of(outline, [found], even_unbound=True)
    return replace(seen, opaque=True, tentative=True) if seen.optimizers else roles


def _stepping_alone(outline: Outline, roles: Roles) -> list[Variable | Held]:
    """What steps in a training that clears gradients by other objects; of several, those that are called optimizers.

    These alone count where nothing clears gradients that is known to.
    """
    steps = _called(outline, "step")
    named = [owner for owner in steps if "opt" in (owner.attribute if isinstance(owner, Held) else owner.name).lower()]
    return steps if len(steps) == 1 and lines_for_hook(outline, roles, outline.hooks[STEP]) else named


def _switched(outline: Outline) -> tuple[Variable, ...]:
    """What is put into training mode for each epoch: the model, where the optimizer does not tell."""
    calls = [only_call(line) for line in outline.lines(EPOCH_START)]
    plain = [c.func for c in calls if c is not None and isinstance(c.func, cst.Attribute) and not c.args]
    owners = [outline.variable(func.value) for func in plain if func.attr.value == "train"]
    return tuple(v for v in owners if v is not None and _is_of_driver(outline, v)) if len(owners) == 1 else ()


def _called(outline: Outline, method: str) -> list[Variable | Held]:
    """What lines of the step call a method of without an argument, schedulers aside."""
    found: dict[Variable | Held, None] = {}
    for line in _lines(outline):
        call = only_call(line)
        if call is None or call.args or not isinstance(call.func, cst.Attribute) or call.func.attr.value != method:
            continue
        receiver = call.func.value
        owner = outline.variable(receiver) if isinstance(receiver, cst.Name) else held_by(outline, receiver)
        base = owner.base if isinstance(owner, Held) else owner
        if owner is not None and base is not None and _is_of_driver(outline, base):
            found.setdefault(owner)
    return list(found)


def _lines(outline: Outline) -> list[cst.CSTNode]:
    """The lines of the step; those too under conditions for the whole step, or for the optimizer's."""
    found, lines = list[cst.CSTNode](), list(outline.hooks[STEP])
    while lines:
        found += lines
        around = (line for line in lines if isinstance(line, cst.If) and _is_around(outline, line))
        lines = [inner for line in around for inner in block_lines(line.body)]
    return found


def _is_around(outline: Outline, line: cst.If) -> bool:
    counts = window_of(outline, line.test) is not None
    return trains(outline, line.body) or counts or steps_in_each_branch(line)


def _is_of_driver(outline: Outline, variable: Variable) -> bool:
    """Whether the driver knows a variable, which the training itself does not set: its loops least of all."""
    program = outline.program
    places = (seen.node for seen in variable.writes if seen.node in program.order)
    inside = any(program.contains(outline.site.epoch_loop, place) for place in places)
    return outline.site.driver.lookup(variable.name) is variable and not inside and not is_scheduler(program, variable)
