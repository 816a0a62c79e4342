"""A module asks for a validation in the middle of an epoch."""

from __future__ import annotations

from typing import Any

import pytest
import pytorch_lightning as pl
from torch import nn

import runtime
from tests.runtime.parity import Lit, Record, assert_same, evaluate, loaders, mlp, run, sgd, train_step

EVERY = 3


def loop(record: Record) -> None:
    """Evaluates behind every few steps."""
    model = mlp()
    optimizer = record.watch(sgd(model.parameters()))
    train, validation = loaders()
    steps = 0
    for _ in range(2):
        for batch in train:
            train_step(record, model, optimizer, batch)
            steps += 1
            if steps % EVERY == 0:
                evaluate(record, model, validation)
                record("evaluated", steps)


class Asks(Lit):
    """Validates behind every few steps."""

    def __init__(self, record: Record, model: nn.Module) -> None:
        super().__init__(record, model)
        self.automatic_validation = False
        self.steps = self.batches = 0

    def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
        self.steps += 1
        if self.steps % EVERY == 0:
            self.validate()
            self.record("evaluated", self.steps)

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        super().validation_step(batch, batch_idx)
        self.batches += 1


def asked(record: Record, **settings: Any) -> None:
    module = Asks(record, mlp())
    runtime.Trainer(max_epochs=2, **settings).fit(module, *loaders())


def test_same_as_an_evaluation_in_the_loop() -> None:
    assert_same(loop, asked)


def test_same_in_lightnings_own_loop() -> None:
    # that one steps the optimizer with a closure, so the gradients are seen in front of the loss
    def watched(train: Any) -> tuple[list[Any], tuple[Any, ...]]:
        events, states = run(train)
        return [event for event in events if event[0] not in ("gradients", "loss")], states

    assert watched(loop) == watched(lambda record: asked(record, profiler="simple"))


def test_the_trainer_validates_by_itself_where_nobody_switched_it_off() -> None:
    class Also(Asks):
        def __init__(self, record: Record, model: nn.Module) -> None:
            super().__init__(record, model)
            self.automatic_validation = True

    record = Record()
    module = Also(record, mlp())
    starts: list[int] = []
    module.on_validation_start = lambda: starts.append(module.steps)  # type: ignore[method-assign]
    runtime.Trainer(max_epochs=2).fit(module, *loaders())
    batches = module.steps // 2
    asked_for = list(range(EVERY, module.steps + 1, EVERY))
    assert starts == sorted([*asked_for, batches, 2 * batches])


class Logs(Asks):
    """Logs around the validation, and in it."""

    def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
        self.log("before", float(batch_idx), on_step=False, on_epoch=True)
        super().on_train_batch_end(outputs, batch, batch_idx)
        self.log("behind", float(batch_idx), on_step=False, on_epoch=True)

    def on_validation_epoch_end(self) -> None:
        self.log("batches", float(self.batches))


@pytest.mark.parametrize("settings", [{}, {"profiler": "simple"}])
def test_what_is_logged_around_it_is_kept(settings: dict[str, Any]) -> None:
    module = Logs(Record(), mlp())
    trainer = runtime.Trainer(max_epochs=1, **settings)
    trainer.fit(module, *loaders())
    batches = module.steps
    mean = (batches - 1) / 2
    logged = {name: value.item() for name, value in trainer.callback_metrics.items()}
    assert logged == pytest.approx({"before": mean, "behind": mean, "batches": module.batches})


def test_lightnings_own_trainer_validates_when_it_is_asked() -> None:
    record = Record()
    module = Asks(record, mlp())
    quiet: dict[str, Any] = {
        "enable_progress_bar": False, "enable_model_summary": False, "enable_checkpointing": False,
        "num_sanity_val_steps": 0,
    }  # fmt: skip
    pl.Trainer(max_epochs=1, logger=False, **quiet).fit(module, *loaders())
    found = [event[1] for event in record.events if event[0] == "evaluated"]
    assert found == list(range(EVERY, module.steps + 1, EVERY))


def epochs(record: Record) -> None:
    """Evaluates behind every other epoch."""
    model = mlp()
    optimizer = record.watch(sgd(model.parameters()))
    train, validation = loaders()
    for epoch in range(4):
        for batch in train:
            train_step(record, model, optimizer, batch)
        if epoch % 2 == 1:
            evaluate(record, model, validation)
            record("evaluated", epoch)


class AsksAtTheEnd(Lit):
    """Validates behind every other epoch, and logs around it."""

    def __init__(self, record: Record, model: nn.Module) -> None:
        super().__init__(record, model)
        self.automatic_validation = False

    def on_train_epoch_end(self) -> None:
        self.log("before", float(self.current_epoch))
        if self.current_epoch % 2 == 1:
            self.validate()
            self.record("evaluated", self.current_epoch)
        self.log("behind", float(self.current_epoch))

    def on_validation_epoch_end(self) -> None:
        self.log("inside", float(self.current_epoch))


def asked_at_the_end(record: Record, **settings: Any) -> None:
    trainer = runtime.Trainer(max_epochs=4, **settings)
    trainer.fit(AsksAtTheEnd(record, mlp()), *loaders())
    logged = {name: value.item() for name, value in trainer.callback_metrics.items()}
    assert logged == {"before": 3.0, "behind": 3.0, "inside": 3.0}


def test_same_as_an_evaluation_behind_some_epochs() -> None:
    assert_same(epochs, asked_at_the_end)


def test_lightnings_own_loop_can_be_asked_at_the_end_of_an_epoch() -> None:
    record = Record()
    asked_at_the_end(record, profiler="simple")
    assert [event[1] for event in record.events if event[0] == "evaluated"] == [1, 3]


def test_outside_of_a_training_it_says_so() -> None:
    class Early(Asks):
        def on_validation_epoch_end(self) -> None:
            self.validate()

    with pytest.raises(RuntimeError, match="call it from a hook that trains"):
        runtime.Trainer().validate(Early(Record(), mlp()), loaders()[1])
