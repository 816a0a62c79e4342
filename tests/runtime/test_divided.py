"""Which modules share what they find in an evaluation with the other processes."""

from __future__ import annotations

from typing import Any

import pytest
import pytorch_lightning as pl
import torch

import runtime
from runtime.divided import divides_data

wandb: Any = None


class Keeps(runtime.Module):
    """Sums of the training alone, a log of somebody else, and a list."""

    def on_train_epoch_end(self) -> None:
        self.loss = self.sum_across_ranks(self.loss)

    def training_step(self, batch: Any, batch_idx: int) -> None:
        self.log("loss", 1.0)

    def on_validation_epoch_start(self) -> None:
        self.kept: list[Any] = []

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        self.kept.append(batch)

    def on_validation_epoch_end(self) -> None:
        wandb.log({"kept": len(self.kept)})


class Sums(Keeps):
    def on_validation_epoch_end(self) -> None:
        self.total = self.sum_across_ranks(len(self.kept))


class Below(Sums):
    def on_validation_epoch_end(self) -> None:
        super().on_validation_epoch_end()


class Logs(Keeps):
    def validation_step(self, batch: Any, batch_idx: int) -> None:
        self.log("seen", len(batch), sync_dist=True)


class Decorated(Keeps):
    @torch.enable_grad()
    def validation_step(self, batch: Any, batch_idx: int) -> None:
        self.all_gather(batch)


class InANestedFunction(Keeps):
    def on_validation_epoch_end(self) -> None:
        print(*(self.sum_across_ranks(len(kept)) for kept in self.kept))


class InAHelper(Keeps):
    def on_validation_epoch_end(self) -> None:
        self.total = self.added()

    def added(self) -> Any:
        return self.sum_across_ranks(1)


class OfATest(Keeps):
    def on_test_epoch_end(self) -> None:
        self.total = self.sum_across_ranks(1)


@pytest.mark.parametrize("kind", [Sums, Below, Logs, Decorated, InANestedFunction, InAHelper, pl.LightningModule])
def test_these_share(kind: type[Any]) -> None:
    assert divides_data(kind(), "validation")


@pytest.mark.parametrize("kind", [Keeps, OfATest, runtime.Module])
def test_these_do_not(kind: type[Any]) -> None:
    assert not divides_data(kind(), "validation")


def test_each_stage_counts_for_itself() -> None:
    assert divides_data(OfATest(), "test")
    assert not divides_data(Sums(), "test")


def counted(function: Any) -> Any:
    def call(*args: Any) -> Any:
        call.number += 1  # type: ignore[attr-defined]
        return function(*args)

    call.number = 0  # type: ignore[attr-defined]
    return call


class Mixed:
    def added(self) -> Any:
        return self.sum_across_ranks(1)  # type: ignore[attr-defined]


class WithAMixinBehind(Keeps, Mixed):
    def on_validation_epoch_end(self) -> None:
        self.total = self.added()


class InADecorator(Keeps):
    @counted
    def on_validation_epoch_end(self) -> None:
        self.total = self.sum_across_ranks(1)


class ByTheHookOfATest(OfATest):
    def on_validation_epoch_end(self) -> None:
        self.on_test_epoch_end()


class OfAnotherName(Keeps):
    def on_validation_epoch_end(self) -> None:
        module = self
        module.total = module.sum_across_ranks(1)


class BehindManyNames(Keeps):
    exec("def names(self):\n" + "".join(f"    self.name{i}\n" for i in range(300)) + "    self.log('seen', 1)\n")


@pytest.mark.parametrize("kind", [WithAMixinBehind, InADecorator, ByTheHookOfATest, OfAnotherName, BehindManyNames])
def test_these_share_in_ways_that_are_harder_to_see(kind: type[Any]) -> None:
    assert divides_data(kind(), "validation")
