"""What TensorBoard shows besides numbers: distributions of the parameters, and curves as pictures."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from lightning_fabric.utilities.exceptions import MisconfigurationException
from pytorch_lightning.loggers import TensorBoardLogger

from runtime import curves, sharded
from runtime.history import History


class ParameterHistograms(pl.Callback):
    """Writes a histogram of each parameter to TensorBoard at the end of every ``every_n_epochs``-th epoch.

    Values that are not finite are left out of a histogram; where none is left, so is the histogram.

    Raises:
        MisconfigurationException: the Trainer has no TensorBoardLogger.
    """

    def __init__(self, every_n_epochs: int = 1) -> None:
        self.every_n_epochs = every_n_epochs

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Look for the logger."""
        _require_tensorboard(self, trainer)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write the histograms."""
        if (trainer.current_epoch + 1) % self.every_n_epochs:
            return
        with sharded.whole_parameters(trainer):
            if trainer.is_global_zero:
                self._write(trainer, pl_module)

    def _write(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        for name, parameter in pl_module.named_parameters():
            values = parameter.detach().float()
            values = values[torch.isfinite(values)]
            for experiment in _experiments(trainer) if values.numel() else []:
                experiment.add_histogram(name, values, trainer.current_epoch)


class LossCurves(History):
    """A history that is drawn: TensorBoard gets a picture of the losses at the end of the training.

    One curve shows the loss of each step, the others every metric with "loss" in its name, epoch by epoch.

    Raises:
        MisconfigurationException: the Trainer has no TensorBoardLogger.
    """

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Look for the logger."""
        super().setup(trainer, pl_module, stage)
        _require_tensorboard(self, trainer)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Draw, if there is anything to be drawn."""
        if trainer.is_global_zero and self.epochs:
            picture = np.asarray(curves.draw(self.curves()))
            for experiment in _experiments(trainer):
                experiment.add_image("loss curves", picture, trainer.global_step, dataformats="HWC")

    def curves(self) -> dict[str, list[tuple[float, float]]]:
        """Return the points of each curve: epochs that are done, and the loss."""
        found = {}
        if self.losses:
            per_step = len(self.epochs) / len(self.losses)
            found["each step"] = [((index + 1) * per_step, loss) for index, loss in enumerate(self.losses)]
        for name in (name for name in self.names if "loss" in name):
            found[name] = [(number + 1, epoch[name]) for number, epoch in enumerate(self.epochs) if name in epoch]
        return found


def _experiments(trainer: pl.Trainer) -> list[Any]:
    return [logger.experiment for logger in trainer.loggers if isinstance(logger, TensorBoardLogger)]


def _require_tensorboard(callback: pl.Callback, trainer: pl.Trainer) -> None:
    if trainer.loggers and not any(isinstance(logger, TensorBoardLogger) for logger in trainer.loggers):
        found = ", ".join(type(logger).__name__ for logger in trainer.loggers)
    elif not trainer.loggers:
        found = "none"
    else:
        return
    raise MisconfigurationException(
        f"{type(callback).__name__} writes to TensorBoard, but the Trainer's loggers are: {found}."
        " Pass Trainer(logger=TensorBoardLogger('logs'))."
    )
