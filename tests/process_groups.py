"""Process groups of scripts that the tests run in forks."""

from __future__ import annotations

import functools
from typing import Any

import torch.distributed


def keep_process_groups() -> None:
    """Keep every process group until the process ends.

    A group that was destroyed before the network which averages over it, as in scripts that end with
    `destroy_process_group()`, goes with that network: it then waits for gloo's threads while it holds the interpreter's
    lock, and now and then (1 of 100 runs on a busy machine, torch 2.13) they wait for the lock.
    """
    kept: list[torch.distributed.ProcessGroup | None] = []
    original = torch.distributed.init_process_group

    @functools.wraps(original)
    def init_process_group(*args: Any, **kwargs: Any) -> None:
        original(*args, **kwargs)
        kept.append(torch.distributed.group.WORLD)

    torch.distributed.init_process_group = init_process_group
