"""Data parallel training in several processes: `DistributedDataParallel` becomes the strategy of the Trainer.

The script goes on making its processes and their group, so it is started as before. Sound when the wrapper is all that
the Trainer's own wrapper is: around one model, called once in each step, and seen by nobody else. A script that wraps
its model under a condition keeps the condition, and chooses the strategy by it.
"""

from __future__ import annotations

from refactorer.idioms.distributed.apart import PROCESSES
from refactorer.idioms.distributed.conditions import obstacle
from refactorer.idioms.distributed.guards import Guard
from refactorer.idioms.distributed.processes import additions, makes_processes
from refactorer.idioms.distributed.rank_zero import ask_trainer
from refactorer.idioms.distributed.unwrapping import unwrap
from refactorer.idioms.distributed.uses import Uses
from refactorer.idioms.distributed.wrapper import Wrapper, find_wrapper
from refactorer.idioms.sensitive import Obstacle
from refactorer.outline.optimizers import Roles
from refactorer.outline.outline import Outline


def keep_prints(outline: Outline) -> None:
    """A script that makes its processes itself, or wraps a model for them, also decides which of them print."""
    program = outline.program
    wraps = any(program.qualified_name(call.func) in PROCESSES for call in program.calls)
    outline.prints_everywhere = wraps or makes_processes(program)


def apply(outline: Outline, roles: Roles) -> None:
    """Leaves the wrapper of the model to the Trainer, or says why it stays."""
    found = find_wrapper(outline, roles)
    guard = Guard(outline, found) if isinstance(found, Wrapper) else None
    outline.adds_up = any(guard is None or not guard.wrapped_at(call) for call in additions(outline.program))
    if found is None:
        return
    if isinstance(found, Wrapper) and guard is not None:
        uses = Uses(outline, found)
        reason = obstacle(outline, roles, found, guard, uses)
        if reason is None:
            unwrap(outline, found, guard, uses)
            if found.guard is None:
                ask_trainer(outline)
            return
    else:
        assert isinstance(found, Obstacle)
        reason = found
    outline.adds_up = outline.adds_up or bool(additions(outline.program))
    outline.note("N107", reason.node, f"DistributedDataParallel stays in the script: {reason.reason}",
                 "nothing to do; the literal form trains the same")  # fmt: skip
