"""Arguments, the environment variable, the device, and the traces that are not left."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
import torch.distributed as dist

import runtime
from runtime import settings
from runtime.groups import ScriptsGroup
from tests.runtime.parity import Lit, Record, loaders, mlp, random_states

ROOT = Path(__file__).resolve().parents[2]


def hardware(**arguments: Any) -> dict[str, Any]:
    """The accelerator, devices and strategy that Lightning is told."""
    device = arguments.pop("device", None)
    resolved = settings.resolve(arguments, device)
    return {name: resolved[name] for name in ("accelerator", "devices", "strategy")}


def test_nothing_given_stays_on_one_cpu() -> None:
    assert hardware() == {"accelerator": "cpu", "devices": 1, "strategy": "auto"}


@pytest.mark.parametrize(
    ("device", "accelerator", "devices"),
    [
        ("cpu", "cpu", 1),
        (torch.device("cpu"), "cpu", 1),
        ("cuda", "cuda", [0]),
        (torch.device("cuda:1"), "cuda", [1]),
        ("mps", "mps", 1),
        ("xla", "tpu", 1),
    ],
)
def test_device(device: Any, accelerator: str, devices: Any) -> None:
    assert hardware(device=device) == {"accelerator": accelerator, "devices": devices, "strategy": "auto"}


def test_arguments_beat_the_device() -> None:
    assert hardware(device="cpu", devices=2, strategy="ddp") == {
        "accelerator": "cpu",
        "devices": 2,
        "strategy": "ddp",
    }


@pytest.mark.parametrize(
    ("outside", "device", "expected"),
    [
        ({"devices": 2}, "cuda:1", ("cuda", 2, "auto")),
        ({"accelerator": "cpu", "devices": 2, "strategy": "ddp"}, "cuda:1", ("cpu", 2, "ddp")),
        ({"strategy": "ddp"}, "cuda:1", ("cuda", "auto", "ddp")),
        ({"accelerator": "gpu"}, "cpu", ("gpu", "auto", "auto")),
        ({"devices": 2}, None, ("auto", 2, "auto")),
        ({"precision": "bf16-mixed"}, "cuda:1", ("cuda", [1], "auto")),
        ({"precision": "bf16-mixed"}, None, ("cpu", 1, "auto")),
    ],
)
def test_settings_from_outside_beat_the_device(
    monkeypatch: pytest.MonkeyPatch, outside: dict[str, Any], device: str | None, expected: tuple[Any, ...]
) -> None:
    monkeypatch.setenv("REFACTORER_TRAINER", json.dumps(outside))
    assert tuple(hardware(device=device).values()) == expected


def test_settings_from_outside_beat_arguments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REFACTORER_TRAINER", '{"max_epochs": 1, "precision": "bf16-mixed"}')
    trainer = runtime.Trainer(max_epochs=7, device="cpu")
    assert (trainer.max_epochs, trainer.precision) == (1, "bf16-mixed")


def test_settings_from_outside_limit_an_iterable_of_epochs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REFACTORER_TRAINER", '{"max_epochs": 2}')
    record = Record()
    items = iter("abc")
    runtime.Trainer(epochs=items).fit(Lit(record, mlp()), loaders()[0])
    assert sum(event[0] == "step" for event in record.events) == 8
    assert next(items) == "c"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"devices": ', "REFACTORER_TRAINER is not valid JSON"),
        ("[1]", "REFACTORER_TRAINER must be a JSON object"),
        ('{"device_count": 2}', "REFACTORER_TRAINER: the Trainer has no argument 'device_count'"),
        ('{"precision": "sixteen"}', "cannot be used here: precision='sixteen' is unknown: there are 32, 64"),
        ('{"gradient_clip_val": "much"}', "cannot be used here: `gradient_clip_val` should be"),
    ],
)
def test_bad_settings_from_outside(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], text: str, message: str
) -> None:
    monkeypatch.setenv("REFACTORER_TRAINER", text)
    with pytest.raises(runtime.SettingsError) as caught:
        runtime.Trainer(max_epochs=1)
    assert caught.value.code == 2
    assert message in str(caught.value)
    out, err = capsys.readouterr()
    assert out == ""
    assert err == f"error: {caught.value}\n"


@pytest.mark.parametrize("device", ["gpu5", "meta"])
def test_bad_device(capsys: pytest.CaptureFixture[str], device: str) -> None:
    with pytest.raises(runtime.SettingsError):
        runtime.Trainer(max_epochs=1, device=device)
    assert f"Trainer(device={device!r})" in capsys.readouterr().err


def test_bad_settings_end_the_program_with_status_2() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import runtime; runtime.Trainer(max_epochs=1)"],
        env={
            **os.environ,
            "REFACTORER_TRAINER": "{",
            "PYTHONPATH": f"{ROOT}{os.pathsep}{os.environ.get('PYTHONPATH', '')}",
        },
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert done.stderr.startswith("error: REFACTORER_TRAINER is not valid JSON")


def test_unknown_argument() -> None:
    with pytest.raises(TypeError, match="unexpected keyword argument 'epoch'"):
        runtime.Trainer(epoch=3)


def test_lightnings_environment_variables_do_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PL_TRAINER_MAX_EPOCHS", "77")
    monkeypatch.setenv("PL_TRAINER_LIMIT_TRAIN_BATCHES", "1")
    monkeypatch.setenv("PL_TRAINER_DEVICE", "cpu")
    monkeypatch.setenv("PL_TRAINER_LOGGER", "True")
    trainer = runtime.Trainer(epochs=range(3))
    assert trainer.max_epochs == 3
    assert trainer.limit_train_batches == 1.0
    assert trainer.loggers == []


def test_flags_stay_as_the_script_set_them() -> None:
    before = torch.are_deterministic_algorithms_enabled(), torch.backends.cudnn.benchmark
    try:
        torch.use_deterministic_algorithms(True)
        torch.backends.cudnn.benchmark = True
        runtime.Trainer(max_epochs=1).fit(Lit(Record(), mlp()), loaders()[0])
        assert torch.are_deterministic_algorithms_enabled()
        assert torch.backends.cudnn.benchmark
    finally:
        torch.use_deterministic_algorithms(before[0])
        torch.backends.cudnn.benchmark = before[1]


def test_nothing_is_drawn_at_random() -> None:
    class Still(Lit):
        def training_step(self, batch: Any, batch_idx: int) -> None:
            pass

        def validation_step(self, batch: Any, batch_idx: int) -> None:
            pass

    model, batches = mlp(), list(loaders()[0])
    torch.manual_seed(1)
    np.random.seed(1)
    random.seed(1)
    before = random_states()
    trainer = runtime.Trainer(max_epochs=2)
    assert random_states() == before
    trainer.fit(Still(Record(), model), batches, batches)
    trainer.validate(Still(Record(), model), batches)
    assert random_states() == before


SILENT = """
import logging, sys, warnings
import torch
import runtime
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

class Lit(runtime.Module):
    def __init__(self):
        super().__init__()
        self.model = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3).eval())
    def training_step(self, batch, batch_idx):
        return nn.functional.cross_entropy(self.model(batch[0]), batch[1])
    def validation_step(self, batch, batch_idx):
        self.print('a', batch_idx, sep='-', end=';', flush=True)
    test_step = validation_step
    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)

loader = DataLoader(TensorDataset(torch.randn(8, 4), torch.randint(3, (8,))), 4, shuffle=True)
runtime.Trainer(max_epochs=2).fit(Lit(), loader)
print('fitted')
trainer = runtime.Trainer(max_epochs=1)
trainer.fit(Lit(), loader, loader)
trainer.validate(Lit(), loader)
trainer.test(Lit(), loader)
"""


def test_no_output_and_no_files(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SILENT],
        env={**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.stderr == ""
    assert done.stdout == "fitted\n" + "a-0;a-1;" * 3
    assert list(tmp_path.iterdir()) == []


def test_everything_can_be_switched_on(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    trainer = runtime.Trainer(
        max_epochs=1,
        logger=pl.loggers.CSVLogger(str(tmp_path / "logs")),
        enable_checkpointing=True,
        enable_progress_bar=True,
        enable_model_summary=True,
        num_sanity_val_steps=1,
        default_root_dir=str(tmp_path),
    )
    record = Record()
    trainer.fit(Lit(record, mlp()), *loaders())
    assert trainer.lean_loop_reason is None
    assert record.events[0][0] == "evaluation", "the sanity check comes first"
    assert list(tmp_path.rglob("*.ckpt"))
    assert "Epoch 0" in capfd.readouterr().err, "the bar does not mix with printed lines"
    assert any(isinstance(callback, pl.callbacks.ModelSummary) for callback in trainer.callbacks)


def test_a_callback_switches_its_feature_on(tmp_path: Path) -> None:
    checkpoint = pl.callbacks.ModelCheckpoint(dirpath=tmp_path)
    runtime.Trainer(max_epochs=1, callbacks=checkpoint).fit(Lit(Record(), mlp()), loaders()[0])
    assert Path(checkpoint.best_model_path).is_file()


@pytest.fixture
def group() -> Iterator[None]:
    """A process group of one, as a script makes it."""
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    yield
    dist.destroy_process_group()


def test_the_trainer_joins_the_group_of_the_script(group: None) -> None:
    trainer = runtime.Trainer(max_epochs=1, strategy="ddp")
    assert type(trainer.strategy.cluster_environment) is ScriptsGroup
    assert (trainer.world_size, trainer.global_rank, trainer.num_devices) == (1, 0, 1)
    assert trainer.strategy.root_device == torch.device("cpu")


def test_each_process_of_a_group_has_the_device_that_it_chose(group: None) -> None:
    assert hardware(strategy="ddp", device="cuda:1") == {"accelerator": "cuda", "devices": [1], "strategy": "ddp"}
    assert hardware(strategy="ddp", device="cpu")["devices"] == 1


def test_a_group_counts_only_where_a_strategy_asks_for_processes(group: None) -> None:
    assert hardware() == {"accelerator": "cpu", "devices": 1, "strategy": "auto"}
    assert not settings.resolve({}, None)["plugins"]


def test_without_a_group_nothing_is_joined() -> None:
    assert not settings.resolve({"strategy": "ddp"}, None)["plugins"]


def test_the_number_of_processes_cannot_be_changed_from_outside(
    group: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(settings.ENVIRONMENT_VARIABLE, '{"devices": 2}')
    with pytest.raises(settings.SettingsError):
        settings.resolve({"strategy": "ddp"}, None)
    assert "makes its process group itself, of 1" in capsys.readouterr().err


def test_the_module_trains_in_the_group_of_the_script(group: None) -> None:
    plain, joined = Record(), Record()
    for record, arguments in ((plain, {}), (joined, {"strategy": "ddp", "use_distributed_sampler": False})):
        torch.manual_seed(3)
        module = Lit(record, mlp())
        runtime.Trainer(max_epochs=2, **arguments).fit(module, *loaders())
    assert joined.events == plain.events


@pytest.mark.parametrize("number", [2.0, "2"])
def test_epochs_are_counted_by_whole_numbers_as_range_does(number: object) -> None:
    with pytest.raises(TypeError, match="cannot be interpreted as an integer"):
        runtime.Trainer(max_epochs=number)  # type: ignore[arg-type]
