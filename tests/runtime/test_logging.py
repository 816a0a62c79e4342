"""What logging, progress bars and checkpoint callbacks cost behind every batch, and that nothing is lost by it."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from lightning_fabric.utilities.exceptions import MisconfigurationException
from pytorch_lightning import callbacks
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

import runtime
import runtime.callbacks
from tests.runtime.parity import Lit, Record, loaders


class Reads(TorchDispatchMode):
    """Counts how often a tensor's value is asked for, which on an accelerator waits for it."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count += func is torch.ops.aten._local_scalar_dense.default
        return func(*args, **(kwargs or {}))


class Logs(Lit):
    """Logs ``values[batch_idx]`` with some options."""

    def __init__(self, *values: Any, **options: Any) -> None:
        super().__init__(Record(), nn.Linear(4, 3))
        self.values, self.options, self.seen = values, options, []

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        loss = nn.functional.cross_entropy(self.model(batch[0]), batch[1])
        self.log("x", self.values[batch_idx] if self.values else loss, **self.options)
        return loss

    def configure_optimizers(self) -> Any:
        return torch.optim.SGD(self.parameters(), lr=0.1)


def count_reads(batches: int, *, read: bool = False, **options: Any) -> int:
    class Asks(Logs):
        def on_train_batch_end(self, *_: Any) -> None:
            if read:
                float(self.trainer.callback_metrics["x"])

    trainer = runtime.Trainer(max_epochs=1, logger=False, log_every_n_steps=1000)
    with Reads() as reads:
        trainer.fit(Asks(**options), list(loaders()[0]) * batches)
    return reads.count


@pytest.mark.parametrize(
    "options", [{}, {"prog_bar": True}, {"on_step": True, "on_epoch": True, "prog_bar": True}, {"reduce_fx": "max"}]
)
def test_logging_waits_for_no_tensor(options: dict[str, Any]) -> None:
    assert count_reads(1, **options) == count_reads(3, **options)
    assert count_reads(3, read=True, **options) > count_reads(1, read=True, **options), "the counter counts"


@pytest.mark.parametrize("bad", [torch.ones(2), "text", [1.0]])
def test_a_bad_value_in_a_later_batch_is_an_error(bad: Any) -> None:
    with pytest.raises(ValueError, match=r"self\.log"):
        runtime.Trainer(max_epochs=1).fit(Logs(1.0, 2.0, bad, 4.0), loaders()[0])


def test_other_arguments_in_a_later_batch_are_an_error() -> None:
    class Changes(Logs):
        def training_step(self, batch: Any, batch_idx: int) -> Any:
            self.options = {"on_epoch": batch_idx == 2}
            return super().training_step(batch, batch_idx)

    with pytest.raises(MisconfigurationException, match="twice in `training_step` with different arguments"):
        runtime.Trainer(max_epochs=1).fit(Changes(), loaders()[0])


@pytest.mark.parametrize(
    ("values", "mean"),
    [
        ((1, 2.5, True, 4), 2.125),
        ((1.0, torch.tensor(2.0), torch.tensor([3.0]), torch.tensor(4, dtype=torch.int64)), 2.5),
        ((1.0, float("inf"), 3.0, 4.0), float("inf")),
        ((1.0, 1e300, 3.0, 4.0), float("inf")),
        ((torch.tensor(1.0, dtype=torch.float16), 2.0, torch.tensor(3.0, dtype=torch.float64), 4.0), 2.5),
    ],
)
def test_values_of_every_kind(values: Any, mean: float) -> None:
    trainer = runtime.Trainer(max_epochs=2)
    trainer.fit(Logs(*values, on_step=False, on_epoch=True), loaders()[0])
    assert trainer.callback_metrics["x"].item() == mean


def test_a_logged_value_is_a_copy() -> None:
    class Changes(Logs):
        def training_step(self, batch: Any, batch_idx: int) -> Any:
            value = torch.tensor(float(batch_idx))
            self.log("y", value)
            value += 100
            self.seen.append(self.trainer.callback_metrics["y"].item())
            return super().training_step(batch, batch_idx)

    module = Changes()
    runtime.Trainer(max_epochs=1).fit(module, loaders()[0])
    assert module.seen == [0, 1, 2, 3]


def test_a_bar_shows_the_last_batch_of_each_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime.callbacks, "INTERVAL", 1e9)
    shown = []

    class Looks(Logs):
        def on_train_epoch_end(self) -> None:
            shown.append((bar.train_progress_bar.n, bar.train_progress_bar.total))

        def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
            if self.current_epoch == 1 and batch_idx == 2:
                self.stop_epoch()

    bar = callbacks.TQDMProgressBar()
    runtime.Trainer(max_epochs=3, callbacks=[bar]).fit(Looks(prog_bar=True), loaders()[0])
    assert shown == [(4, 4), (3, 4), (4, 4)]


def test_own_callbacks_are_called_for_every_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime.callbacks, "INTERVAL", 1e9)
    calls = []

    class Bar(callbacks.TQDMProgressBar):
        def on_train_batch_end(self, *args: Any) -> None:
            calls.append("bar")

    class Saves(callbacks.ModelCheckpoint):
        def on_train_batch_end(self, *args: Any) -> None:
            calls.append("checkpoint")

    runtime.Trainer(max_epochs=1, callbacks=[Bar(), Saves(save_top_k=0)]).fit(Logs(), loaders()[0])
    assert calls == ["bar", "checkpoint"] * 4
