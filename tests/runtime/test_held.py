"""Callbacks and schedulers watch numbers that a module only holds; nothing is looked at before they ask."""

from __future__ import annotations

import copy
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lightning_fabric.utilities.exceptions import MisconfigurationException
from pytorch_lightning import callbacks
from torch import nn

import runtime
from tests.runtime.test_logging import Reads

LOOPS = pytest.mark.parametrize("loop", [{}, {"reload_dataloaders_every_n_epochs": 1}], ids=["lean", "lightning's"])
BATCHES = [torch.randn(3, 4, generator=torch.Generator().manual_seed(1)) for _ in range(4)]
TOTALS = (5.0, 4.0, 4.5, 4.6, 4.7, 4.8)


class Holds(runtime.Module):
    """Holds ``TOTALS`` one after the other, and half of it on the way there."""

    def __init__(self, scheduler: bool = False, **values: Any) -> None:
        super().__init__()
        self.model = nn.Linear(4, 1)
        self.losses: list[float] = []
        self.scheduler = scheduler
        for name, value in values.items():
            setattr(self, name, value)

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        loss = self.model(batch).square().mean()
        self.losses.append(loss.item())
        return loss

    def on_validation_epoch_start(self) -> None:
        self.total = 0.0

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        self.total += 0.1

    def on_validation_epoch_end(self) -> None:
        self.total = TOTALS[self.current_epoch]

    def configure_optimizers(self) -> Any:
        optimizer = torch.optim.SGD(self.parameters(), lr=0.1)
        if not self.scheduler:
            return optimizer
        plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=0)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": plateau, "monitor": "total"}}


def fit(module: Holds, *listeners: Any, **arguments: Any) -> runtime.Trainer:
    trainer = runtime.Trainer(max_epochs=6, callbacks=list(listeners), **arguments)
    trainer.fit(module, BATCHES, BATCHES)
    return trainer


@LOOPS
def test_early_stopping(loop: dict[str, Any]) -> None:
    stopping = callbacks.EarlyStopping("total", patience=2)
    trainer = fit(Holds(), stopping, **loop)
    assert (trainer.current_epoch, stopping.best_score.item()) == (4, 4.0)
    assert bool(trainer.lean_loop_reason) == bool(loop)


@LOOPS
def test_the_best_checkpoint(loop: dict[str, Any], tmp_path: Path) -> None:
    best = callbacks.ModelCheckpoint(tmp_path, "{epoch}-{total:.1f}-{loss:.4f}", monitor="total", save_top_k=2)
    module = Holds()
    fit(module, best, **loop)
    names = {f"epoch={n}-total={TOTALS[n]:.1f}-loss={module.losses[4 * n + 3]:.4f}.ckpt" for n in (1, 2)}
    assert {path.name for path in tmp_path.iterdir()} == names
    assert best.best_model_score is not None and best.best_model_score.item() == 4.0


@LOOPS
def test_a_scheduler_that_watches(loop: dict[str, Any]) -> None:
    trainer = fit(Holds(scheduler=True), **loop)
    assert trainer.optimizers[0].param_groups[0]["lr"] == pytest.approx(0.1 * 0.1**4)


@LOOPS
@pytest.mark.parametrize("automatic", [True, False])
def test_the_loss_of_the_last_step(loop: dict[str, Any], automatic: bool) -> None:
    class Looks(callbacks.Callback):
        seen: list[float] = []  # noqa: RUF012

        def on_train_batch_end(self, trainer: Any, *_: Any) -> None:
            self.seen.append(trainer.callback_metrics["loss"].item())

    class Steps(Holds):
        def __init__(self) -> None:
            super().__init__()
            self.automatic_optimization = automatic

    Looks.seen = []
    module = Steps()
    fit(module, Looks(), **loop if automatic else {})
    assert Looks.seen == module.losses


@pytest.mark.parametrize("batches", [1, 2])
def test_the_loss_is_there_where_nobody_is_handed_what_a_step_returns(batches: int) -> None:
    class Looks(callbacks.Callback):
        seen: list[float] = []  # noqa: RUF012

        def on_train_epoch_end(self, trainer: Any, *_: Any) -> None:
            self.seen.append(trainer.callback_metrics["loss"].item())

    Looks.seen = []
    fit(Holds(), Looks(), accumulate_grad_batches=batches)
    assert Looks.seen


def test_logged_values_come_first() -> None:
    class Logs(Holds):
        def on_validation_epoch_end(self) -> None:
            super().on_validation_epoch_end()
            self.log("total", -self.total)

    trainer = fit(Logs())
    assert trainer.callback_metrics["total"].item() == pytest.approx(-4.8)
    assert list(trainer.callback_metrics) == list(trainer.logged_metrics) == ["total"]


@pytest.mark.parametrize(
    ("value", "dtype"),
    [
        (3, torch.int64),
        (0.1, torch.float64),
        (np.float32(0.5), torch.float64),
        (np.int64(2), torch.int64),
        (torch.tensor(2.5, requires_grad=True), torch.float32),
        (torch.tensor([7]), torch.int64),
    ],
)
def test_numbers_are_found(value: Any, dtype: torch.dtype) -> None:
    metrics = fit(Holds(value=value)).callback_metrics
    found = metrics["value"]
    assert (found.item(), found.dtype, found.shape, found.requires_grad) == (float(value), dtype, (), False)
    assert "value" in metrics and metrics.get("value") is not None and dict(metrics) == {}


@pytest.mark.parametrize(
    ("name", "value"),
    [("value", True), ("value", "text"), ("value", [1.0]), ("value", None), ("value", torch.ones(2)), ("_value", 1.0),
     ("epoch_", 1.0), ("model", None)],
)  # fmt: skip
def test_other_things_are_not(name: str, value: Any) -> None:
    module = Holds(**({"epoch_": 1.0} if name == "epoch_" else {"value": value} if name == "value" else {}))
    if name == "_value":
        module._value = value
    metrics = fit(module).callback_metrics
    asked = "epoch" if name == "epoch_" else name
    assert asked not in metrics and metrics.get(asked, "none") == "none"
    with pytest.raises(KeyError):
        metrics[asked]


def test_an_unknown_name_is_an_error_as_ever(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="conditioned on metric `nothing`"):
        fit(Holds(), callbacks.EarlyStopping("nothing"))
    with pytest.raises(MisconfigurationException, match="monitor='nothing'"):
        fit(Holds(), callbacks.ModelCheckpoint(tmp_path, monitor="nothing"))


def test_modules_of_others_are_left_alone() -> None:
    class Foreign(runtime.Module.__bases__[0]):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.model, self.value = nn.Linear(4, 1), 1.0

        training_step = Holds.training_step
        configure_optimizers = Holds.configure_optimizers
        losses: list[float] = []  # noqa: RUF012
        scheduler = False

    trainer = runtime.Trainer(max_epochs=1)
    trainer.fit(Foreign(), BATCHES)
    assert "value" not in trainer.callback_metrics


def test_nothing_is_looked_at_and_no_tensor_is_waited_for() -> None:
    class Lazy:
        def __float__(self) -> float:
            raise AssertionError("nobody asked")

    class Plain(Holds):
        def training_step(self, batch: Any, batch_idx: int) -> Any:
            return self.model(batch).square().mean()

    counts = []
    for batches in (2, 4):
        trainer = runtime.Trainer(max_epochs=1, callbacks=[callbacks.Callback(), callbacks.Callback()])
        with Reads() as reads:
            trainer.fit(Plain(value=Lazy()), BATCHES[:batches])
        counts.append(reads.count)
    assert counts == [0, 0]


def test_copies_and_other_processes(tmp_path: Path) -> None:
    metrics = fit(Holds(value=3)).callback_metrics
    metrics["logged"] = torch.tensor(1.0)
    copied = copy.deepcopy(metrics)
    assert copied["value"].item() == 3 and copied["logged"] is not metrics["logged"]
    buffer = io.BytesIO()
    torch.save(metrics, buffer)
    assert torch.load(io.BytesIO(buffer.getvalue()), weights_only=True) == {"logged": torch.tensor(1.0)}
