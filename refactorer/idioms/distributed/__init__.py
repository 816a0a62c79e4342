"""Data parallel training in several processes: `DistributedDataParallel` becomes the strategy of the Trainer.

The script goes on making its processes and their group, so it is started as before. Sound when the wrapper is all that
the Trainer's own wrapper is: around one model, called once in each step, and seen by nobody else. A script that wraps
its model under a condition keeps the condition, and chooses the strategy by it.
"""

from __future__ import annotations

from refactorer.idioms.distributed.apart import PROCESSES
from refactorer.idioms.distributed.averaging import settle
from refactorer.idioms.distributed.conditions import obstacle, owned_obstacle
from refactorer.idioms.distributed.guards import Guard
from refactorer.idioms.distributed.owned import Owned, find_owned
from refactorer.idioms.distributed.processes import additions, makes_processes
from refactorer.idioms.distributed.rank_zero import ask_trainer
from refactorer.idioms.distributed.unwrapping import unwrap, unwrap_owned
from refactorer.idioms.distributed.uses import Uses
from refactorer.idioms.distributed.wrapper import Wrapper, find_wrapper
from refactorer.idioms.known.sensitive import Obstacle
from refactorer.outline.objects.optimizers import Roles
from refactorer.outline.outline import Outline


def keep_prints(outline: Outline) -> None:
    """A script that makes its processes itself, or wraps a model for them, also decides which of them print."""
    program = outline.program
    wraps = any(program.qualified_name(call.func) in PROCESSES for call in program.calls)
    outline.prints_everywhere = wraps or makes_processes(program)


def apply(outline: Outline, roles: Roles) -> None:
    """Leaves the wrapper of the model to the Trainer, or says why it stays."""
    owned = find_owned(outline)
    reason = _leave(outline, roles) if owned is None else _leave_owned(outline, roles, owned)
    if reason is None:
        return
    outline.adds_up = outline.adds_up or bool(additions(outline.program))
    outline.note("N107", reason.node, f"DistributedDataParallel stays in the script: {reason.reason}",
                 "nothing to do; the literal form trains the same")  # fmt: skip


def _leave(outline: Outline, roles: Roles) -> Obstacle | None:
    """Leaves the wrapper of a variable to the Trainer; why it stays if it does."""
    found = find_wrapper(outline, roles)
    guard = Guard(outline, found) if isinstance(found, Wrapper) else None
    outline.adds_up = any(guard is None or not guard.wrapped_at(call) for call in additions(outline.program))
    if not isinstance(found, Wrapper) or guard is None:
        assert found is None or isinstance(found, Obstacle)
        return found
    uses = Uses(outline, found)
    reason = obstacle(outline, roles, found, guard, uses)
    if reason is None:
        unwrap(outline, found, guard, uses)
        settle(outline, found)
        if found.guard is None:
            ask_trainer(outline)
    return reason


def _leave_owned(outline: Outline, roles: Roles, found: Owned | Obstacle) -> Obstacle | None:
    """Leaves the wrapper that an object holds to the Trainer; why it stays if it does."""
    reason = found if isinstance(found, Obstacle) else owned_obstacle(outline, roles, found)
    if reason is None and isinstance(found, Owned):
        unwrap_owned(outline, found)
        settle(outline, found)
    return reason
