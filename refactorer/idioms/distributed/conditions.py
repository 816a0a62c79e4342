"""What keeps a model in the wrapper that the script made: the Trainer's own would do something else.

The Trainer wraps the module of the training when it begins to fit, and its wrapper's forward pass is the whole step.
The gradients are averaged in the same buckets if the module has no other parameters, the buffers are shared at the same
places if the model is called once in each step, and nobody can tell when the parameters were shared if nothing looks at
them before.
"""

from __future__ import annotations

import libcst as cst

from refactorer.idioms.accumulation.kept_back import FLAG
from refactorer.idioms.distributed.apart import PROCESSES
from refactorer.idioms.distributed.form import of_the_form
from refactorer.idioms.distributed.guards import Guard
from refactorer.idioms.distributed.kept_parts import looked_at_before
from refactorer.idioms.distributed.known_uses import of_the_uses
from refactorer.idioms.distributed.names import kept_elsewhere
from refactorer.idioms.distributed.others import other_tensors, tensors_beside
from refactorer.idioms.distributed.owned import Owned
from refactorer.idioms.distributed.owned_uses import OwnedUses
from refactorer.idioms.distributed.processes import unusual
from refactorer.idioms.distributed.unwrapping import only_wraps
from refactorer.idioms.distributed.uses import Uses
from refactorer.idioms.distributed.wrapper import Wrapper, class_annotations
from refactorer.idioms.known.sensitive import Obstacle
from refactorer.outline.objects.optimizers import Roles
from refactorer.outline.outline import Outline

_WORDS = ("no_sync", "register_comm_hook", "register_buffer", "register_forward_hook", "register_forward_pre_hook")


def obstacle(outline: Outline, roles: Roles, found: Wrapper, guard: Guard, uses: Uses) -> Obstacle | None:
    """Why the wrapper has to stay; None if the Trainer can make it."""
    if found.guard is not None and found.entry.whole is not None:
        alone = only_wraps(found.guard, found, uses) and not uses.leaving
        if not alone or guard.again() is None:
            return Obstacle(found.call, "it is made under a condition, in another function than the training")
    kept = kept_elsewhere(outline, found)
    if kept is not None:
        return Obstacle(kept, "the wrapped model has another name, which it may not keep")
    part = looked_at_before(outline, found)
    if part is not None:
        return Obstacle(part, "a part of the model is used between the wrapper and the training")
    by_the_script = of_the_form(outline, roles, found, guard) or _of_the_file(outline, found, guard)
    return by_the_script or other_tensors(outline, roles, found) or of_the_uses(outline, found, guard, uses)


def owned_obstacle(outline: Outline, roles: Roles, found: Owned) -> Obstacle | None:
    """Why a wrapper that an object holds has to stay; None if the Trainer can make it."""
    of_the_file = of_the_form(outline, roles, found) or _of_the_file(outline, found, None)
    return of_the_file or tensors_beside(outline, roles, found.held) or OwnedUses(outline, found).obstacle()


def _of_the_file(outline: Outline, found: Wrapper | Owned, guard: Guard | None) -> Obstacle | None:
    """Things that a wrapper or its processes can do beside training."""
    program = outline.program
    words = _WORDS if outline.accumulates else (*_WORDS, FLAG)
    for node in program.find(cst.Attribute):
        if node.attr.value in words:
            return Obstacle(node, f"`{node.attr.value}` is used")
    strange = unusual(program)
    if strange is not None:
        return Obstacle(strange, "more of torch.distributed is used than the Trainer leaves alone")
    asked = [call for call in program.calls if guard.is_asked(call)] if guard is not None else []
    notes = class_annotations(program) if guard is not None else []
    known = [*(made.call for made in found.wrappings), *asked, *notes]
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
