"""Several batches for one step: the windows of scripts, and those of Lightning."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from lightning_fabric.utilities.exceptions import MisconfigurationException
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.optim.lr_scheduler import LambdaLR
from torch.utils.data import DataLoader, IterableDataset

import runtime
from tests.runtime.parity import Lit, Record, assert_same, evaluate, fit, loaders, mlp, samples, seed, sgd
from tests.runtime.test_lightning_features import lightning

N = 3


def accumulate(record: Record, divides: bool, last_window: str, count: int, stop: int | None = None) -> None:
    """A script that accumulates: ``stop`` is the number of the batch behind which each epoch is left."""
    model, (training, evaluation) = mlp(), loaders(count)
    optimizer = record.watch(sgd(model.parameters()))
    optimizer.zero_grad()
    for _ in range(3):
        if last_window != "carry":
            optimizer.zero_grad()
        for i, (data, target) in enumerate(training):
            loss = cross_entropy(model(data), target)
            record("loss", loss.item())
            (loss / N if divides else loss).backward()
            if (i + 1) % N == 0 or (last_window == "step" and i + 1 == len(training)):
                optimizer.step()
                optimizer.zero_grad()
            if i == stop:
                break
        evaluate(record, model, evaluation)


class Stops(Lit):
    """Leaves each epoch behind a batch."""

    def __init__(self, record: Record, model: nn.Module, stop: int | None) -> None:
        super().__init__(record, model)
        self.stop = stop

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        if batch_idx == self.stop:
            self.stop_epoch()
        return super().training_step(batch, batch_idx)  # type: ignore[no-any-return]


@pytest.mark.parametrize("divides", [True, False])
@pytest.mark.parametrize("last_window", ["step", "drop", "carry"])
@pytest.mark.parametrize(("count", "stop"), [(20, None), (30, None), (10, None), (50, 4)])
def test_windows_of_scripts(divides: bool, last_window: str, count: int, stop: int | None) -> None:
    """Last windows of one batch, none, and one that is the only one of its epoch; and an epoch that is left."""

    def converted(record: Record) -> None:
        module = Stops(record, mlp(), stop)
        fit(module, *loaders(count), accumulate_grad_batches=N, divide_loss=divides, last_window=last_window)

    assert_same(lambda record: accumulate(record, divides, last_window, count, stop), converted)


class Everything(Lit):
    """Notes the order of its hooks, logs, and steps a scheduler behind each step of the optimizer."""

    def training_step(self, batch: Any, batch_idx: int) -> dict[str, Any]:
        loss = super().training_step(batch, batch_idx)
        self.log("train", loss, on_step=True, on_epoch=True)
        return {"loss": loss, "batch": batch_idx}

    def on_before_zero_grad(self, optimizer: Any) -> None:
        self.record("zero_grad")

    def on_before_optimizer_step(self, optimizer: Any) -> None:
        self.record("before step", self.global_step)

    def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
        self.record("batch end", outputs["loss"].item(), outputs["batch"], self.global_step)
        self.record("logged with", self.trainer.fit_loop.epoch_loop._batches_that_stepped)

    def configure_optimizers(self) -> Any:
        optimizer = super().configure_optimizers()
        scheduler = LambdaLR(optimizer, lambda step: 1 / (1 + step))
        return [optimizer], [{"scheduler": scheduler, "interval": "step"}]


def test_as_in_lightnings_own_loop() -> None:
    """Hooks, counters, learning rates, clipping, outputs and metrics, on data for which both train alike."""
    results = []
    for make in (lightning, runtime.Trainer):
        seed()
        module = Everything(Record(), nn.Linear(4, 3))
        trainer = make(max_epochs=2, accumulate_grad_batches=N, gradient_clip_val=0.1)
        trainer.fit(module, DataLoader(samples(), 4), loaders()[1])
        metrics = {name: value.item() for name, value in trainer.callback_metrics.items()}
        loop = trainer.fit_loop.epoch_loop
        counters = loop.batch_progress.state_dict(), loop.automatic_optimization.optim_progress.state_dict()
        # the lean loop clears gradients in front of the forward pass and steps behind it, as scripts do
        order = [event for event in module.record.events if event[0] not in ("zero_grad", "gradients")]
        cleared = [event[0] for event in module.record.events].count("zero_grad")
        results.append((order, cleared, metrics, counters, trainer.global_step, loop._batches_that_stepped))
    assert results[0] == results[1]
    assert trainer.lean_loop_reason is None
    assert results[0][1] == results[0][4] == 4


class Stream(IterableDataset[Any]):
    """Seven samples, the number of which nobody can ask for."""

    def __iter__(self) -> Iterator[Any]:
        yield from samples(7)


def test_last_window_of_a_loader_without_a_length() -> None:
    """It is stepped when the loader has ended."""

    def loop(record: Record) -> None:
        model, training = mlp().eval(), DataLoader(Stream(), 1)
        optimizer = record.watch(sgd(model.parameters()))
        for _ in range(3):
            for i, (data, target) in enumerate(training):
                loss = cross_entropy(model(data), target)
                record("loss", loss.item())
                (loss / N).backward()
                if (i + 1) % N == 0:
                    optimizer.step()
                    optimizer.zero_grad()
            optimizer.step()
            optimizer.zero_grad()

    def converted(record: Record) -> None:
        trainer = fit(Lit(record, mlp().eval()), DataLoader(Stream(), 1), accumulate_grad_batches=N)
        assert trainer.global_step == 9

    assert_same(loop, converted)


def test_batches_left_out() -> None:
    """A step that returns None does nothing; a window that would end with it goes on."""

    class Skips(Lit):
        def training_step(self, batch: Any, batch_idx: int) -> Tensor | None:
            return None if batch_idx in (0, 2) else super().training_step(batch, batch_idx)

    def loop(record: Record) -> None:
        model, (training, _) = mlp(), loaders(30)
        optimizer = record.watch(sgd(model.parameters()))
        for _ in range(3):
            optimizer.zero_grad()
            for i, (data, target) in enumerate(training):
                if i in (0, 2):
                    continue
                loss = cross_entropy(model(data), target)
                record("loss", loss.item())
                (loss / N).backward()
                if (i + 1) % N == 0:
                    optimizer.step()
                    optimizer.zero_grad()

    assert_same(loop, lambda record: fit(Skips(record, mlp()), loaders(30)[0], accumulate_grad_batches=N))


def test_a_whole_float_is_a_number_of_batches() -> None:
    assert runtime.Trainer(accumulate_grad_batches=4.0).accumulate_grad_batches == 4  # type: ignore[arg-type]


@pytest.mark.parametrize("batches", [0, -1, 2.5, "4"])
def test_numbers_that_are_none(batches: Any) -> None:
    with pytest.raises(ValueError, match="must be a whole number of at least 1"):
        runtime.Trainer(accumulate_grad_batches=batches)


def test_unknown_last_window() -> None:
    with pytest.raises(ValueError, match="must be one of 'step', 'drop', 'carry'"):
        runtime.Trainer(last_window="keep")


@pytest.mark.parametrize("own", [{"divide_loss": False}, {"last_window": "carry"}, {"sync_each_batch": True}])
def test_lightnings_own_loop_has_one_way_only(own: dict[str, Any]) -> None:
    trainer = runtime.Trainer(max_epochs=1, accumulate_grad_batches=2, profiler="simple", **own)
    with pytest.raises(MisconfigurationException, match="cannot be used together with this: a profiler is used"):
        trainer.fit(Lit(Record(), mlp()), loaders()[0])


@pytest.mark.parametrize("optimizer", [torch.optim.LBFGS])
def test_optimizers_that_evaluate_the_loss(optimizer: Any) -> None:
    """Lightning's own loop accumulates for them."""
    module = Lit(Record(), mlp(), lambda parameters: optimizer(parameters, max_iter=2))
    trainer = runtime.Trainer(max_epochs=1, accumulate_grad_batches=2)
    trainer.fit(module, loaders()[0])
    assert trainer.lean_loop_reason == "accumulate_grad_batches=2 with steps that take a closure"


class OwnClearing(Lit):
    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        self.model.zero_grad()
        return super().training_step(batch, batch_idx)

    def optimizer_zero_grad(self, epoch: int, batch_idx: int, optimizer: Any) -> None:
        """The script clears the gradients itself."""


@pytest.mark.parametrize("more", [{}, {"profiler": "simple"}])
def test_gradients_that_the_step_clears_are_not_accumulated(more: dict[str, Any]) -> None:
    trainer = runtime.Trainer(max_epochs=1, accumulate_grad_batches=2, **more)
    with pytest.raises(MisconfigurationException, match="optimizer_zero_grad of OwnClearing does nothing"):
        trainer.fit(OwnClearing(Record(), mlp()), loaders()[0])


def test_a_hook_that_clears_in_its_own_way_accumulates() -> None:
    class Clearing(Lit):
        def optimizer_zero_grad(self, epoch: int, batch_idx: int, optimizer: Any) -> None:
            self.model.zero_grad()

    fit(Clearing(Record(), mlp()), loaders()[0], accumulate_grad_batches=2)
