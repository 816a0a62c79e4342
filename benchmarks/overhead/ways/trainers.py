"""What ``runtime.Trainer`` and ``pytorch_lightning.Trainer`` have in common."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl
from torch import Tensor, nn

from benchmarks.overhead.cases import (
    ACCUMULATION,
    CALLBACKS,
    CLIP,
    CLIPPING,
    EVALUATION,
    EVERY,
    LOGGING,
    WINDOW,
    Case,
    loss_of,
)

_PRECISION = {"fp32": "32-true", "bf16": "bf16-mixed", "fp16": "16-mixed"}


Modules = tuple[type[pl.LightningModule], type[pl.LightningModule]]


def modules(base: type[pl.LightningModule]) -> Modules:
    """The same module on top of ``runtime.Module`` or ``LightningModule``: one that logs nothing, and one that logs."""

    class Lit(base):  # type: ignore[valid-type,misc]
        def __init__(self, case: Case) -> None:
            super().__init__()
            self.case = case
            self.model = case.make_model()

        def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
            data, target = batch
            return loss_of(self.model(data), target)

        def on_validation_epoch_start(self) -> None:
            self.total = 0.0

        def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
            data, target = batch
            self.total += loss_of(self.model(data), target).item()

        def configure_optimizers(self) -> Any:
            return self.case.make_optimizer(self.model.parameters())

    class Logs(Lit):
        def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
            loss = super().training_step(batch, batch_idx)
            self.log("loss", loss, prog_bar=True)
            return loss

    return Lit, Logs


class Clock(pl.Callback):
    """Measures one epoch, with its evaluation: set-up does not count."""

    def __init__(self, case: Case) -> None:
        self.watch = case.watch()

    def on_train_epoch_start(self, *_: Any) -> None:
        self.watch.start()

    def on_train_epoch_end(self, *_: Any) -> None:
        self.seconds = self.watch.stop()


def train(case: Case, trainer_class: type[pl.Trainer], modules: Modules) -> tuple[float, nn.Module]:
    """One epoch under a Trainer with everything switched off that the setting does not ask for."""
    logs = case.setting in (LOGGING, CALLBACKS)
    clock = Clock(case)
    callbacks: list[pl.Callback] = [clock]
    if case.setting == CALLBACKS:
        callbacks += [pl.callbacks.TQDMProgressBar(), pl.callbacks.ModelCheckpoint(case.folder / "checkpoints")]
    trainer = trainer_class(
        max_epochs=1,
        accelerator="cpu" if case.device == "cpu" else "gpu",
        devices=1,
        precision=_PRECISION[case.precision],
        callbacks=callbacks,
        logger=pl.loggers.CSVLogger(case.folder) if logs else False,
        log_every_n_steps=EVERY,
        enable_progress_bar=case.setting == CALLBACKS,
        enable_checkpointing=case.setting == CALLBACKS,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        gradient_clip_val=CLIP if case.setting == CLIPPING else None,
        accumulate_grad_batches=WINDOW if case.setting == ACCUMULATION else 1,
    )
    module = modules[logs](case)
    evaluation = case.evaluation_loader() if case.setting == EVALUATION else None
    trainer.fit(module, case.loader(), evaluation)
    return clock.seconds, module.model
