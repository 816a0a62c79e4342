"""What a run recorded, to be read after the training."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor


class History(pl.Callback):
    """Keeps the loss of every step and, for each epoch, every metric that was logged in it.

    The losses are what ``training_step`` returns, so a script that logs nothing has a history too. They stay on the
    device until the epoch ends: no step waits for a GPU. A checkpoint holds the history so far, and a run that is
    resumed from it continues that. On several processes, losses are those of this process.

    Attributes:
        losses: The loss of each step, in order.
        epochs: One dictionary for each finished epoch: ``epoch``, ``step`` (optimizer steps so far), ``loss`` (the mean
            over the epoch's steps, where there are any) and the logged metrics under their own names; of one that was
            logged for steps only, the last value.
    """

    def __init__(self) -> None:
        self.losses: list[float] = []
        self.epochs: list[dict[str, float]] = []
        self._pending: list[Tensor] = []
        self._metrics: dict[str, float] = {}
        self._stage = "fit"

    def __getitem__(self, name: str) -> list[float]:
        """Return one value per epoch in which there was one.

        Raises:
            KeyError: no epoch has such a metric.
        """
        values = [epoch[name] for epoch in self.epochs if name in epoch]
        if not values:
            raise KeyError(f"no epoch has {name!r}; there is {', '.join(self.names) or 'nothing'}")
        return values

    @property
    def names(self) -> list[str]:
        """Everything that some epoch has a value of."""
        return list(dict.fromkeys(name for epoch in self.epochs for name in epoch))

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Note what is about to be run."""
        self._stage = stage

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Begin an epoch."""
        self._pending, self._metrics = [], {}

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Keep the loss."""
        loss = outputs.get("loss") if isinstance(outputs, dict) else None
        if isinstance(loss, Tensor):
            # accumulation divides the loss that callbacks see
            self._pending.append(loss.detach() * trainer.accumulate_grad_batches)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Keep what the evaluation logged."""
        if trainer.state.fn == "fit" and not trainer.sanity_checking:
            self._take_metrics(trainer)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write the epoch down."""
        self._take_metrics(trainer)
        row: dict[str, float] = {"epoch": trainer.current_epoch, "step": trainer.global_step}
        if self._pending:
            losses = torch.stack([loss.double() for loss in self._pending]).tolist()
            self.losses += losses
            row["loss"] = sum(losses) / len(losses)
        self.epochs.append({**row, **self._metrics})
        self._pending = []

    def _take_metrics(self, trainer: pl.Trainer) -> None:
        # trainer.callback_metrics would also have what earlier epochs logged
        results = trainer._results
        if results is not None:
            logged = {**results.metrics(on_step=True)["callback"], **results.metrics(on_step=False)["callback"]}
            self._metrics.update({name: float(value) for name, value in logged.items()})

    def state_dict(self) -> dict[str, Any]:
        """Return what a checkpoint keeps."""
        return {"losses": list(self.losses), "epochs": [dict(epoch) for epoch in self.epochs]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue the history of a checkpoint; one that is loaded to be tested leaves the history as it is."""
        if self._stage == "fit":
            self.losses, self.epochs = list(state_dict["losses"]), [dict(epoch) for epoch in state_dict["epochs"]]
