"""The verbs of the module, also under Lightning's own Trainer and without any."""

from __future__ import annotations

import io
from typing import Any

import pytest
import pytorch_lightning as pl
import torch

import runtime
from tests.runtime.parity import Lit, Record, loaders, mlp


def test_classes() -> None:
    assert issubclass(runtime.Module, pl.LightningModule)
    assert issubclass(runtime.Trainer, pl.Trainer)


def test_sum_on_one_process_returns_the_very_objects() -> None:
    module = runtime.Module()
    values = (1, 2.5, torch.ones(3), True, object())
    assert all(a is b for a, b in zip(module.sum_across_ranks(*values), values, strict=True))
    assert module.sum_across_ranks(values[2]) is values[2]
    assert module.sum_across_ranks() == ()


def test_sum_under_both_trainers() -> None:
    class Sums(Lit):
        def on_validation_epoch_end(self) -> None:
            value = torch.ones(2)
            assert self.sum_across_ranks(value) is value
            self.done = True

    off: dict[str, Any] = dict.fromkeys(
        ("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary"), False
    )
    for trainer in (runtime.Trainer(max_epochs=1), pl.Trainer(max_epochs=1, accelerator="cpu", **off)):
        module = Sums(Record(), mlp())
        trainer.fit(module, *loaders())
        assert module.done


def test_print_is_print(capsys: pytest.CaptureFixture[str]) -> None:
    module = runtime.Module()
    stream = io.StringIO()
    print("first")
    module.print("a", 1, sep="-", end="!", flush=True)
    print("then")
    module.print("elsewhere", file=stream)
    assert capsys.readouterr().out == "first\na-1!then\n"
    assert stream.getvalue() == "elsewhere\n"


def test_print_only_on_the_first_process(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    from lightning_fabric.utilities.rank_zero import rank_zero_only

    monkeypatch.setattr(rank_zero_only, "rank", 1)
    runtime.Module().print("silent")
    assert capsys.readouterr().out == ""


def test_epoch_without_a_trainer_and_under_lightnings() -> None:
    seen = []

    class Looks(Lit):
        def on_train_epoch_start(self) -> None:
            seen.append(self.epoch)

    module = Looks(Record(), mlp())
    assert module.epoch == 0
    off: dict[str, Any] = dict.fromkeys(
        ("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary"), False
    )
    pl.Trainer(max_epochs=2, accelerator="cpu", **off).fit(module, *loaders())
    assert seen == [0, 1]
    assert runtime.Trainer(max_epochs=2).epoch == 0


def test_manual_backward_under_lightnings_trainer() -> None:
    class Manual(Lit):
        def __init__(self, *args: Any) -> None:
            super().__init__(*args)
            self.automatic_optimization = False

        def training_step(self, batch: Any, batch_idx: int) -> None:
            optimizer = self.optimizers()
            optimizer.zero_grad()
            self.manual_backward(super().training_step(batch, batch_idx))
            optimizer.step()

    off: dict[str, Any] = dict.fromkeys(
        ("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary"), False
    )
    results = []
    for make in (lambda: pl.Trainer(max_epochs=2, accelerator="cpu", **off), lambda: runtime.Trainer(max_epochs=2)):
        torch.manual_seed(0)
        record = Record()
        batches = list(loaders()[0])
        model = torch.nn.Linear(4, 3)
        make().fit(Manual(record, model), torch.utils.data.DataLoader(batches, batch_size=None))  # type: ignore[arg-type]
        results.append(record.events)
    assert results[0] == results[1]
