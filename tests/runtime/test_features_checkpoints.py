"""Examples of what is done with checkpoints: the best model, a closer look, a job that goes on where it was stopped."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import pytorch_lightning as pl
import torch
from torch import nn
from torch.utils.data import DataLoader

import runtime
from tests.runtime.examples import Examples
from tests.runtime.parity import Lit, Record, loaders, mlp, samples, seed


def test_best_model(examples: Examples) -> None:
    example = examples.run("best_model")
    losses = example.history["val_loss"]
    best = losses.index(min(losses))
    assert best < 4, "the last epoch is not the best one"
    assert example.best.best_model_path == str(examples.folder / "checkpoints" / f"epoch={best}.ckpt")
    assert [path.name for path in Path("checkpoints").iterdir()] == [f"epoch={best}.ckpt"]
    assert example.tested == pytest.approx(example.history["val_accuracy"][best], abs=1e-6)
    assert example.last == pytest.approx(example.history["val_accuracy"][-1], abs=1e-6)
    assert example.tested > example.last + 0.1
    assert example.trainer.lean_loop_reason is None


def test_checkpoint_analysis(examples: Examples) -> None:
    example = examples.run("checkpoint_analysis")
    assert example.confusion.sum() == 360
    accuracy = example.confusion.diag().sum().item() / 360
    assert accuracy == pytest.approx(example.history["epochs"][-1]["val_accuracy"], abs=1e-6)
    assert (example.saved["epoch"], example.saved["global_step"]) == (1, 46)
    trained = example.trained.state_dict()
    assert all(torch.equal(value, trained[name]) for name, value in example.module.state_dict().items())


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A SLURM job; what `scontrol` is called with is a line of the file that is returned."""
    calls, command = tmp_path / "scontrol-calls", tmp_path / "bin" / "scontrol"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\necho "$@" >> "{calls}"\n')
    command.chmod(0o755)
    monkeypatch.setenv("PATH", str(command.parent), prepend=os.pathsep)
    job = {"NTASKS": "1", "JOB_NAME": "train", "JOB_ID": "77", "PROCID": "0", "LOCALID": "0", "NODEID": "0"}
    for name, value in job.items():
        monkeypatch.setenv(f"SLURM_{name}", value)
    return calls


class Tell(pl.Callback):
    """Sends the signal within a step, as the cluster would."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_before_zero_grad(self, trainer: pl.Trainer, *_: Any) -> None:
        if trainer.global_step == self.step:
            os.kill(os.getpid(), signal.SIGUSR1)


def test_requeue(examples: Examples, cluster: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    default = signal.getsignal(signal.SIGUSR1)
    with monkeypatch.context() as patch:
        patch.setattr(runtime.Requeue, "on_fit_start", lambda self, trainer, _: trainer.callbacks.append(Tell(30)))
        first = examples.run("requeue")
    assert first.requeue.saved_at == 31, "the step in which the signal came is finished first"
    assert cluster.read_text() == "requeue 77\n"
    saved = torch.load(examples.folder / "hpc_ckpt_1.ckpt", weights_only=True)
    assert saved["global_step"] == 31
    assert first.trainer.lean_loop_reason is None
    second = examples.run("requeue")
    assert second.module.began_at == 31
    assert second.trainer.global_step == 69
    assert second.requeue.saved_at is None and cluster.read_text() == "requeue 77\n"
    assert signal.getsignal(signal.SIGUSR1) == default


class Scheduled(Lit):
    """Trains without any randomness, with a scheduler."""

    def configure_optimizers(self) -> Any:
        optimizer = super().configure_optimizers()
        return [optimizer], [torch.optim.lr_scheduler.StepLR(optimizer, 1, 0.5)]


def scheduled(folder: Path, *callbacks: pl.Callback) -> list[Any]:
    """Train for four epochs; returns what happened in each step."""
    seed()
    record = Record()
    data = DataLoader(samples(), 5)
    module = Scheduled(record, nn.Linear(4, 3))
    trainer = runtime.Trainer(max_epochs=4, callbacks=list(callbacks), default_root_dir=str(folder))
    trainer.fit(module, data, data)
    assert trainer.lean_loop_reason is None
    return record.events


def test_requeue_after_the_epoch_loses_nothing(cluster: Path, tmp_path: Path) -> None:
    expected = scheduled(tmp_path / "whole")
    requeue = runtime.Requeue(after="epoch")
    scheduled(tmp_path / "parts", Tell(5), requeue)
    assert requeue.saved_at == 8, "four steps in each epoch; the signal came in the second"
    rest = scheduled(tmp_path / "parts", runtime.Requeue(after="epoch"))
    assert rest == expected[len(expected) // 2 :]


def test_requeue_does_nothing_outside_a_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SLURM_NTASKS", raising=False)
    seen = []

    class Looks(Lit):
        def on_train_batch_end(self, *_: Any) -> None:
            seen.append(signal.getsignal(signal.SIGUSR1))

    before = signal.getsignal(signal.SIGUSR1)
    runtime.Trainer(max_epochs=1, callbacks=[runtime.Requeue()]).fit(Looks(Record(), mlp()), *loaders())
    assert set(seen) == {before}


def test_requeue_gives_the_signal_back_after_an_exception(cluster: Path) -> None:
    class Fails(Lit):
        def on_train_batch_end(self, *_: Any) -> None:
            assert signal.getsignal(signal.SIGUSR1) != before
            raise ValueError("no")

    before = signal.getsignal(signal.SIGUSR1)
    with pytest.raises(ValueError, match="no"):
        runtime.Trainer(max_epochs=1, callbacks=[runtime.Requeue()]).fit(Fails(Record(), mlp()), *loaders())
    assert signal.getsignal(signal.SIGUSR1) == before


def test_processes_agree_on_the_step_after_which_they_requeue(cluster: Path) -> None:
    """Only another process was told."""
    trainer = mock.MagicMock(world_size=2, global_step=5)
    trainer.strategy.reduce_boolean_decision.side_effect = lambda told, all: not told and not all
    requeue = runtime.Requeue()
    requeue.on_train_batch_end(trainer, mock.Mock(), {}, None, 0)
    trainer._signal_connector._slurm_sigusr_handler_fn.assert_called_once()
    assert requeue.saved_at == 5


def test_requeue_refuses_what_it_does_not_know() -> None:
    with pytest.raises(ValueError, match="'step' and 'epoch'"):
        runtime.Requeue(after="batch")
