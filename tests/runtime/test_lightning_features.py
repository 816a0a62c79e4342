"""Lightning's callbacks, loggers, checkpoints and data modules work in the lean loop."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning import callbacks
from pytorch_lightning.tuner import Tuner
from pytorch_lightning.utilities.combined_loader import CombinedLoader
from torch import nn
from torch.optim.lr_scheduler import ReduceLROnPlateau, StepLR
from torch.utils.data import DataLoader

import runtime
from tests.runtime.parity import Lit, Record, bits, loaders, mlp, samples, seed


class Logs(Lit):
    """Logs a training loss per step and epoch, and an evaluation loss."""

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        loss = super().training_step(batch, batch_idx)
        self.log("train", loss, on_step=True, on_epoch=True)
        return loss

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        self.log("val", nn.functional.cross_entropy(self.model(batch[0]), batch[1]))

    def configure_optimizers(self) -> Any:
        optimizer = super().configure_optimizers()
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": ReduceLROnPlateau(optimizer, patience=0), "monitor": "val"},
        }


def steps(record: Record) -> list[Any]:
    return [event for event in record.events if event[0] == "step"]


def lightning(**arguments: Any) -> pl.Trainer:
    """Lightning's own Trainer with as little as possible around it."""
    off: dict[str, Any] = dict.fromkeys(("enable_progress_bar", "enable_model_summary"), False)
    off |= {"logger": False, "enable_checkpointing": False, "num_sanity_val_steps": 0, "accelerator": "cpu"}
    return pl.Trainer(**{**off, **arguments})


@pytest.mark.parametrize("trainer_class", [runtime.Trainer, lightning])
def test_metrics_and_loggers_agree_with_lightning(trainer_class: Any, tmp_path: Path) -> None:
    """What Lightning's own Trainer logs, on data for which both train alike."""
    results = []
    for make, folder in ((lightning, "expected"), (trainer_class, "actual")):
        seed()
        module = Logs(Record(), nn.Linear(4, 3))
        training, evaluation = samples(), loaders()[1]
        logger = pl.loggers.CSVLogger(str(tmp_path), name=folder, version=0)
        trainer = make(
            max_epochs=3, logger=logger, log_every_n_steps=2, callbacks=[callbacks.LearningRateMonitor("epoch")]
        )
        trainer.fit(module, DataLoader(training, 5), evaluation)
        rows = list(csv.DictReader((tmp_path / folder / "version_0" / "metrics.csv").open()))
        metrics = {name: value.item() for name, value in trainer.callback_metrics.items()}
        results.append((rows, metrics, steps(module.record)))
    assert results[0] == results[1]
    assert {"train_step", "train_epoch", "val"} <= set(results[0][0][0])


def test_early_stopping() -> None:
    class Worsens(Lit):
        def on_validation_epoch_end(self) -> None:
            self.log("score", float(self.current_epoch))

    record = Record()
    trainer = runtime.Trainer(max_epochs=9, callbacks=[callbacks.EarlyStopping("score", patience=2)])
    trainer.fit(Worsens(record, mlp()), *loaders())
    assert trainer.current_epoch == 3
    assert len(steps(record)) == 12


def test_should_stop_within_an_epoch_validates_and_respects_min_epochs() -> None:
    class Asks(Lit):
        def on_train_batch_end(self, *_: Any) -> None:
            self.trainer.should_stop = True

    record = Record()
    trainer = runtime.Trainer(max_epochs=9, min_epochs=2)
    trainer.fit(Asks(record, mlp()), *loaders())
    assert len(steps(record)) == 8, "two whole epochs"
    record = Record()
    runtime.Trainer(max_epochs=9).fit(Asks(record, mlp()), *loaders())
    assert [event[0] for event in record.events].count("evaluation") == 3
    assert len(steps(record)) == 1


def test_validation_every_second_epoch() -> None:
    record = Record()
    runtime.Trainer(max_epochs=5, check_val_every_n_epoch=2).fit(Lit(record, mlp()), *loaders())
    assert [event[0] for event in record.events].count("evaluation") == 2 * 3


class Resumable(Lit):
    """Trains with a scheduler and says nothing at random."""

    def __init__(self, record: Record) -> None:
        seed(5)
        super().__init__(record, nn.Linear(4, 3))

    def configure_optimizers(self) -> Any:
        optimizer = super().configure_optimizers()
        return [optimizer], [StepLR(optimizer, 1, 0.7)]

    def on_validation_epoch_end(self) -> None:
        self.log("val", 1.0)


def data() -> tuple[DataLoader[Any], DataLoader[Any]]:
    seed(7)
    return DataLoader(samples(), 5), DataLoader(samples(), 5)


@pytest.mark.parametrize("when", ["train_end", "validation_end"])
@pytest.mark.parametrize("limits", [{}, {"max_steps": 16}])
def test_checkpoint_and_resume(when: str, limits: dict[str, Any], tmp_path: Path) -> None:
    whole = Record()
    checkpoint = callbacks.ModelCheckpoint(
        dirpath=tmp_path, filename="{epoch}", save_top_k=-1, save_on_train_epoch_end=when == "train_end"
    )
    runtime.Trainer(max_epochs=4, callbacks=[checkpoint], **limits).fit(Resumable(whole), *data())
    assert len(steps(whole)) == 16
    rest = Record()
    trainer = runtime.Trainer(max_epochs=4, **limits)
    trainer.fit(Resumable(rest), *data(), ckpt_path=str(tmp_path / "epoch=1.ckpt"))
    assert trainer.lean_loop_reason is None
    assert steps(rest) == steps(whole)[8:]
    assert (trainer.current_epoch, trainer.global_step) == (4, 16)
    assert [e for e in rest.events if e[0] == "evaluation"] == [e for e in whole.events if e[0] == "evaluation"][8:]


def test_lightning_reads_the_checkpoint_and_the_other_way_round(tmp_path: Path) -> None:
    whole = Record()
    runtime.Trainer(max_epochs=4).fit(Resumable(whole), *data())
    for first, second in ((runtime.Trainer, lightning), (lightning, runtime.Trainer)):
        checkpoint = callbacks.ModelCheckpoint(dirpath=tmp_path / first.__name__, filename="{epoch}", save_top_k=-1)
        trainer = first(max_epochs=2, callbacks=[checkpoint], enable_checkpointing=True)
        trainer.fit(Resumable(Record()), *data())
        rest = Record()
        path = tmp_path / first.__name__ / "epoch=1.ckpt"
        second(max_epochs=4).fit(Resumable(rest), *data(), ckpt_path=str(path))
        assert [event[1] for event in steps(rest)] == [event[1] for event in steps(whole)[8:]]


def test_resume_with_epoch_items(tmp_path: Path) -> None:
    seen = []

    class Looks(Resumable):
        def on_train_epoch_start(self) -> None:
            seen.append(self.epoch)

    runtime.Trainer(epochs=range(10, 12), callbacks=[callbacks.ModelCheckpoint(tmp_path, "last")]).fit(
        Looks(Record()), *data()
    )
    trainer = runtime.Trainer(epochs=range(10, 14))
    trainer.fit(Looks(Record()), *data(), ckpt_path=str(tmp_path / "last.ckpt"))
    assert seen == [10, 11, 12, 13]


def test_checkpoint_in_the_middle_of_an_epoch(tmp_path: Path) -> None:
    checkpoint = callbacks.ModelCheckpoint(dirpath=tmp_path, filename="{step}", every_n_train_steps=6, save_top_k=-1)
    whole, rest = Record(), Record()
    runtime.Trainer(max_epochs=3, callbacks=[checkpoint]).fit(Resumable(whole), *data())
    trainer = runtime.Trainer(max_epochs=3)
    trainer.fit(Resumable(rest), *data(), ckpt_path=str(tmp_path / "step=6.ckpt"))
    assert trainer.lean_loop_reason is None
    assert trainer.global_step == 12
    assert len(steps(rest)) == 6


def test_saved_weights_are_the_trained_ones(tmp_path: Path) -> None:
    module = Lit(Record(), mlp())
    trainer = runtime.Trainer(max_epochs=1)
    trainer.fit(module, *loaders())
    trainer.save_checkpoint(tmp_path / "end.ckpt", weights_only=True)
    saved = torch.load(tmp_path / "end.ckpt", weights_only=True)["state_dict"]
    assert {name: bits(value) for name, value in saved.items()} == {
        name: bits(value) for name, value in module.state_dict().items()
    }


def test_data_module() -> None:
    class Module(pl.LightningDataModule):
        calls = 0

        def train_dataloader(self) -> Any:
            self.calls += 1
            return self.loaders[0]

        def val_dataloader(self) -> Any:
            return self.loaders[1]

    module, record, expected = Module(), Record(), Record()
    seed()
    module.loaders = loaders()
    runtime.Trainer(max_epochs=2).fit(Lit(record, mlp()), datamodule=module)
    seed()
    data = loaders()
    runtime.Trainer(max_epochs=2).fit(Lit(expected, mlp()), *data)
    assert record.events == expected.events
    assert module.calls == 1


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"check_val_every_n_epoch": None}, "check_val_every_n_epoch=None"),
        ({"overfit_batches": 2}, "overfit_batches=2"),
        ({"fast_dev_run": True}, "fast_dev_run=True"),
        ({"val_check_interval": 2}, "val_check_interval=2"),
        ({"val_check_interval": 0.5}, "val_check_interval=0.5"),
        ({"profiler": "simple"}, "a profiler is used"),
        ({"reload_dataloaders_every_n_epochs": 1}, "reload_dataloaders_every_n_epochs=1"),
        ({"barebones": True}, "barebones=True"),
        ({"callbacks": callbacks.StochasticWeightAveraging(0.1)}, "the callback StochasticWeightAveraging"),
        ({"callbacks": callbacks.GradientAccumulationScheduler({0: 2})}, "the callback GradientAccumulationScheduler"),
    ],
)
def test_what_the_lean_loop_does_not_know(
    arguments: dict[str, Any], reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Lightning's own loop trains, as it does in Lightning's own Trainer."""
    caplog.set_level("DEBUG", logger="runtime")
    results = []
    for make in (lightning, runtime.Trainer):
        seed()
        record = Record()
        bare = arguments.get("barebones", False)
        more = dict.fromkeys(("logger", "enable_checkpointing", "num_sanity_val_steps")) if bare else {}
        trainer = make(max_epochs=2, **{**more, **arguments}, log_every_n_steps=None if bare else 50)
        trainer.fit(Lit(record, nn.Linear(4, 3)), *loaders())
        results.append(record.events)
    assert results[0] == results[1]
    assert trainer.lean_loop_reason == reason
    assert f"Lightning's own loop trains: {reason}" in caplog.text


def test_several_training_loaders() -> None:
    class Several(Lit):
        def training_step(self, batch: Any, batch_idx: int) -> Any:
            return super().training_step(batch[0], batch_idx)

    record = Record()
    trainer = runtime.Trainer(max_epochs=1)
    trainer.fit(Several(record, mlp()), CombinedLoader([loaders()[0], loaders()[0]], "max_size_cycle"))
    assert trainer.lean_loop_reason == "there are several training loaders"
    assert len(steps(record)) == 4


def test_list_of_batches_stays_a_list_of_batches_in_lightnings_loop() -> None:
    record, expected = Record(), Record()
    seed()
    batches = list(loaders()[0])
    runtime.Trainer(max_epochs=1, val_check_interval=4).fit(Lit(record, nn.Linear(4, 3)), batches, batches)
    seed()
    batches = list(loaders()[0])
    runtime.Trainer(max_epochs=1).fit(Lit(expected, nn.Linear(4, 3)), batches, batches)
    assert [e for e in record.events if e[0] != "gradients"] == [e for e in expected.events if e[0] != "gradients"]


def test_progress_counters() -> None:
    seen = []

    class Looks(Lit):
        def on_train_batch_end(self, *_: Any) -> None:
            progress = self.trainer.fit_loop.epoch_loop.batch_progress
            seen.append((self.current_epoch, self.trainer.fit_loop.batch_idx, progress.total.ready, self.global_step))

    trainer = runtime.Trainer(max_epochs=2)
    trainer.fit(Looks(Record(), mlp()), *loaders())
    assert seen == [(index // 4, index % 4, index + 1, index + 1) for index in range(8)]
    assert trainer.num_training_batches == 4
    assert trainer.num_val_batches == [3]
    assert trainer.fit_loop.epoch_progress.current.completed == 2


def test_estimated_stepping_batches() -> None:
    class Asks(Lit):
        def configure_optimizers(self) -> Any:
            self.estimate = self.trainer.estimated_stepping_batches
            return super().configure_optimizers()

    module = Asks(Record(), mlp())
    runtime.Trainer(max_epochs=3).fit(module, *loaders())
    assert module.estimate == 12


def test_time_limit() -> None:
    record = Record()
    trainer = runtime.Trainer(max_epochs=-1, max_time={"seconds": 1})
    trainer.fit(Lit(record, mlp()), *loaders())
    assert len(steps(record)) > 4


def test_progress_bar_of_data_without_length(capfd: pytest.CaptureFixture[str]) -> None:
    def stream() -> Any:
        yield from list(loaders()[0])

    bars: Any
    for bars in (callbacks.TQDMProgressBar(), callbacks.RichProgressBar()):
        runtime.Trainer(max_epochs=1, callbacks=[bars]).fit(Lit(Record(), mlp()), stream(), loaders()[1])
    assert capfd.readouterr().out


class Tunable(Lit):
    """Has what the tuner looks for."""

    def __init__(self) -> None:
        super().__init__(Record(), nn.Linear(4, 3))
        self.lr = 0.1
        self.batch_size = 2

    def train_dataloader(self) -> Any:
        return DataLoader(samples(40), self.batch_size)

    def val_dataloader(self) -> Any:
        return loaders()[1]

    def configure_optimizers(self) -> Any:
        return torch.optim.SGD(self.model.parameters(), lr=self.lr)


def test_tuner(tmp_path: Path) -> None:
    trainer = runtime.Trainer(max_epochs=1, default_root_dir=str(tmp_path))
    finder = Tuner(trainer).lr_find(Tunable(), num_training=10, early_stop_threshold=None)
    assert finder is not None
    assert len(finder.results["loss"]) == 10
    assert trainer.lean_loop_reason == "the callback LearningRateFinder"
    sizes = []
    for make in (lightning, runtime.Trainer):
        module = Tunable()
        trainer = make(max_epochs=1, default_root_dir=str(tmp_path))
        sizes.append(Tuner(trainer).scale_batch_size(module, max_trials=3))
    assert sizes[0] == sizes[1]
    trainer.fit(module)
    assert trainer.lean_loop_reason is None


def test_predict() -> None:
    class Predicts(Lit):
        def predict_step(self, batch: Any, batch_idx: int) -> Any:
            assert not torch.is_inference_mode_enabled()
            return self.model(batch[0])

    outputs = runtime.Trainer().predict(Predicts(Record(), mlp()), loaders()[1])
    assert outputs is not None
    assert [len(output) for output in outputs] == [4, 4, 3]


@pytest.mark.parametrize("given", [dict, list])
def test_a_module_iterates_over_a_collection_of_loaders_as_a_loop_does(given: type) -> None:
    seen: list[Any] = []

    class Keys(runtime.Module):
        def __init__(self) -> None:
            super().__init__()
            self.automatic_optimization = False

        def training_step(self, batch: Any, batch_idx: int) -> None:
            seen.append(batch)

    parts = {"train": loaders()[0], "val": loaders()[1]} if given is dict else list(loaders())
    runtime.Trainer(max_epochs=1).fit(Keys(), parts)
    assert seen == list(parts)


def test_several_loaders_from_the_module() -> None:
    class Several(Lit):
        def train_dataloader(self) -> Any:
            return CombinedLoader({"a": self.parts[0], "b": self.parts[1]}, "max_size_cycle")

        def training_step(self, batch: Any, batch_idx: int) -> Any:
            seen.append((len(batch["a"][0]), len(batch["b"][0])))
            return super().training_step(batch["a"], batch_idx)

    seen: list[Any] = []
    module = Several(Record(), mlp())
    module.parts = DataLoader(samples(20), 5), DataLoader(samples(9), 3)
    trainer = runtime.Trainer(max_epochs=1)
    trainer.fit(module)
    assert trainer.lean_loop_reason is None
    assert seen == [(5, 3)] * 4
