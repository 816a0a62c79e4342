"""Gradient norms logged before each step: what ``track_grad_norm`` once asked the Trainer for."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities import grad_norm


class GradientNorm(pl.Callback):
    """Logs the norm of the gradients of each parameter and of all together, as ``grad_2.0_norm/NAME``.

    Args:
        norm_type: The ``p`` of the p-norm; ``"inf"`` for the largest absolute value.
    """

    def __init__(self, norm_type: float | str) -> None:
        self.norm_type = float(norm_type)

    def on_before_optimizer_step(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, optimizer: torch.optim.Optimizer
    ) -> None:
        """Log what the optimizer is about to use."""
        norms: dict[str, Any] = grad_norm(pl_module, self.norm_type)
        pl_module.log_dict(norms)
