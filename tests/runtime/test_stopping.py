"""stop_epoch is ``break`` in the loop over batches, stop_training is ``break`` in the loop over epochs.

skip_epoch is ``continue`` in front of the loop over batches.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import ModelCheckpoint
from torch import nn
from torch.optim.lr_scheduler import StepLR

import runtime
from tests.runtime.parity import Lit, Record, assert_same, evaluate, loaders, mlp, run, sgd, train_step

HOOKS = (
    "on_fit_start",
    "on_train_start",
    "on_train_epoch_start",
    "on_train_batch_start",
    "training_step",
    "on_train_batch_end",
    "on_validation_start",
    "on_validation_epoch_start",
    "validation_step",
    "on_validation_epoch_end",
    "on_validation_end",
    "on_train_epoch_end",
    "on_train_end",
    "on_fit_end",
)


class Data:
    """Three batches; says when it is asked for one."""

    def __init__(self, record: Record, name: str) -> None:
        self.record = record
        self.name = name

    def __iter__(self) -> Any:
        for index in range(3):
            self.record("fetch", self.name, index)
            yield torch.ones(2, 4), torch.zeros(2, dtype=torch.long)
        self.record("fetch", self.name, "end")


class Stops(Lit):
    """Notes its hooks, and calls a verb in one of them, the second time it runs in epoch 1."""

    def __init__(self, record: Record, where: str, verb: str) -> None:
        super().__init__(record, nn.Linear(4, 3))
        self.where, self.verb, self.calls = where, verb, 0

    def visit(self, name: str) -> None:
        self.record(name)
        if name == self.where and self.current_epoch >= min(1, self.trainer.fit_loop.max_epochs):
            self.calls += 1
            if self.calls == 2 or ("batch" not in name and "step" not in name):
                getattr(self, self.verb)()

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        self.visit("training_step")
        return super().training_step(batch, batch_idx)

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        self.visit("validation_step")

    def configure_optimizers(self) -> Any:
        optimizer = super().configure_optimizers()
        scheduler = StepLR(optimizer, 1)
        step = scheduler.step
        scheduler.step = lambda *args: (self.record("schedule"), step(*args))  # type: ignore[method-assign]
        return [optimizer], [scheduler]


def _hook(name: str) -> Any:
    return lambda self, *_: self.visit(name)


for name in HOOKS:
    if not name.endswith("_step"):
        setattr(Stops, name, _hook(name))


def names(record: Record) -> list[Any]:
    """The events without numbers."""
    return [
        event[0] if event[0] != "fetch" else f"{event[1]} {event[2]}"
        for event in record.events
        if event[0] not in ("loss", "gradients")
    ]


def trained(where: str, verb: str) -> list[Any]:
    record = Record()
    trainer = runtime.Trainer(max_epochs=3)
    trainer.fit(Stops(record, where, verb), Data(record, "train"), Data(record, "val"))
    return names(record)


BATCH = ["on_train_batch_start", "training_step", "step", "on_train_batch_end"]
TRAINED = ["train 0", *BATCH, "train 1", *BATCH, "train 2", *BATCH, "train end"]
VALIDATION_START = ["on_validation_start", "on_validation_epoch_start"]
VALIDATED = ["val 0", "validation_step", "val 1", "validation_step", "val 2", "validation_step", "val end"]
VALIDATION_END = ["on_validation_epoch_end", "on_validation_end"]
VALIDATION = VALIDATION_START + VALIDATED + VALIDATION_END
EPOCH_END = ["on_train_epoch_end", "schedule"]
EPOCH = ["on_train_epoch_start", *TRAINED, *VALIDATION, *EPOCH_END]
START = ["on_fit_start", "on_train_start"]
END = ["on_train_end", "on_fit_end"]


def test_the_order_without_stopping() -> None:
    assert trained("nowhere", "stop_epoch") == START + EPOCH * 3 + END


TWO_BATCHES = ["train 0", *BATCH, "train 1", *BATCH]


@pytest.mark.parametrize("where", ["on_train_batch_start", "training_step", "on_train_batch_end"])
def test_stop_epoch(where: str) -> None:
    stopped = ["on_train_epoch_start", *TWO_BATCHES, *VALIDATION, *EPOCH_END]
    assert trained(where, "stop_epoch") == START + EPOCH + stopped + EPOCH + END


def test_stop_epoch_before_the_first_batch() -> None:
    record = Record()
    trainer = runtime.Trainer(max_epochs=1)
    module = Stops(record, "on_train_epoch_start", "stop_epoch")
    module.visit = lambda name: (record(name), name == module.where and module.stop_epoch())  # type: ignore[assignment]
    trainer.fit(module, Data(record, "train"), Data(record, "val"))
    assert names(record) == START + ["on_train_epoch_start", *VALIDATION, *EPOCH_END] + END


def test_stop_epoch_in_an_evaluation_ends_its_batches() -> None:
    validation = VALIDATION_START + ["val 0", "validation_step", "val 1", "validation_step"] + VALIDATION_END
    stopped = ["on_train_epoch_start", *TRAINED, *validation, *EPOCH_END]
    assert trained("validation_step", "stop_epoch") == START + EPOCH + stopped + EPOCH + END


@pytest.mark.parametrize("where", ["on_validation_epoch_end", "on_validation_end", "on_train_epoch_end"])
def test_stop_epoch_after_the_last_batch_changes_nothing(where: str) -> None:
    assert trained(where, "stop_epoch") == START + EPOCH * 3 + END


@pytest.mark.parametrize("where", ["on_train_batch_start", "training_step", "on_train_batch_end"])
def test_stop_training(where: str) -> None:
    assert trained(where, "stop_training") == START + EPOCH + ["on_train_epoch_start", *TWO_BATCHES] + END


def test_stop_training_at_the_start_of_an_epoch() -> None:
    assert trained("on_train_epoch_start", "stop_training") == START + EPOCH + ["on_train_epoch_start"] + END


def test_stop_training_in_validation() -> None:
    before = START + EPOCH + ["on_train_epoch_start", *TRAINED]
    started = [*VALIDATION_START, "val 0", "validation_step", "val 1", "validation_step", "on_validation_end"]
    assert trained("validation_step", "stop_training") == before + started + END
    ended = [*VALIDATION_START, *VALIDATED, *VALIDATION_END]
    assert trained("on_validation_epoch_end", "stop_training") == before + ended + END


def test_stop_training_at_the_end_of_an_epoch() -> None:
    last = EPOCH[:-1]
    assert trained("on_train_epoch_end", "stop_training") == START + EPOCH + last + END


def test_stop_training_before_the_first_epoch() -> None:
    record = Record()

    class Never(Stops):
        def on_train_start(self) -> None:
            self.stop_training()

    runtime.Trainer(max_epochs=3).fit(Never(record, "", ""), Data(record, "train"))
    assert names(record) == ["on_fit_start"] + END


def test_skip_epoch() -> None:
    assert trained("on_train_epoch_start", "skip_epoch") == START + EPOCH + ["on_train_epoch_start"] * 2 + END


@pytest.mark.parametrize("where", ["on_train_batch_start", "training_step", "validation_step", "on_train_epoch_end"])
def test_skip_epoch_is_for_the_start_of_an_epoch(where: str) -> None:
    with pytest.raises(RuntimeError, match="on_train_epoch_start"):
        trained(where, "skip_epoch")


def test_a_plain_trainer_trains_every_epoch() -> None:
    module = Stops(Record(), "on_train_epoch_start", "skip_epoch")
    quiet: dict[str, Any] = dict.fromkeys(
        ("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary"), False
    )
    with pytest.raises(RuntimeError, match=r"runtime\.Trainer"):
        pl.Trainer(max_epochs=2, accelerator="cpu", **quiet).fit(module, loaders()[0])


class Skips(Lit):
    """Skips some epochs; everything that is logged or trained is recorded."""

    def __init__(self, record: Record, skipped: Sequence[int]) -> None:
        super().__init__(record, mlp())
        self.skipped = skipped

    def on_train_epoch_start(self) -> None:
        self.record("start", self.current_epoch)
        self.log("at", float(self.current_epoch))
        if self.current_epoch in self.skipped:
            self.skip_epoch()
            return
        self.model.train()

    def on_train_epoch_end(self) -> None:
        self.record("end", self.current_epoch)


SKIPPED = [(0,), (0, 1), (2,), (4,), (0, 2, 4), (0, 1, 2, 3, 4)]


@pytest.mark.parametrize("skipped", SKIPPED)
def test_skipping_compared_with_continue(skipped: Sequence[int]) -> None:
    def loop(record: Record) -> None:
        model, (training, evaluation) = mlp(), loaders()
        optimizer = record.watch(sgd(model.parameters()))
        for epoch in range(5):
            record("start", epoch)
            if epoch in skipped:
                continue
            for batch in training:
                train_step(record, model, optimizer, batch)
            evaluate(record, model, evaluation)
            record("end", epoch)

    def converted(record: Record) -> None:
        trainer = runtime.Trainer(max_epochs=5)
        trainer.fit(Skips(record, skipped), *loaders())
        assert trainer.lean_loop_reason is None
        assert (trainer.current_epoch, trainer.global_step) == (5, 4 * (5 - len(skipped)))
        assert trainer.callback_metrics["at"] == 4.0

    assert_same(loop, converted)


@pytest.mark.parametrize("skipped", [(0, 1), (0, 2), (1, 2)])
def test_skipped_epochs_cost_lightnings_own_loop_nothing(skipped: Sequence[int]) -> None:
    """Not even the random number that each iterator draws: it trains as if there were only the other epochs."""

    def losses(epochs: int, skipped: Sequence[int]) -> tuple[list[Any], Any]:
        def train(record: Record) -> None:
            trainer = runtime.Trainer(max_epochs=epochs, profiler="simple")
            trainer.fit(Skips(record, skipped), *loaders())
            assert trainer.lean_loop_reason == "a profiler is used"
            assert trainer.current_epoch == epochs

        events, states = run(train)
        return [event for event in events if event[0] not in ("start", "end")], states

    assert losses(5, (*skipped, 4)) == losses(2, ())


@pytest.mark.parametrize("profiler", [None, "simple"])
@pytest.mark.parametrize("skipped", SKIPPED[:-1])
def test_checkpoints_count_skipped_epochs(skipped: Sequence[int], profiler: str | None, tmp_path: Path) -> None:
    saver = ModelCheckpoint(tmp_path, "{epoch}", save_top_k=-1, save_on_train_epoch_end=True)
    record = Record()
    arguments: dict[str, Any] = {"max_epochs": 5, "profiler": profiler}
    runtime.Trainer(callbacks=[saver], **arguments).fit(Skips(record, skipped), *loaders())
    kept = [epoch for epoch in range(5) if epoch not in skipped]
    assert sorted(file.name for file in tmp_path.iterdir()) == [f"epoch={epoch}.ckpt" for epoch in kept]
    again = Record()
    trainer = runtime.Trainer(**arguments)
    trainer.fit(Skips(again, skipped), *loaders(), ckpt_path=tmp_path / f"epoch={kept[0]}.ckpt")
    assert [event[1] for event in again.events if event[0] == "start"] == [*range(kept[0] + 1, 5)]
    assert [event[1] for event in again.events if event[0] == "end"] == kept[1:]
    assert trainer.global_step == 4 * len(kept)


def test_stopping_compared_with_break() -> None:
    class Breaks(Lit):
        def training_step(self, batch: Any, batch_idx: int) -> Any:
            if batch_idx == 2:
                self.stop_epoch()
            return super().training_step(batch, batch_idx)

        def on_train_epoch_end(self) -> None:
            if self.current_epoch == 1:
                self.stop_training()

    def loop(record: Record) -> None:
        model, (training, _) = mlp(), loaders()
        optimizer = record.watch(sgd(model.parameters()))
        for epoch in range(5):
            for index, batch in enumerate(training):
                train_step(record, model, optimizer, batch)
                if index == 2:
                    break
            if epoch == 1:
                break

    assert_same(loop, lambda record: runtime.Trainer(max_epochs=5).fit(Breaks(record, mlp()), loaders()[0]))


def test_a_break_drops_the_iterator() -> None:
    """A generator sees its GeneratorExit at the break, as in a for loop."""
    events = []

    class Closes:
        def __iter__(self) -> Any:
            try:
                while True:
                    yield torch.ones(2, 4), torch.zeros(2, dtype=torch.long)
            finally:
                events.append("closed")

    class Breaks(Lit):
        def training_step(self, batch: Any, batch_idx: int) -> Any:
            self.stop_epoch()
            return super().training_step(batch, batch_idx)

        def on_train_epoch_end(self) -> None:
            events.append("end")

    runtime.Trainer(max_epochs=2).fit(Breaks(Record(), mlp()), Closes())
    assert events == ["closed", "end"] * 2


def test_epoch_items() -> None:
    seen = []

    class Looks(Lit):
        def training_step(self, batch: Any, batch_idx: int) -> Any:
            if self.epoch == "c":
                self.stop_training()
            return super().training_step(batch, batch_idx)

        def on_train_epoch_start(self) -> None:
            seen.append((self.epoch, self.trainer.epoch, self.current_epoch))

    def items() -> Any:
        for item in "abcdef":
            seen.append(f"asked for {item}")
            yield item

    module = Looks(Record(), mlp())
    trainer = runtime.Trainer(epochs=items())
    trainer.fit(module, loaders()[0])
    assert seen == [
        "asked for a",
        ("a", "a", 0),
        "asked for b",
        ("b", "b", 1),
        "asked for c",
        ("c", "c", 2),
    ]
    assert module.epoch == "c"
    assert trainer.lean_loop_reason is None


def test_epochs_as_a_range() -> None:
    seen = []

    class Looks(Lit):
        def on_train_epoch_start(self) -> None:
            seen.append((self.epoch, self.current_epoch, self.trainer.max_epochs))

    runtime.Trainer(epochs=range(5, 8)).fit(Looks(Record(), mlp()), loaders()[0])
    assert seen == [(5, 0, 3), (6, 1, 3), (7, 2, 3)]


def test_epochs_in_lightnings_own_loop() -> None:
    seen = []

    class Looks(Lit):
        def on_train_epoch_start(self) -> None:
            seen.append(self.epoch)

    trainer = runtime.Trainer(epochs=iter("abc"), reload_dataloaders_every_n_epochs=1)
    trainer.fit(Looks(Record(), mlp()), loaders()[0])
    assert seen == ["a", "b", "c"]
    assert trainer.lean_loop_reason == "reload_dataloaders_every_n_epochs=1"


@pytest.mark.parametrize("number", [0, -1, -5])
def test_no_epochs(number: int) -> None:
    record = Record()
    trainer = runtime.Trainer(max_epochs=number)
    trainer.fit(Lit(record, mlp()), loaders()[0])
    assert record.events == []
    assert trainer.current_epoch == 0


def test_max_steps() -> None:
    expected, _ = run(lambda record: runtime.Trainer(max_epochs=3).fit(Lit(record, mlp()), loaders()[0]))
    actual, _ = run(lambda record: runtime.Trainer(max_epochs=-1, max_steps=6).fit(Lit(record, mlp()), loaders()[0]))
    assert actual == expected[: 6 * 3]


@pytest.mark.parametrize("trainer_class", [pl.Trainer, runtime.Trainer])
def test_stopping_in_lightnings_own_loop(trainer_class: type[pl.Trainer]) -> None:
    """The nearest thing: the epoch still ends with validation, hooks and scheduler."""
    record = Record()
    quiet: dict[str, Any] = dict.fromkeys(
        ("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary"), False
    )
    more = {"reload_dataloaders_every_n_epochs": 1} if trainer_class is runtime.Trainer else {}
    trainer = trainer_class(max_epochs=3, accelerator="cpu", num_sanity_val_steps=0, **quiet, **more)
    training, evaluation = list(Data(Record(), "train")), list(Data(Record(), "val"))
    trainer.fit(
        Stops(record, "training_step", "stop_epoch"),
        torch.utils.data.DataLoader(training, batch_size=None),  # type: ignore[arg-type]
        torch.utils.data.DataLoader(evaluation, batch_size=None),  # type: ignore[arg-type]
    )
    events = names(record)
    assert events.count("training_step") == 3 + 2 + 3
    assert events.count("validation_step") == 9
    assert events.count("on_train_epoch_end") == events.count("schedule") == 3


@pytest.mark.parametrize("trainer_class", [pl.Trainer, runtime.Trainer])
def test_stop_training_in_lightnings_own_loop(trainer_class: type[pl.Trainer]) -> None:
    record = Record()
    quiet: dict[str, Any] = dict.fromkeys(
        ("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary"), False
    )
    more = {"reload_dataloaders_every_n_epochs": 1} if trainer_class is runtime.Trainer else {}
    trainer = trainer_class(max_epochs=3, accelerator="cpu", num_sanity_val_steps=0, **quiet, **more)
    batches = torch.utils.data.DataLoader(list(Data(Record(), "train")), batch_size=None)  # type: ignore[arg-type]
    trainer.fit(Stops(record, "training_step", "stop_training"), batches)
    events = names(record)
    assert events.count("training_step") == 3 + 2
    assert events.count("on_train_epoch_end") == (2 if trainer_class is pl.Trainer else 1)
