"""pytorch-accelerated's Trainer, with no callbacks but those that a setting asks for."""

from __future__ import annotations

import os
from typing import Any

from pytorch_accelerated import Trainer
from pytorch_accelerated.callbacks import ProgressBarCallback, SaveBestModelCallback, TrainerCallback
from torch import nn

from benchmarks.overhead.cases import (
    ACCUMULATION,
    CALLBACKS,
    CLIP,
    CLIPPING,
    EVALUATION,
    PLAIN,
    WINDOW,
    Case,
    loss_of,
)

LABEL = "pytorch-accelerated"
SETTINGS = frozenset((PLAIN, EVALUATION, CALLBACKS, CLIPPING, ACCUMULATION))
_PRECISION = {"fp32": "no", "bf16": "bf16", "fp16": "fp16"}


class Clock(TrainerCallback):
    """Measures one epoch with its evaluation, which this Trainer runs behind ``on_train_epoch_end``."""

    def __init__(self, case: Case) -> None:
        self.watch = case.watch()

    def on_train_epoch_start(self, trainer: Any, **_: Any) -> None:
        self.watch.start()

    def on_training_run_epoch_end(self, trainer: Any, **_: Any) -> None:
        self.seconds = self.watch.stop()


class Batches(Trainer):
    """Takes the ready-made batches, and clips norms as the others do."""

    case: Case

    def create_train_dataloader(self, *_: Any, **__: Any) -> Any:
        return self.case.loader()

    def create_eval_dataloader(self, *_: Any, **__: Any) -> Any:
        return self.case.evaluation_loader()

    def _clip_gradients(self) -> None:
        self._accelerator.clip_grad_norm_(self.model.parameters(), CLIP)


def train(case: Case) -> tuple[float, nn.Module]:
    """One epoch."""
    os.environ["ACCELERATE_MIXED_PRECISION"] = _PRECISION[case.precision]
    os.environ["ACCELERATE_USE_CPU"] = "yes" if case.device == "cpu" else "no"
    model, clock = case.make_model(), Clock(case)
    callbacks: list[Any] = [clock]
    if case.setting == CALLBACKS:
        path = str(case.folder / "accelerated.pt")
        callbacks += [ProgressBarCallback(), SaveBestModelCallback(save_path=path, watch_metric="train_loss_epoch")]
    trainer = Batches(model, loss_of, case.make_optimizer(model.parameters()), callbacks=callbacks)
    trainer.case = case
    evaluation = case.evaluation_loader().dataset if case.setting == EVALUATION else None
    trainer.train(
        case.loader().dataset,
        num_epochs=1,
        eval_dataset=evaluation,
        gradient_clip_value=CLIP if case.setting == CLIPPING else None,
        gradient_accumulation_steps=WINDOW if case.setting == ACCUMULATION else 1,
    )
    return clock.seconds, model
