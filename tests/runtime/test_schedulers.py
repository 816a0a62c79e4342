"""Schedulers step where the script steps them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.nn.functional import cross_entropy
from torch.optim.lr_scheduler import OneCycleLR, ReduceLROnPlateau, StepLR

from tests.runtime.parity import Lit, Record, assert_same, fit, loaders, mlp, plain_loop, run, sgd, train_step


def scheduled(schedule: Callable[[Any], Any], **config: Any) -> type[Lit]:
    class Scheduled(Lit):
        def configure_optimizers(self) -> Any:
            optimizer = super().configure_optimizers()
            return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule(optimizer), **config}}

        def on_validation_epoch_start(self) -> None:
            self.total = 0.0
            self.record("rate", self.optimizers().param_groups[0]["lr"])

        def validation_step(self, batch: Any, batch_idx: int) -> None:
            data, target = batch
            self.total += cross_entropy(self.model(data), target).item()

        def on_validation_epoch_end(self) -> None:
            self.record("evaluation", self.total)
            self.log("total", torch.tensor(self.total, dtype=torch.float64))

    return Scheduled


def scheduled_loop(record: Record, schedule: Callable[[Any], Any], every_step: bool, metric: bool) -> None:
    model, (training, evaluation) = mlp(), loaders()
    optimizer = record.watch(sgd(model.parameters()))
    scheduler = schedule(optimizer)
    for _ in range(3):
        for batch in training:
            train_step(record, model, optimizer, batch)
            if every_step:
                scheduler.step()
        model.eval()
        record("rate", optimizer.param_groups[0]["lr"])
        total = 0.0
        with torch.no_grad():
            for data, target in evaluation:
                total += cross_entropy(model(data), target).item()
        record("evaluation", total)
        model.train()
        if not every_step:
            scheduler.step(*([total] if metric else []))


def test_scheduler_per_epoch_steps_after_the_evaluation() -> None:
    def schedule(optimizer: Any) -> Any:
        return StepLR(optimizer, 1, 0.5)

    assert_same(
        lambda record: scheduled_loop(record, schedule, False, False),
        lambda record: fit(scheduled(schedule)(record, mlp()), *loaders()),
    )


def test_scheduler_per_step() -> None:
    def schedule(optimizer: Any) -> Any:
        return OneCycleLR(optimizer, max_lr=0.2, total_steps=12)

    assert_same(
        lambda record: scheduled_loop(record, schedule, True, False),
        lambda record: fit(scheduled(schedule, interval="step")(record, mlp()), *loaders()),
    )


def test_scheduler_that_watches_a_metric() -> None:
    def schedule(optimizer: Any) -> Any:
        return ReduceLROnPlateau(optimizer, patience=0, threshold=10.0)

    events = assert_same(
        lambda record: scheduled_loop(record, schedule, False, True),
        lambda record: fit(scheduled(schedule, monitor="total")(record, mlp()), *loaders()),
    )
    assert len({event for event in events if event[0] == "rate"}) > 1


def test_a_wrong_loop_is_noticed() -> None:
    """The negative control: the comparison sees a scheduler that steps once too often."""
    expected, _ = run(lambda record: plain_loop(record, mlp(), loaders()[0]))
    shifted = scheduled(lambda optimizer: StepLR(optimizer, 1, 0.99))
    actual, _ = run(lambda record: fit(shifted(record, mlp()), loaders()[0]))
    assert actual != expected
