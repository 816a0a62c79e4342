"""The norms of the gradients, logged as the training goes."""

from __future__ import annotations

import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities import grad_norm


class GradientNorms(pl.Callback):
    """Logs ``grad_2.0_norm/NAME`` of each parameter and ``grad_2.0_norm_total``, before any clipping.

    They are worked out only at the steps that are logged (``log_every_n_steps`` of the Trainer).

    Args:
        norm_type: The p of the p-norm; ``float("inf")`` is the largest absolute value.
        total_only: Leave the norms of single parameters out.
    """

    def __init__(self, norm_type: float = 2.0, *, total_only: bool = False) -> None:
        self.norm_type = float(norm_type)
        self.total_only = total_only

    def on_before_optimizer_step(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, optimizer: torch.optim.Optimizer
    ) -> None:
        """Log the norms."""
        if not trainer._logger_connector.should_update_logs:
            return
        norms = grad_norm(pl_module, self.norm_type)
        total = f"grad_{self.norm_type}_norm_total"
        pl_module.log_dict({total: norms[total]} if self.total_only and norms else norms)
