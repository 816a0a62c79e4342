"""Leaves out the steps of optimizers that REFACTORER_TRACE_SKIP names, counted from 1 over all of them.

A GradScaler leaves out a step whose gradients overflow; its steps count too. Without gradients an optimizer changes
nothing.
"""

from __future__ import annotations

import os
from typing import Any

# Found beside this file, whose folder is on the path of the traced process.
import refactorer_plugins as plugins  # type: ignore[import-not-found]
import refactorer_state as state  # type: ignore[import-not-found]


def start(tracer: Any) -> None:
    """Begins when torch is imported."""
    steps = {int(step) for step in os.environ["REFACTORER_TRACE_SKIP"].split()}

    def before_step(optimizer: Any, args: Any, kwargs: Any) -> None:
        if tracer.steps + tracer.skipped + 1 in steps:
            for parameter in state.parameters(optimizer):
                parameter.grad = None

    def watch(torch: Any) -> None:
        from torch.optim.optimizer import register_optimizer_step_pre_hook

        register_optimizer_step_pre_hook(before_step)

    plugins.after("torch", watch)
