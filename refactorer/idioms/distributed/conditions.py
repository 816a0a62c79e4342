"""What keeps a model in the wrapper that the script made: the Trainer's own would do something else.

The Trainer wraps the module of the training when it begins to fit, and its wrapper's forward pass is the whole step.
The gradients are averaged in the same buckets if the module has no other parameters, the buffers are shared at the same
places if the model is called once in each step, and nobody can tell when the parameters were shared if nothing looks at
them before.
"""

from __future__ import annotations

import libcst as cst

from refactorer.analysis.program import Program
from refactorer.idioms.distributed.apart import PROCESSES
from refactorer.idioms.distributed.guards import Guard
from refactorer.idioms.distributed.kept_parts import looked_at_before
from refactorer.idioms.distributed.known_uses import of_the_uses
from refactorer.idioms.distributed.names import kept_elsewhere
from refactorer.idioms.distributed.others import other_tensors
from refactorer.idioms.distributed.processes import unusual
from refactorer.idioms.distributed.uses import Uses
from refactorer.idioms.distributed.wrapper import Wrapper, class_annotations
from refactorer.idioms.sensitive import Obstacle
from refactorer.outline.control import suspensions
from refactorer.outline.optimizers import Roles
from refactorer.outline.outline import VALIDATION_DATA, Outline

_WORDS = ("no_sync", "register_comm_hook", "register_buffer", "register_forward_hook", "register_forward_pre_hook")


def obstacle(outline: Outline, roles: Roles, found: Wrapper, guard: Guard, uses: Uses) -> Obstacle | None:
    """Why the wrapper has to stay; None if the Trainer can make it."""
    kept = kept_elsewhere(outline, found)
    if kept is not None:
        return Obstacle(kept, "the wrapped model has another name, which it may not keep")
    part = looked_at_before(outline, found)
    if part is not None:
        return Obstacle(part, "a part of the model is used between the wrapper and the training")
    by_the_script = _of_the_form(outline, roles, found) or _of_the_file(outline, found, guard)
    return by_the_script or other_tensors(outline, roles, found) or of_the_uses(outline, found, guard, uses)


def _of_the_form(outline: Outline, roles: Roles, found: Wrapper) -> Obstacle | None:
    if len(_methods(outline.program, "backward")) != 1:
        return Obstacle(found.call, "the file has more than one training")
    if not outline.automatic or not _steps_each_time(outline, roles):
        return Obstacle(found.call, "the training is not optimized automatically")
    if outline.asked is not None and not outline.validates_alone:
        return Obstacle(found.call, "the evaluation stands in the middle of an epoch")
    if suspensions(outline.lines(VALIDATION_DATA)):
        return Obstacle(found.call, "the evaluation iterates over what a call makes of its loader")
    return None


def _steps_each_time(outline: Outline, roles: Roles) -> bool:
    """Whether each `backward` is followed by a step in the same block: gradients that add up are averaged otherwise."""
    program = outline.program
    stepping = {roles.optimizer, outline.scaler} - {None}
    steps = [call for call in _methods(program, "step") if outline.variable(call.func.value) in stepping]  # type: ignore[attr-defined]
    # of the script as it was written: by now a GradScaler has been taken out of the step
    places = {program.parent[program.statement(call)] for call in (*steps, *_methods(program, "backward"))}
    return roles.optimizer is not None and bool(steps) and len(places) == 1


def _methods(program: Program, name: str) -> list[cst.Call]:
    return [call for call in program.calls if isinstance(call.func, cst.Attribute) and call.func.attr.value == name]


def _of_the_file(outline: Outline, found: Wrapper, guard: Guard) -> Obstacle | None:
    """Things that a wrapper or its processes can do beside training."""
    program = outline.program
    for node in program.find(cst.Attribute):
        if node.attr.value in _WORDS:
            return Obstacle(node, f"`{node.attr.value}` is used")
    strange = unusual(program)
    if strange is not None:
        return Obstacle(strange, "more of torch.distributed is used than the Trainer leaves alone")
    asked = [call for call in program.calls if guard.is_asked(call)]
    known = [*(made.call for made in found.wrappings), *asked, *class_annotations(program)]
    for name in (*program.find(cst.Name), *program.find(cst.Attribute)):
        if program.qualified_name(name) not in PROCESSES or not _is_read(outline, name):
            continue
        if not any(program.contains(call, name) for call in known):
            return Obstacle(name, "something asks for the class of the wrapper")
    return None


def _is_read(outline: Outline, node: cst.CSTNode) -> bool:
    """Whether a mention of a class is more than its import."""
    variable = outline.program.variables.get(node)
    return isinstance(node, cst.Attribute) or (variable is not None and not outline.is_write(node))
