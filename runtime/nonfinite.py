"""Stopping at the first loss that is not a number: ``Trainer(stop_on_nan=True)``."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor


class NonFiniteLoss(FloatingPointError):
    """A loss was NaN or infinite; the parameters are still those of the step before."""


class StopOnNaN(pl.Callback):
    """Looks at every value that ``backward`` is called on, before it is. On a GPU this waits for the device.

    Several processes decide together, so that none of them waits for one that has stopped.

    Raises:
        NonFiniteLoss: the loss is NaN or infinite.
    """

    def on_before_backward(self, trainer: pl.Trainer, pl_module: pl.LightningModule, loss: Tensor) -> None:
        """Check the loss."""
        fine: Any = torch.isfinite(loss.detach()).all()
        if trainer.world_size > 1:
            here = torch.tensor(float(fine), device=trainer.strategy.root_device)
            fine = trainer.strategy.reduce(here, reduce_op="sum") == trainer.world_size
        if not fine:
            raise NonFiniteLoss(
                f"the loss is {_shown(loss)} in epoch {trainer.current_epoch}, batch {_batch(trainer)}"
                f" (step {trainer.global_step}); stop_on_nan=True ends the training before it reaches the parameters"
            )


def _shown(loss: Tensor) -> str:
    value = loss.detach()
    if torch.isfinite(value).all():
        return "not finite on another process"
    return str(value.item()) if value.numel() == 1 else "not finite"


def _batch(trainer: pl.Trainer) -> int:
    progress: Any = trainer.fit_loop.epoch_loop.batch_progress
    return int(progress.current.ready) - 1
