"""Exceptions reach the script unchanged, and everything is left where the script expects it."""

from __future__ import annotations

import copy
import io
import os
import signal
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from torch import nn

import runtime
from tests.runtime.parity import Lit, Record, assert_same, loaders, mlp, plain_loop


class Own(Exception):
    """An exception of the script."""


class Raises(Lit):
    def __init__(self, record: Record, where: str, exception: BaseException) -> None:
        super().__init__(record, mlp())
        self.where, self.exception = where, exception

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        if self.where == "training_step" and batch_idx == 1:
            raise self.exception
        return super().training_step(batch, batch_idx)

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        if self.where == "validation_step":
            raise self.exception

    def on_train_epoch_end(self) -> None:
        if self.where == "on_train_epoch_end":
            raise self.exception


class Watches(pl.Callback):
    def __init__(self) -> None:
        self.exceptions: list[BaseException] = []

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        self.exceptions.append(exception)


KINDS = (Own, KeyboardInterrupt, SystemExit, RuntimeError, GeneratorExit)
LIGHTNINGS_LOOP = {"reload_dataloaders_every_n_epochs": 1}
# Lightning's own loop takes a StopIteration for the end of the data
CASES = [(kind, {}) for kind in (*KINDS, StopIteration)] + [(kind, LIGHTNINGS_LOOP) for kind in KINDS]


@pytest.mark.parametrize("where", ["training_step", "validation_step", "on_train_epoch_end"])
@pytest.mark.parametrize(("kind", "options"), CASES)
def test_the_very_exception_arrives(where: str, kind: type[BaseException], options: dict[str, Any]) -> None:
    exception, watches = kind("from the script"), Watches()
    module = Raises(Record(), where, exception)
    trainer = runtime.Trainer(max_epochs=2, callbacks=[watches], **options)
    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(kind) as caught:
        trainer.fit(module, *loaders())
    assert caught.value is exception
    assert exception.__context__ is None
    assert watches.exceptions == [exception]
    assert signal.getsignal(signal.SIGINT) is handler
    assert trainer.interrupted


@pytest.mark.parametrize("name", ["validate", "test"])
def test_exceptions_in_evaluation(name: str) -> None:
    exception = KeyboardInterrupt()

    class Both(Raises):
        test_step = Raises.validation_step

    with pytest.raises(KeyboardInterrupt) as caught:
        getattr(runtime.Trainer(max_epochs=1), name)(Both(Record(), "validation_step", exception), loaders()[1])
    assert caught.value is exception


def test_ctrl_c() -> None:
    class Presses(Lit):
        def training_step(self, batch: Any, batch_idx: int) -> Any:
            os.kill(os.getpid(), signal.SIGINT)
            return super().training_step(batch, batch_idx)

    with pytest.raises(KeyboardInterrupt):
        runtime.Trainer(max_epochs=2).fit(Presses(Record(), mlp()), *loaders())


def test_sigterm_is_the_scripts() -> None:
    received = []

    class Terminated(Lit):
        def training_step(self, batch: Any, batch_idx: int) -> Any:
            assert signal.getsignal(signal.SIGTERM) is handle
            os.kill(os.getpid(), signal.SIGTERM)
            return super().training_step(batch, batch_idx)

    def handle(*_: Any) -> None:
        received.append(1)

    before = signal.signal(signal.SIGTERM, handle)
    try:
        runtime.Trainer(max_epochs=1).fit(Terminated(Record(), mlp()), *loaders())
        assert signal.getsignal(signal.SIGTERM) is handle
    finally:
        signal.signal(signal.SIGTERM, before)
    assert len(received) == 4


def test_training_goes_on_after_an_exception() -> None:
    """A script may catch its own exception and train again: nothing of the first run is left behind."""

    def loop(record: Record) -> None:
        model, data = mlp(), loaders()
        plain_loop(record, model, *data, epochs=2)

    def converted(record: Record) -> None:
        model, data = mlp(), loaders()
        module = Lit(record, model)
        state = torch.get_rng_state()
        with pytest.raises(Own):
            runtime.Trainer(max_epochs=1).fit(Raises(Record(), "on_train_epoch_end", Own()), *loaders())
        torch.set_rng_state(state)
        runtime.Trainer(max_epochs=2).fit(module, *data)

    assert_same(loop, converted)


def test_a_second_fit_starts_fresh() -> None:
    def loop(record: Record) -> None:
        model, data = mlp(), loaders()
        plain_loop(record, model, *data, epochs=2)
        plain_loop(record, model, *data, epochs=2)

    def converted(record: Record) -> None:
        data_model = mlp()
        data = loaders()
        module = Lit(record, data_model)
        for _ in range(2):
            trainer = runtime.Trainer(max_epochs=2)
            trainer.fit(module, *data)
            assert (trainer.current_epoch, trainer.global_step) == (2, 8)

    assert_same(loop, converted)


def test_everything_stays_in_place() -> None:
    """The stand-in for a GPU is the meta device: what moves to the CPU is told apart from what stays."""
    module = Lit(Record(), nn.Linear(4, 3))
    moves = []
    module.cpu = lambda: moves.append("cpu")  # type: ignore[method-assign,assignment,return-value]
    trainer = runtime.Trainer(max_epochs=1)
    trainer.fit(module, *loaders())
    assert moves == []
    assert module.trainer is trainer
    assert len(trainer.optimizers) == 1
    assert trainer.optimizers[0].state
    assert module.optimizers().param_groups[0]["lr"] == 0.1


def test_modules_can_be_copied_and_pickled_during_training() -> None:
    class Copies(Lit):
        def on_train_epoch_end(self) -> None:
            copy.deepcopy(self.model)
            torch.save(self.model, io.BytesIO())

    class Manual(Copies):
        def __init__(self, *args: Any) -> None:
            super().__init__(*args)
            self.automatic_optimization = False

        def training_step(self, batch: Any, batch_idx: int) -> None:
            self.optimizers().zero_grad()
            self.manual_backward(super().training_step(batch, batch_idx))
            self.optimizers().step()

    runtime.Trainer(max_epochs=1).fit(Copies(Record(), mlp()), *loaders())
    runtime.Trainer(max_epochs=1).fit(Manual(Record(), mlp()), *loaders())


@pytest.mark.parametrize("where", ["training_step", "validation_step"])
def test_the_same_trainer_after_an_exception(where: str) -> None:
    """Hooks are looked up anew: nothing of the failed run's module is called."""
    trainer, record = runtime.Trainer(max_epochs=1), Record()
    failed = Raises(Record(), where, Own())
    with pytest.raises(Own):
        trainer.fit(failed, *loaders())
    noted = list(failed.record.events)

    class Hooks(Lit):
        def on_train_epoch_start(self) -> None:
            self.record("start")

        def on_validation_epoch_end(self) -> None:
            self.record("validated")

    trainer.fit(Hooks(record, mlp()), *loaders())
    assert failed.record.events == noted
    assert [e[0] for e in record.events].count("start") == 1
    assert [e[0] for e in record.events].count("validated") == 1
