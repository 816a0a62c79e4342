"""Examples of what a run leaves behind: hyperparameters, logs, pictures, norms, summaries, times, its history."""

from __future__ import annotations

import atexit
import csv
import json
import math
import os
import platform
from pathlib import Path
from typing import Any

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from tests.runtime.examples import Examples


def metrics(logger: Any) -> list[dict[str, str]]:
    """What a CSVLogger wrote."""
    with open(f"{logger.log_dir}/metrics.csv") as file:
        return list(csv.DictReader(file))


def events(folder: str) -> EventAccumulator:
    """What TensorBoard would show."""
    found = EventAccumulator(folder, size_guidance={"scalars": 0, "histograms": 0, "images": 0, "tensors": 0})
    found.Reload()
    return found


def test_hyperparameter_snapshots(examples: Examples) -> None:
    example = examples.run("hyperparameter_snapshots")
    given = {"hidden": 16, "lr": 0.01, "note": "a small one"}
    text = Path(example.logger.log_dir, "hparams.yaml").read_text()
    assert dict(line.split(": ") for line in text.splitlines()) == {k: str(v) for k, v in given.items()}
    saved = torch.load(example.checkpoint.best_model_path, weights_only=True)
    assert saved["hyper_parameters"] == given == dict(example.again.hparams)
    trained = example.trainer.lightning_module.state_dict()
    assert all(torch.equal(value, trained[name]) for name, value in example.again.state_dict().items())
    assert example.trainer.lean_loop_reason is None


def test_logging_to_tensorboard(examples: Examples) -> None:
    example = examples.run("logging_to_tensorboard")
    shown = events(example.logger.log_dir)
    tags = shown.Tags()
    assert {"train_loss", "val_loss", "val_accuracy", "hp/accuracy"} <= set(tags["scalars"])
    assert [event.step for event in shown.Scalars("train_loss")] == [9, 19, 29, 39, 49, 59]
    assert [event.step for event in shown.Scalars("val_loss")] == [22, 45, 68]
    # the table of hyperparameters, with the metric beside them
    assert set(shown.summary_metadata) >= {"_hparams_/experiment", "_hparams_/session_start_info"}
    content = shown.summary_metadata["_hparams_/session_start_info"].plugin_data.content
    assert b"hidden" in content and b"lr" in content
    assert b"hp/accuracy" in shown.summary_metadata["_hparams_/experiment"].plugin_data.content
    assert shown.Scalars("hp/accuracy")[-1].value == pytest.approx(shown.Scalars("val_accuracy")[-1].value)
    assert set(tags["histograms"]) == {name for name, _ in example.trainer.lightning_module.named_parameters()}
    last = shown.Histograms("model.body.0.weight")[-1]
    assert (len(shown.Histograms("model.body.0.weight")), last.step) == (3, 2)
    assert last.histogram_value.num == 64 * 32
    (picture,) = shown.Images("loss curves")
    assert picture.encoded_image_string.startswith(b"\x89PNG") and picture.width > 400
    assert example.trainer.lean_loop_reason is None


def test_stdout_and_tensorboard(examples: Examples) -> None:
    example = examples.run("stdout_and_tensorboard")
    shown = events(example.tensorboard.log_dir)
    expected = [(e.step, f"train_loss {e.value:.4g}") for e in shown.Scalars("train_loss")]
    losses, accuracies = shown.Scalars("val_loss"), shown.Scalars("val_accuracy")
    expected += [
        (loss.step, f"val_loss {loss.value:.4g}, val_accuracy {accuracy.value:.4g}")
        for loss, accuracy in zip(losses, accuracies)
    ]
    lines = [f"epoch {step // 23}, step {step}: {text}" for step, text in sorted(expected)]
    assert example.output.splitlines() == lines
    assert len(lines) == 6
    assert example.trainer.lean_loop_reason is None


def test_gradient_norms(examples: Examples) -> None:
    example = examples.run("gradient_norms")
    rows = [row for row in metrics(example.logger) if row["grad_2.0_norm_total"]]
    assert [int(row["step"]) for row in rows] == [4, 9, 14, 19]
    names = [name for name, _ in example.trainer.lightning_module.named_parameters()]
    for row in rows:
        parts = [float(row[f"grad_2.0_norm/{name}"]) for name in names]
        assert float(row["grad_2.0_norm_total"]) == pytest.approx(math.hypot(*parts), rel=1e-5)
        assert min(parts) > 0
    assert example.trainer.lean_loop_reason is None


def test_model_summary(examples: Examples, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    example = examples.run("model_summary")
    count = 64 * 32 + 32 + 32 * 10 + 10
    assert example.summary.total_parameters == count
    assert f"parameters in all: {count}" in example.output
    assert "model.body.0 | Linear     | 2.1 K" in caplog.text
    assert "2.4 K     Trainable params" in caplog.text
    assert example.trainer.lean_loop_reason is None


def test_system_information(examples: Examples) -> None:
    example = examples.run("system_information")
    path = Path(example.logger.log_dir, "system.json")
    assert example.information.path == path
    written = json.loads(path.read_text())
    assert written["software"]["packages"]["torch"] == torch.__version__
    assert written["software"]["python"] == platform.python_version()
    assert written["hardware"]["cores"] == os.cpu_count()
    assert len(written["hardware"]["accelerators"]) == torch.cuda.device_count()
    assert example.saved["system"] == written
    assert example.trainer.lean_loop_reason is None


def test_device_statistics(examples: Examples) -> None:
    example = examples.run("device_statistics")
    assert [int(row["step"]) for row in example.rows] == [4, 9, 14, 19]
    for row in example.rows:
        assert float(row["DeviceStatsMonitor.on_train_batch_end/cpu_percent"]) >= 0
        assert 0 < float(row["DeviceStatsMonitor.on_train_batch_end/cpu_vm_percent"]) <= 100
    starts = [row["DeviceStatsMonitor.on_train_batch_start/cpu_vm_percent"] for row in metrics(example.logger)]
    assert len([value for value in starts if value]) == 4
    assert example.trainer.lean_loop_reason is None


def test_profilers(examples: Examples) -> None:
    example = examples.run("profilers")
    simple, advanced, operations = (
        Path("profiles", f"fit-{name}.txt").read_text() for name in ("simple", "advanced", "pytorch")
    )
    assert "run_training_batch" in simple
    assert "function calls" in advanced
    assert "aten::addmm" in operations or "aten::linear" in operations
    assert len(list(Path("profiles").glob("*.training_step.*.pt.trace.json"))) == 1
    assert [trainer.lean_loop_reason for trainer in example.trainers] == ["a profiler is used"] * 3
    assert [trainer.global_step for trainer in example.trainers] == [8] * 3


def test_script_time(examples: Examples, monkeypatch: pytest.MonkeyPatch) -> None:
    at_exit: list[Any] = []
    monkeypatch.setattr(atexit, "register", at_exit.append)
    example = examples.run("script_time")
    script_time = example.script_time
    assert 0 < script_time.longest_epoch <= script_time.training < 60
    assert at_exit.count(script_time._say) == 1
    script_time._say()
    line = examples.capsys.readouterr().out
    assert line.startswith("Total script time: 0:") and "training 0:00:" in line and "longest epoch 0:00:" in line
    assert example.trainer.lean_loop_reason is None


def test_run_history(examples: Examples) -> None:
    example = examples.run("run_history")
    history, continued = example.history, example.continued
    assert [epoch["epoch"] for epoch in history.epochs] == [0, 1]
    assert [epoch["step"] for epoch in history.epochs] == [23, 46]
    assert history.names == ["epoch", "step", "loss", "val_loss", "val_accuracy", "train_loss"]
    assert len(history.losses) == 46
    assert history["loss"] == [sum(history.losses[i : i + 23]) / 23 for i in (0, 23)]
    assert continued.epochs[:2] == history.epochs and continued.losses[:46] == history.losses
    assert (len(continued.epochs), len(continued.losses)) == (3, 69)
    assert example.trainer.lean_loop_reason is None
