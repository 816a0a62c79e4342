"""Examples of what changes a training: clipping, accumulation, precision, limits, early ends, averages, subclasses."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

from tests.runtime.examples import Examples
from tests.runtime.parity import bits


def test_gradient_clipping(examples: Examples) -> None:
    example = examples.run("gradient_clipping")
    for trainer, module in (example.free, example.by_norm, example.by_value):
        assert trainer.lean_loop_reason is None
        assert len(module.norms) == 23
    assert max(example.free[1].norms) > 0.05 and max(example.free[1].largest) > 0.01, "otherwise nothing is clipped"
    assert max(example.by_norm[1].norms) <= 0.05 + 1e-6
    assert max(example.by_value[1].largest) == pytest.approx(0.01, abs=1e-9)
    assert max(example.by_value[1].norms) > 0.05


def test_accumulation(examples: Examples) -> None:
    example = examples.run("accumulation")
    large, small = example.large, example.small
    assert [len(run[2].losses) for run in (large, small)] == [20, 80]
    assert [run[0].global_step for run in (large, small)] == [20, 20]
    assert large[0].lean_loop_reason is None
    # the mean of four means of 16 is the mean of 64, but for rounding
    torch.testing.assert_close(dict(small[1].state_dict()), dict(large[1].state_dict()), rtol=1e-4, atol=1e-5)
    windows = torch.tensor(small[2].losses).view(20, 4).mean(1)
    torch.testing.assert_close(windows, torch.tensor(large[2].losses), rtol=1e-4, atol=1e-5)


def test_sixteen_bit(examples: Examples) -> None:
    example = examples.run("sixteen_bit")
    outputs = {name: example[name][1].types for name in ("full", "mixed", "half")}
    assert outputs == {"full": {torch.float32}, "mixed": {torch.bfloat16}, "half": {torch.bfloat16}}
    weights = {name: example[name][1].model.body[0].weight.dtype for name in outputs}
    assert weights == {"full": torch.float32, "mixed": torch.float32, "half": torch.bfloat16}
    for name in outputs:
        trainer, _, history = example[name]
        assert trainer.lean_loop_reason is None
        assert history["val_accuracy"][-1] > 0.8
    assert example.full[2].losses != example.mixed[2].losses


def test_sanity_check(examples: Examples) -> None:
    example = examples.run("sanity_check")
    plain, checked = example.plain, example.checked
    assert (plain[1].checked, checked[1].checked) == (0, 2)
    assert checked[2].losses == plain[2].losses, "the check must not change the training"
    assert checked[2].epochs == plain[2].epochs, "and is no epoch"
    assert bits(checked[1].model.body[0].weight) == bits(plain[1].model.body[0].weight)
    assert (example.found_at_once.global_step, example.found_late.global_step) == (0, 23)
    assert checked[0].lean_loop_reason is None


def test_short_runs(examples: Examples) -> None:
    example = examples.run("short_runs")
    batches = {name: example[name][1].batches for name in ("limited", "fast", "overfit")}
    assert batches["limited"] == {"train": 10, "val": 4, "test": 1}
    assert batches["fast"] == {"train": 1, "val": 1, "test": 1}
    assert batches["overfit"]["train"] == 60
    losses = example.overfit[2].losses
    assert losses[-1] < losses[0] / 10
    reasons = {name: example[name][0].lean_loop_reason for name in batches}
    assert reasons == {"limited": None, "fast": "fast_dev_run=True", "overfit": "overfit_batches=2"}


def test_early_stopping(examples: Examples) -> None:
    example = examples.run("early_stopping")
    losses = example.history["val_loss"]
    best = losses.index(min(losses))
    assert len(losses) == example.trainer.current_epoch == best + 3, "two epochs of patience behind the best one"
    assert example.stopping.stopped_epoch == best + 2 < 49
    assert example.stopping.best_score.item() == min(losses)
    assert example.trainer.lean_loop_reason is None


def test_held_values(examples: Examples) -> None:
    example = examples.run("held_values")
    printed = re.findall(r"epoch (\d+): loss (\S+), (\d+) correct", example.output)
    losses, correct = [float(loss) for _, loss, _ in printed], [int(count) for _, _, count in printed]
    best = losses.index(min(losses))
    assert len(losses) == best + 3 < 50, "two epochs of patience behind the best one"
    assert f"{example.stopping.best_score.item():.4f}" == f"{min(losses):.4f}"
    assert example.best.best_model_score.item() == max(correct)
    name = f"epoch={correct.index(max(correct))}-correct={max(correct)}-loss="
    assert Path(example.best.best_model_path).name.startswith(name)
    assert dict(example.trainer.callback_metrics) == {}, "nothing is logged"
    assert example.trainer.lean_loop_reason is None


def test_weight_averaging(examples: Examples) -> None:
    example = examples.run("weight_averaging")
    # each epoch from `swa_epoch_start` on begins by adding the weights that it finds
    expected = torch.stack(example.weights.epochs[:4]).mean(0)
    torch.testing.assert_close(example.averaged, expected)
    assert not torch.allclose(example.averaged, example.weights.epochs[-1], atol=1e-3)
    assert example.accuracy > 0.85
    assert example.trainer.lean_loop_reason == "the callback StochasticWeightAveraging"


def test_callbacks(examples: Examples) -> None:
    example = examples.run("callbacks")
    first, second = example.first_layers
    assert torch.equal(first, example.before) and not torch.equal(second, example.before)
    assert example.ends == ["the end"]
    logged = (examples.folder / example.logger.log_dir / "metrics.csv").read_text()
    header = logged.splitlines()[0].split(",")
    rates = [line.split(",")[header.index("lr-Adam")] for line in logged.splitlines()[1:]]
    assert [float(rate) for rate in rates if rate] == [0.01, 0.005]
    assert example.output == "epoch 0 - first layer frozen\nepoch 1 - first layer free\nthe end\n"
    assert example.trainer.lean_loop_reason is None


def test_subclassing(examples: Examples) -> None:
    example = examples.run("subclassing")
    for trainer in (example.plain, example.smoothed):
        assert (trainer.current_epoch, trainer.gradient_clip_val) == (2, 1.0)
        assert trainer.history["val_accuracy"][-1] > 0.8
        assert trainer.lean_loop_reason is None
    assert isinstance(example.smoothed.optimizers[0], torch.optim.SGD)
    assert "train_loss" not in example.smoothed.history.names, "its own training_step logs nothing"
    assert "train_loss" in example.plain.history.names
