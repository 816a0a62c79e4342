"""Data are iterated over as a for loop does."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader, IterableDataset, RandomSampler, Sampler

import runtime
from tests.runtime.parity import (
    Lit,
    Record,
    assert_same,
    evaluate,
    loaders,
    mlp,
    plain_loop,
    run,
    samples,
    sgd,
    train_step,
)


def both(make_training: Callable[[], Any], make_evaluation: Callable[[], Any] = lambda: None, **trainer: Any) -> None:
    """Train on these data with a plain loop and with the Trainer."""

    def loop(record: Record) -> None:
        plain_loop(record, mlp(), make_training(), make_evaluation())

    def converted(record: Record) -> None:
        fit = runtime.Trainer(max_epochs=3, **trainer)
        fit.fit(Lit(record, mlp()), make_training(), make_evaluation())
        assert fit.lean_loop_reason is None

    assert_same(loop, converted)


def own_generator(count: int, **kwargs: Any) -> DataLoader[Any]:
    return DataLoader(samples(count), 5, shuffle=True, generator=torch.Generator().manual_seed(3), **kwargs)


@pytest.mark.parametrize("count", [20, 22])
@pytest.mark.parametrize("drop_last", [False, True])
def test_loader_with_its_own_generator(count: int, drop_last: bool) -> None:
    both(lambda: own_generator(count, drop_last=drop_last), lambda: DataLoader(samples(11), 4))


def test_lightning_itself_diverges_there() -> None:
    """The negative control for the test above: it does notice what it is there for."""

    def lightning(record: Record) -> None:
        trainer = pl.Trainer(
            max_epochs=3, accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False
        )
        trainer.fit(Lit(record, mlp()), own_generator(20), None)

    expected, _ = run(lambda record: plain_loop(record, mlp(), own_generator(20)))
    actual, _ = run(lightning)
    assert len(actual) == len(expected)
    assert actual != expected


@pytest.mark.parametrize("count", [20, 22])
def test_loader_with_the_global_generator(count: int) -> None:
    both(lambda: loaders(count)[0], lambda: loaders(count)[1])


def test_shuffled_evaluation() -> None:
    both(lambda: loaders()[0], lambda: own_generator(11))


def test_loader_with_workers() -> None:
    both(lambda: DataLoader(samples(), 5, shuffle=True, num_workers=1))


def test_list_of_batches() -> None:
    both(lambda: list(loaders()[0]), lambda: list(loaders()[1]))


def test_tuple_of_batches() -> None:
    both(lambda: tuple(loaders()[0]))


class Stream(IterableDataset[Any]):
    """A data set without length that draws at random, before, while and after it yields."""

    def __iter__(self) -> Iterator[Any]:
        torch.rand(1)
        for _ in range(8):
            yield torch.randn(4), random.randrange(3)
        np.random.rand()


@pytest.mark.parametrize("batch_size", [4, 3])
def test_iterable_dataset(batch_size: int) -> None:
    both(lambda: DataLoader(Stream(), batch_size), lambda: DataLoader(Stream(), batch_size))


class ShufflingList:
    """Shuffles in __iter__, and counts how often that happens."""

    def __init__(self) -> None:
        self.batches = list(loaders()[0])
        self.iterated = 0

    def __iter__(self) -> Iterator[Any]:
        self.iterated += 1
        random.shuffle(self.batches)
        yield from self.batches
        torch.rand(1)


def test_iterable_that_shuffles_in_iter() -> None:
    both(ShufflingList, ShufflingList)


def test_iter_is_called_once_per_epoch() -> None:
    training, evaluation = ShufflingList(), ShufflingList()
    runtime.Trainer(max_epochs=3).fit(Lit(Record(), mlp()), training, evaluation)
    assert (training.iterated, evaluation.iterated) == (3, 3)


class WrongLength(ShufflingList):
    """Says that it has fewer batches than it yields."""

    def __len__(self) -> int:
        return 2


def test_length_does_not_end_an_epoch() -> None:
    both(WrongLength, WrongLength)


class NoLength(ShufflingList):
    """Has a length that must not be asked for."""

    def __len__(self) -> int:
        raise AssertionError("len() was called")


def test_length_is_not_asked_for() -> None:
    both(NoLength, NoLength)


class CountingSampler(Sampler[int]):
    """Knows its epoch by counting its own passes, after the last index."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.passes = 0

    def __iter__(self) -> Iterator[int]:
        order = torch.randperm(self.size, generator=torch.Generator().manual_seed(self.passes))
        yield from order.tolist()
        self.passes += 1

    def __len__(self) -> int:
        return self.size

    def set_epoch(self, epoch: int) -> None:
        raise AssertionError("set_epoch was called")


def test_sampler_that_counts_its_passes() -> None:
    both(lambda: DataLoader(samples(20), 5, sampler=CountingSampler(20)))


def test_generator_is_read_once() -> None:
    both(lambda: (batch for batch in list(loaders()[0])))


def test_dataloader_methods_are_called_in_every_epoch() -> None:
    class Zipped(Lit):
        def train_dataloader(self) -> Any:
            torch.rand(1)
            return zip(self.data, self.targets, strict=True)

        def val_dataloader(self) -> Any:
            torch.rand(1)
            return zip(self.data, self.targets, strict=True)

    def data() -> tuple[list[Any], list[Any]]:
        batches = list(loaders()[0])
        return [x for x, _ in batches], [y for _, y in batches]

    class Fresh:
        def __init__(self) -> None:
            self.parts = data()

        def __iter__(self) -> Iterator[Any]:
            torch.rand(1)
            return zip(*self.parts, strict=True)

    def loop(record: Record) -> None:
        batches = Fresh()
        plain_loop(record, mlp(), batches, batches)

    def converted(record: Record) -> None:
        parts = data()
        module = Zipped(record, mlp())
        module.data, module.targets = parts
        runtime.Trainer(max_epochs=3).fit(module)

    assert_same(loop, converted)


def test_generators_that_are_left_early_end_behind_the_loop() -> None:
    events: list[str] = []

    def batches(name: str) -> Iterator[Any]:
        try:
            yield from loaders()[0]
        finally:
            events.append(f"{name} ends")

    class Leaving(Lit):
        def train_dataloader(self) -> Any:
            return batches("training")

        def val_dataloader(self) -> Any:
            yield from batches("validation")

        def training_step(self, batch: Any, batch_idx: int) -> Any:
            self.stop_epoch()
            return super().training_step(batch, batch_idx)

        def on_validation_epoch_start(self) -> None:
            events.append("validates")

        def validation_step(self, batch: Any, batch_idx: int) -> None:
            self.stop_epoch()

        def on_validation_epoch_end(self) -> None:
            events.append("validated")

    runtime.Trainer(max_epochs=2).fit(Leaving(Record(), mlp()))
    assert events == ["training ends", "validates", "validation ends", "validated"] * 2


def test_batches_keep_their_identity() -> None:
    batches = [object(), (1, [2]), {"a": None}, None]
    seen = []

    class Looks(Lit):
        def training_step(self, batch: Any, batch_idx: int) -> None:
            seen.append(batch)

        def validation_step(self, batch: Any, batch_idx: int) -> None:
            seen.append(batch)

    runtime.Trainer(max_epochs=1).fit(Looks(Record(), mlp()), batches, batches)
    assert len(seen) == 8
    assert all(a is b for a, b in zip(seen, batches + batches, strict=True))


def test_loaders_are_the_very_objects_passed() -> None:
    training, evaluation = loaders()
    checked = []

    class Looks(Lit):
        def on_train_epoch_start(self) -> None:
            checked.append(self.trainer.train_dataloader is training and self.trainer.val_dataloaders is evaluation)

    trainer = runtime.Trainer(max_epochs=2)
    trainer.fit(Looks(Record(), mlp()), training, evaluation)
    assert checked == [True, True]
    assert trainer.train_dataloader is training


@pytest.mark.parametrize("limit", [2, 0.5])
def test_limited_batches(limit: float) -> None:
    def loop(record: Record) -> None:
        model, (training, evaluation) = mlp(), loaders(20, 5)
        optimizer = record.watch(sgd(model.parameters()))
        for _ in range(3):
            for index, batch in enumerate(training):
                train_step(record, model, optimizer, batch)
                if index == 1:
                    break
            evaluate(record, model, list(evaluation)[:2])

    def converted(record: Record) -> None:
        trainer = runtime.Trainer(max_epochs=3, limit_train_batches=limit, limit_val_batches=2)
        trainer.fit(Lit(record, mlp()), *loaders(20, 5))

    assert_same(loop, converted)


def test_no_batches_means_no_steps_but_an_epoch() -> None:
    events = []

    class Looks(Lit):
        def on_train_epoch_end(self) -> None:
            events.append("end")

        def on_validation_epoch_end(self) -> None:
            events.append("validated")

    runtime.Trainer(max_epochs=2).fit(Looks(Record(), mlp()), [], [])
    assert events == ["validated", "end"] * 2


def test_random_sampler_with_replacement() -> None:
    def loader() -> DataLoader[Any]:
        data = samples(20)
        return DataLoader(data, 5, sampler=RandomSampler(data, replacement=True, num_samples=15))

    both(loader)
