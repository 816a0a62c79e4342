"""Callbacks, loggers and metrics of this package: they change nothing, and hold in unusual runs."""

from __future__ import annotations

import warnings
from argparse import Namespace
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import pytorch_lightning as pl
import torch
from lightning_fabric.utilities.exceptions import MisconfigurationException
from pytorch_lightning.loggers import CSVLogger, TensorBoardLogger
from torch import nn

import runtime
from runtime import gradient_norms
from runtime.curves import draw
from tests.runtime.parity import Lit, Record, loaders, mlp, random_states, seed


class Logs(Lit):
    """Logs a training and an evaluation metric."""

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        loss = super().training_step(batch, batch_idx)
        self.log("train", loss, on_step=True, on_epoch=True)
        return loss

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        super().validation_step(batch, batch_idx)
        self.log("val_loss", 1.0 + self.current_epoch)


def train(*callbacks: pl.Callback, make: Any = runtime.Trainer, module: Any = Logs, **arguments: Any) -> Record:
    """Train for three epochs from the same seed; returns what happened, with the random states at the end."""
    seed()
    record = Record()
    data = loaders()
    make(**{"max_epochs": 3, "callbacks": list(callbacks), **arguments}).fit(module(record, mlp()), *data)
    record("random", random_states())
    return record


def test_watching_changes_nothing(tmp_path: Path) -> None:
    expected = train().events
    watched = train(
        runtime.GradientNorms(),
        runtime.History(),
        runtime.LossCurves(),
        runtime.ParameterHistograms(),
        runtime.Requeue(),
        runtime.ScriptTime(),
        runtime.SystemInformation(),
        logger=[TensorBoardLogger(str(tmp_path)), runtime.ConsoleLogger()],
        log_every_n_steps=1,
    ).events
    assert len(expected) > 12
    assert watched == expected


def test_history_is_that_of_lightnings_trainer() -> None:
    histories = []
    for make in (runtime.Trainer, pl.Trainer):
        off: dict[str, Any] = dict.fromkeys(("logger", "enable_checkpointing", "enable_progress_bar"), False)
        off |= {"enable_model_summary": False, "num_sanity_val_steps": 0, "accelerator": "cpu"}
        history = runtime.History()
        torch.manual_seed(0)
        module = Logs(Record(), nn.Linear(4, 3))
        data = list(loaders()[0])
        loader: Any = torch.utils.data.DataLoader(data, batch_size=None)  # type: ignore[arg-type]
        make(max_epochs=2, callbacks=[history], **off).fit(module, loader, loader)
        histories.append((history.losses, history.epochs))
    assert histories[0] == histories[1]
    assert set(histories[0][1][0]) == {"epoch", "step", "loss", "train", "train_step", "train_epoch", "val_loss"}
    assert histories[0][1][0]["train"] == histories[0][1][0]["train_epoch"] != histories[0][1][0]["train_step"]


def test_history_has_a_metric_only_in_the_epochs_that_logged_it() -> None:
    history = runtime.History()
    train(history, check_val_every_n_epoch=2)
    assert ["val_loss" in epoch for epoch in history.epochs] == [False, True, False]
    assert history["val_loss"] == [2.0]
    assert len(history["train_epoch"]) == 3


def test_history_of_a_script_that_logs_nothing() -> None:
    history = runtime.History()
    record = train(history, module=Lit)
    assert history.losses == pytest.approx([event[1] for event in record.events if event[0] == "loss"], abs=0)
    with pytest.raises(KeyError, match=r"no epoch has 'accuracy'; there is epoch, step, loss"):
        history["accuracy"]
    with pytest.raises(KeyError, match="there is nothing"):
        runtime.History()["loss"]


def test_history_under_manual_optimization() -> None:
    class Manual(Lit):
        def __init__(self, record: Record, model: nn.Module) -> None:
            super().__init__(record, model)
            self.automatic_optimization = False

        def training_step(self, batch: Any, batch_idx: int) -> Any:
            optimizer: Any = self.optimizers()
            loss = super().training_step(batch, batch_idx)
            optimizer.zero_grad()
            self.manual_backward(loss)
            optimizer.step()
            return {"loss": loss} if self.current_epoch else None

    history = runtime.History()
    record = train(history, module=Manual)
    losses = [event[1] for event in record.events if event[0] == "loss"]
    assert history.losses == losses[4:], "only what the step returns"
    assert ["loss" in epoch for epoch in history.epochs] == [False, True, True]


@pytest.mark.parametrize("callback", [runtime.ParameterHistograms, runtime.LossCurves])
def test_tensorboard_is_asked_for_before_the_training(callback: Any, tmp_path: Path) -> None:
    for logger, found in ((False, "none"), (CSVLogger(str(tmp_path)), "CSVLogger")):
        record = Record()
        trainer = runtime.Trainer(max_epochs=1, logger=logger, callbacks=[callback()])
        with pytest.raises(MisconfigurationException, match=f"{callback.__name__} .* loggers are: {found}"):
            trainer.fit(Lit(record, mlp()), *loaders())
        assert not record.events


def test_histograms_of_weights_that_are_not_finite(tmp_path: Path) -> None:
    model = nn.Linear(4, 3)
    trainer = runtime.Trainer(
        max_epochs=2, logger=TensorBoardLogger(str(tmp_path)), callbacks=[runtime.ParameterHistograms(2)]
    )
    written: list[Any] = []
    trainer.logger.experiment.add_histogram = lambda *args: written.append(args)

    class Breaks(Lit):
        def on_train_epoch_end(self) -> None:
            with torch.no_grad():
                model.weight[0, 0] = float("nan")
                model.bias[:] = float("inf")

    callback = runtime.ParameterHistograms()
    Breaks(Record(), model).on_train_epoch_end()
    fitted = Breaks(Record(), model)
    trainer.strategy.connect(fitted)
    callback.on_train_epoch_end(trainer, fitted)
    assert [(name, values.numel()) for name, values, _ in written] == [("model.weight", 11)]


def test_curves_of_a_run_without_losses() -> None:
    curves = runtime.LossCurves()
    curves.epochs = [{"epoch": 0, "val_loss": 2.0}, {"epoch": 1}, {"epoch": 2, "val_loss": 1.0, "accuracy": 0.5}]
    assert curves.curves() == {"val_loss": [(1, 2.0), (3, 1.0)]}


@pytest.mark.parametrize(
    "values", [[], [2.0], [1.0, 1.0], [float("nan")], [1e30, -1e30], [1e-9, 2e-9], [3.0, float("inf")]]
)
def test_any_numbers_can_be_drawn(values: list[float]) -> None:
    picture = draw({"a": list(enumerate(values)), "b": []})
    assert picture.size == (840, 480)


def test_a_curve_is_where_it_should_be() -> None:
    """From the lower left corner of the box to the upper right one, in the colour of its name."""
    picture = draw({"first": [], "line": [(0.0, 0.0), (5.0, 2.5), (10.0, 5.0)]})
    blue = {(x, y) for x in range(840) for y in range(480) if picture.getpixel((x, y)) == (31, 111, 180)}
    assert {(70, 440), (445, 235), (820, 30)} <= blue
    assert (70, 30) not in blue and (820, 440) not in blue


def test_gradient_norms_only_in_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    worked_out = mock.Mock(side_effect=gradient_norms.grad_norm)
    monkeypatch.setattr(gradient_norms, "grad_norm", worked_out)
    logger = CSVLogger(str(tmp_path))
    train(runtime.GradientNorms(float("inf"), total_only=True), module=Lit, logger=logger, log_every_n_steps=3)
    rows = (tmp_path / "lightning_logs" / "version_0" / "metrics.csv").read_text().splitlines()
    assert rows[0] == "epoch,grad_inf_norm_total,step"
    assert [row.rpartition(",")[2] for row in rows[1:]] == ["2", "5", "8", "11"]
    assert worked_out.call_count == 4, "only at the steps that are logged"


def test_system_information_goes_where_it_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    train(runtime.SystemInformation("there/machine.json"), module=Lit)
    train(runtime.SystemInformation(), module=Lit, default_root_dir="here")
    assert (tmp_path / "there" / "machine.json").read_text() == (tmp_path / "here" / "system.json").read_text()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["here", "there"]


def test_script_time_rounds_up() -> None:
    script_time = runtime.ScriptTime()
    script_time.training, script_time.longest_epoch = 3725.2, 0.0
    assert "(training 1:02:06, longest epoch 0:00:00)" in script_time.report()


def test_console_logger(capsys: pytest.CaptureFixture[str]) -> None:
    logger = runtime.ConsoleLogger()
    logger.log_metrics({"loss": 0.123456, "epoch": 3.0}, 7)
    logger.log_metrics({"loss": 2.0})
    logger.log_hyperparams(Namespace(lr=0.1, name="x"))
    logger.log_hyperparams({})
    assert capsys.readouterr().out == "epoch 3, step 7: loss 0.1235\nloss 2\nhyperparameters: lr 0.1, name x\n"


def test_function_metric_keeps_what_a_function_needs() -> None:
    seen: list[Any] = []

    def function(targets: Any, scores: Any, power: int) -> float:
        seen.append((targets.dtype.name, scores.shape))
        return float(scores.sum()) ** power

    metric = runtime.FunctionMetric(function, power=2)
    metric.update(torch.ones(2, 3, requires_grad=True), torch.zeros(2, dtype=torch.long))
    metric.update(torch.ones(1, 3), torch.zeros(1, dtype=torch.long))
    assert metric.compute().item() == 81
    assert seen == [("int64", (3, 3))]
    metric.reset()
    metric.update(torch.ones(1, 3), torch.zeros(1, dtype=torch.long))
    assert metric.compute().item() == 9


def test_function_metric_of_a_process_without_data(monkeypatch: pytest.MonkeyPatch) -> None:
    """What another process has is enough, whatever its dtype and shape."""

    def gather(parts: list[Any], mine: list[torch.Tensor], group: Any = None) -> None:
        parts[:] = [mine, [torch.arange(3)]]

    monkeypatch.setattr(torch.distributed, "get_world_size", lambda group: 2)
    monkeypatch.setattr(torch.distributed, "all_gather_object", gather)
    metric = runtime.FunctionMetric(lambda targets, guessed: (targets == guessed).sum())
    metric._sync_dist()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # compute() before update(), as torchmetrics remarks
        assert metric.compute().item() == 3
