"""Every reason for which Lightning's own loop runs instead of the lean one, and that there is none without it."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
import pytorch_lightning as pl
from pytorch_lightning import callbacks
from pytorch_lightning.strategies import SingleDeviceStrategy
from pytorch_lightning.utilities.combined_loader import CombinedLoader
from torch import nn

import runtime
from runtime import reasons
from tests.runtime.parity import Lit, Record, loaders


class Accumulates(SingleDeviceStrategy):
    handles_gradient_accumulation = True  # type: ignore[assignment]


class TakesIterator(Lit):
    def training_step(self, dataloader_iter: Any) -> Any:  # type: ignore[override]
        return None

    def validation_step(self, dataloader_iter: Any) -> Any:  # type: ignore[override]
        return None


def module() -> Lit:
    return Lit(Record(), nn.Linear(4, 3))


def connected(trained: Any, data: Any = None, **arguments: Any) -> runtime.Trainer:
    """A Trainer that is about to fit the module on the data."""
    trainer = runtime.Trainer(max_epochs=1, **arguments)
    trainer.strategy.connect(trained)
    trainer.fit_loop._data_source.instance = loaders()[0] if data is None else data
    return trainer


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"overfit_batches": 2}, "overfit_batches=2"),
        ({"fast_dev_run": 2}, "fast_dev_run=2"),
        ({"val_check_interval": 2}, "val_check_interval=2"),
        ({"val_check_interval": 0.5}, "val_check_interval=0.5"),
        ({"val_check_interval": 1}, "val_check_interval=1"),
        ({"val_check_interval": {"seconds": 5}}, "val_check_interval is a time"),
        ({"val_check_interval": 3, "check_val_every_n_epoch": None}, "check_val_every_n_epoch=None"),
        ({"barebones": True}, "barebones=True"),
        ({"reload_dataloaders_every_n_epochs": 2}, "reload_dataloaders_every_n_epochs=2"),
        ({"profiler": "simple"}, "a profiler is used"),
        ({"strategy": Accumulates("cpu")}, "Accumulates accumulates gradients itself"),
        ({"callbacks": callbacks.BatchSizeFinder()}, "the callback BatchSizeFinder"),
        ({"callbacks": callbacks.LearningRateFinder()}, "the callback LearningRateFinder"),
        ({"callbacks": callbacks.GradientAccumulationScheduler({0: 2})}, "the callback GradientAccumulationScheduler"),
        ({"callbacks": callbacks.StochasticWeightAveraging(0.1)}, "the callback StochasticWeightAveraging"),
    ],
)
def test_reasons_of_the_settings(arguments: dict[str, Any], reason: str) -> None:
    bare = arguments.get("barebones", False)
    more = dict.fromkeys(("logger", "enable_checkpointing", "num_sanity_val_steps")) if bare else {}
    found = list(reasons._fit_reasons(connected(module(), **more, **arguments)))
    assert reason in found
    assert reasons.fit_reason(connected(module(), **more, **arguments)) == found[0]


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"overfit_batches": 0, "val_check_interval": 1.0, "check_val_every_n_epoch": 3, "gradient_clip_val": 1.0},
        {"limit_train_batches": 2, "limit_val_batches": 0, "max_steps": 3, "precision": "bf16-mixed"},
        {"callbacks": [callbacks.ModelCheckpoint(), callbacks.EarlyStopping("x"), callbacks.Timer()]},
        {"logger": True, "enable_progress_bar": True, "enable_model_summary": True, "num_sanity_val_steps": 2},
    ],
)
def test_no_reason(arguments: dict[str, Any]) -> None:
    assert list(reasons._fit_reasons(connected(module(), **arguments))) == []


def test_reasons_of_module_and_data() -> None:
    assert reasons.fit_reason(connected(TakesIterator(Record(), nn.Linear(4, 3)))) == (
        "training_step takes a dataloader_iter"
    )
    several = CombinedLoader([loaders()[0], loaders()[0]])
    assert reasons.fit_reason(connected(module(), several)) == "there are several training loaders"


def test_every_reason_is_tested() -> None:
    """As many as there are places that give one, so that a new one gets its test; accumulation has tests of its own."""
    own = sum("accumulate_grad_batches" in line for line in inspect.getsource(reasons._fit_reasons).splitlines()) > 0
    places = inspect.getsource(reasons._fit_reasons).count("yield ")
    kinds = {r.split("=")[0] for _, r in test_reasons_of_the_settings.pytestmark[0].args[1]}  # type: ignore[attr-defined]
    kinds = {"callback" if kind.startswith("the callback") else kind for kind in kinds}
    assert places == len(kinds) + own + 2


@pytest.mark.parametrize(
    ("arguments", "data", "reason"),
    [
        ({}, None, None),
        ({"limit_val_batches": 1, "gradient_clip_val": 1.0}, None, None),
        ({"profiler": "simple"}, None, "a profiler is used"),
        ({"fast_dev_run": 1}, None, "overfit_batches or fast_dev_run is used"),
        ({"overfit_batches": 1}, None, "overfit_batches or fast_dev_run is used"),
        ({}, "several", "there are several loaders"),
    ],
)
def test_evaluation(arguments: Any, data: Any, reason: str | None, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG", logger="runtime")

    class AnyLoader(Lit):
        def validation_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> None:
            super().validation_step(batch, batch_idx)

    trained = AnyLoader(Record(), nn.Linear(4, 3))
    trainer = runtime.Trainer(max_epochs=1, **arguments)
    evaluation = [loaders()[1], loaders()[1]] if data else loaders()[1]
    trainer.validate(trained, evaluation, verbose=False)
    assert [event[0] for event in trained.record.events].count("evaluation") > 0
    assert trainer.validate_loop.reason == reason
    assert ("Lightning's own loop evaluates" in caplog.text) == (reason is not None)


def test_an_evaluation_step_that_takes_the_iterator() -> None:
    trained = TakesIterator(Record(), nn.Linear(4, 3))
    trainer = connected(trained)
    reason = reasons.evaluation_reason(trainer, loaders()[1], "validation_step")
    assert reason == "validation_step takes a dataloader_iter"


def test_a_script_that_configures_logging_hears_nothing(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    runtime.Trainer(max_epochs=1).fit(module(), loaders()[0])
    assert "lean loop" not in caplog.text


def test_the_reason_is_that_of_the_latest_fit() -> None:
    trainer = runtime.Trainer(max_epochs=1, val_check_interval=2)
    trainer.fit(module(), *loaders())
    assert isinstance(trainer, pl.Trainer) and trainer.lean_loop_reason == "val_check_interval=2"
    trainer = runtime.Trainer(max_epochs=1)
    trainer.fit(module(), *loaders())
    assert trainer.lean_loop_reason is None
