"""Where a plain loop has no opinion (hooks, counters, logged values, checkpoints), the lean loop does as Lightning's.

Both loops train the same module on data that both fetch alike; everything that callbacks, loggers and checkpoints can
see is noted and compared.
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning import callbacks
from torch import nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader

import runtime
from tests.runtime.parity import Record, bits, samples, seed

#: Hooks that both loops call around the steps.
HOOKS = [
    *(f"on_train_{when}" for when in ("start", "epoch_start", "batch_start", "batch_end", "epoch_end", "end")),
    *(f"on_validation_{when}" for when in ("start", "epoch_start", "batch_start", "batch_end", "epoch_end", "end")),
    *("on_before_zero_grad", "on_before_backward", "on_after_backward", "on_before_optimizer_step"),
    "on_save_checkpoint",
]


class Automatic(runtime.Module):
    """Logs in every way: per step, per epoch, both, a number, a sum, and only now and then."""

    events: list[Any]

    def __init__(self) -> None:
        super().__init__()
        self.model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))

    def loss(self, batch: Any) -> Any:
        return cross_entropy(self.model(batch[0]), batch[1])

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        loss = self.loss(batch)
        self.log("loss", loss, prog_bar=True)
        self.log("both", loss * 2, on_step=True, on_epoch=True)
        self.log_dict({"number": batch_idx + 0.1, "whole": 3.0}, on_step=False, on_epoch=True, batch_size=len(batch[1]))
        self.log("total", loss, on_epoch=True, on_step=True, reduce_fx="sum")
        self.log("worst", loss, on_epoch=True, reduce_fx=max)
        if batch_idx % 2:
            self.log("sometimes", torch.tensor(float(batch_idx)))
        return loss

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> Any:
        self.log("start", float(batch_idx))

    def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
        self.log("end", float(batch_idx), on_epoch=True)

    def on_train_epoch_end(self) -> None:
        self.log("epoch", float(self.current_epoch))

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        loss = self.loss(batch)
        self.log("val", loss, prog_bar=True)
        self.log("val both", loss, on_step=True, on_epoch=True)

    def configure_optimizers(self) -> Any:
        return torch.optim.Adam(self.model.parameters(), lr=0.01)


class Manual(Automatic):
    """Two optimizers that step in turn, one of them every second batch."""

    def __init__(self) -> None:
        super().__init__()
        self.automatic_optimization = False

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        first, second = self.optimizers()
        for number, optimizer in enumerate((first, second)):
            if batch_idx % (number + 1) == 0:
                loss = super().loss(batch)
                optimizer.zero_grad()
                self.manual_backward(loss)
                optimizer.step()
        self.log("loss", loss, prog_bar=True, on_epoch=True)
        return {"loss": loss, "more": batch_idx}

    def configure_optimizers(self) -> Any:
        return [torch.optim.SGD(self.model[n].parameters(), lr=0.1) for n in (0, 2)]


def looking(name: str) -> Any:
    def hook(self: Spy, trainer: Any, module: Any, *args: Any) -> None:
        self.events.append((name, *self.look(trainer, name), *self.outputs(name, args)))
        if name == self.stop_at[0] and trainer.global_step >= self.stop_at[1]:
            trainer.should_stop = True

    return hook


class Spy(callbacks.Callback):
    """Notes, in every hook, the counters and the logged values that it can see."""

    def __init__(self, stop_at: tuple[str, int] = ("", 0)) -> None:
        self.events: list[Any] = []
        self.stop_at = stop_at

    def look(self, trainer: Any, name: str) -> Any:
        epoch, batch = trainer.fit_loop.epoch_progress, trainer.fit_loop.epoch_loop.batch_progress
        yield trainer.global_step, trainer.current_epoch, trainer.should_stop, trainer.fit_loop.batch_idx
        yield epoch.state_dict(), batch.total.state_dict(), batch.current.state_dict()
        yield trainer.state.stage, trainer.fit_loop.total_batch_idx, trainer.num_training_batches, batch.is_last_batch
        if name == "on_before_zero_grad":
            return  # Lightning calls it behind the forward pass, which has logged by then
        for values in (trainer.callback_metrics, trainer.logged_metrics, trainer.progress_bar_metrics):
            yield {key: float(value) for key, value in values.items()}

    def outputs(self, name: str, args: tuple[Any, ...]) -> Any:
        if name == "on_train_batch_end":
            yield {key: float(value) for key, value in args[0].items()}, args[2]


for _name in HOOKS:
    setattr(Spy, _name, looking(_name))


def lightning(**arguments: Any) -> pl.Trainer:
    return pl.Trainer(**{"accelerator": "cpu", "num_sanity_val_steps": 0, **arguments})


def train(make: Any, module: Any, folder: Path, *, quiet: bool = False, ckpt_path: Any = None, **arguments: Any) -> Any:
    """Train; returns the trainer and everything that was seen."""
    seed()
    spy = Spy(arguments.pop("stop_at", ("", 0)))
    off = dict.fromkeys(("enable_progress_bar", "enable_model_summary"), False)
    arguments = {"logger": pl.loggers.CSVLogger(folder, "log", 0), "log_every_n_steps": 2, "max_epochs": 3, **arguments}
    arguments["callbacks"] = [*([] if quiet else [spy]), *arguments.get("callbacks", ())]
    saves = any(isinstance(callback, callbacks.ModelCheckpoint) for callback in arguments["callbacks"])
    trainer = make(**{**off, "enable_checkpointing": saves, **arguments})
    module, training, evaluation = module(), DataLoader(samples(22), 5), DataLoader(samples(9), 4)
    trainer.fit(module, training, evaluation, ckpt_path=ckpt_path)
    ends = {key: float(value) for key, value in trainer.callback_metrics.items()}
    bar = dict(trainer.progress_bar_metrics)
    return trainer, [spy.events, ends, bar, [bits(p) for p in module.parameters()], rows(folder)]


def rows(folder: Path) -> list[Any]:
    path = folder / "log" / "version_0" / "metrics.csv"
    return list(csv.DictReader(path.open())) if path.exists() else []


def both(module: Any, tmp_path: Path, **arguments: Any) -> Any:
    """Train with both loops and compare all that was seen; returns what the lean one's trainer is."""
    _, expected = train(lightning, module, tmp_path / "expected", **arguments)
    trainer, actual = train(runtime.Trainer, module, tmp_path / "actual", **arguments)
    assert isinstance(trainer, runtime.Trainer) and trainer.lean_loop_reason is None
    for one, other in zip(expected[0], actual[0]):
        assert one == other
    assert expected == actual
    return trainer


@pytest.mark.parametrize("module", [Automatic, Manual])
@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"check_val_every_n_epoch": 2},
        {"limit_train_batches": 3, "limit_val_batches": 1},
        {"max_steps": 7},
        {"stop_at": ("on_train_batch_end", 7)},
        {"stop_at": ("on_validation_end", 4), "min_epochs": 2},
        {"quiet": True, "log_every_n_steps": 1},
    ],
    ids=["plain", "every second epoch", "limits", "max_steps", "stopped in an epoch", "stopped behind it", "quiet"],
)
def test_hooks_counters_and_logged_values(module: Any, arguments: dict[str, Any], tmp_path: Path) -> None:
    both(module, tmp_path, **arguments)


def saving(**when: Any) -> Any:
    def callback(folder: Path) -> callbacks.ModelCheckpoint:
        return callbacks.ModelCheckpoint(folder, "{epoch}-{step}", save_top_k=-1, **when)

    return callback


def saved(folder: Path) -> dict[str, Any]:
    """The checkpoints in a folder, without the paths in them."""
    checkpoints = {path.name: torch.load(path, weights_only=False) for path in sorted(folder.glob("*.ckpt"))}
    for checkpoint in checkpoints.values():
        checkpoint["optimizer_states"] = repr(checkpoint["optimizer_states"])
        checkpoint["state_dict"] = {name: bits(value) for name, value in checkpoint["state_dict"].items()}
        checkpoint["callbacks"] = sorted(checkpoint["callbacks"])
    return checkpoints


@pytest.mark.parametrize("module", [Automatic, Manual])
@pytest.mark.parametrize(
    "when",
    [
        {"every_n_train_steps": 2},
        {"every_n_train_steps": 5, "monitor": "val", "save_on_train_epoch_end": False},
        {"save_on_train_epoch_end": True},
        {"monitor": "val", "save_on_train_epoch_end": False},
    ],
    ids=["in an epoch", "with a metric of the validation", "epoch", "validation"],
)
def test_checkpoints_hold_the_same(module: Any, when: dict[str, Any], tmp_path: Path) -> None:
    results = []
    for make, name in ((lightning, "expected"), (runtime.Trainer, "actual")):
        callback = saving(**when)(tmp_path / name)
        train(make, module, tmp_path / name, quiet=True, callbacks=[callback])
        results.append(saved(tmp_path / name))
    assert list(results[0]) == list(results[1]) != []
    for expected, actual in zip(results[0].values(), results[1].values()):
        assert expected == actual


@pytest.mark.parametrize(
    ("module", "step", "options"),
    [
        (Automatic, 1, {}),
        (Automatic, 4, {"max_steps": 13}),
        (Automatic, 4, {"accumulate_grad_batches": 2}),
        (Manual, 3, {}),
        (Manual, 7, {"limit_train_batches": 4}),
    ],
)
def test_training_goes_on_in_the_middle_of_an_epoch_as_with_lightning(
    module: Any, step: int, options: dict[str, Any], tmp_path: Path
) -> None:
    """From a checkpoint of either loop: the same steps, hooks, counters and logged values with either Trainer."""
    ends = []
    for make, name in ((lightning, "first"), (runtime.Trainer, "second")):
        callback = saving(every_n_train_steps=step)(tmp_path / name)
        train(make, module, tmp_path / name, quiet=True, callbacks=[callback], **options)
        path = min((tmp_path / name).glob("*.ckpt"), key=lambda path: int(path.stem.split("step=")[1]))
        for resumed in (lightning, runtime.Trainer):
            trainer, seen = train(resumed, module, tmp_path / f"{name}-{len(ends)}", ckpt_path=path, **options)
            ends.append((*seen, trainer.global_step, trainer.current_epoch, trainer.fit_loop.state_dict()))
    assert isinstance(trainer, runtime.Trainer) and trainer.lean_loop_reason is None
    assert ends[0][0], "hooks were called"
    for end in ends[1:]:
        for one, other in zip(ends[0][0], end[0]):
            assert one == other
        assert end == ends[0]


def scheduled(record: Record) -> Any:
    """A module that notes its losses, learning rates, and the hooks of the epoch's end; nothing is random."""

    class Scheduled(Automatic):
        def training_step(self, batch: Any, batch_idx: int) -> Any:
            loss = self.loss(batch)
            record(self.current_epoch, batch_idx, bits(loss), self.trainer.optimizers[0].param_groups[0]["lr"])
            return loss

        def on_validation_epoch_end(self) -> None:
            record("validated", self.current_epoch)

        def on_train_epoch_end(self) -> None:
            record("ended", self.current_epoch)

        def configure_optimizers(self) -> Any:
            optimizer = torch.optim.SGD(self.model.parameters(), lr=0.1)
            return [optimizer], [torch.optim.lr_scheduler.StepLR(optimizer, 1, 0.5)]

    seed(3)
    return Scheduled()


@pytest.mark.parametrize("make", [lightning, runtime.Trainer])
@pytest.mark.parametrize("step", [3, 5])
def test_what_was_saved_behind_a_batch_goes_on_as_if_uninterrupted(make: Any, step: int, tmp_path: Path) -> None:
    """Also behind an epoch's last batch, where Lightning's own loop would leave out the validation and the end."""
    off = dict.fromkeys(("logger", "enable_progress_bar", "enable_model_summary"), False)
    whole, rest = Record(), Record()
    repeated = [(torch.randn(5, 4), torch.randint(3, (5,)))] * 5  # where an epoch's data begin makes no difference
    saver = saving(every_n_train_steps=step)(tmp_path)
    loaders_ = DataLoader(repeated, None), DataLoader(samples(9), 4)  # type: ignore[arg-type]
    make(max_epochs=3, callbacks=[saver], enable_checkpointing=True, **off).fit(scheduled(whole), *loaders_)
    path = next(tmp_path.glob(f"*step={step}.ckpt"))
    trainer = runtime.Trainer(max_epochs=3)
    trainer.fit(scheduled(rest), *loaders_, ckpt_path=str(path))
    assert trainer.lean_loop_reason is None
    assert rest.events == whole.events[step:]
    assert (trainer.current_epoch, trainer.global_step) == (3, 15)


class Stateful:
    """Numbers in an order of its own that it can go on with."""

    def __init__(self) -> None:
        self.given = 0

    def __iter__(self) -> Any:
        while self.given < 5:
            self.given += 1
            yield torch.full((1, 4), float(self.given)), torch.zeros(1, dtype=torch.int64)
        self.given = 0

    def __len__(self) -> int:
        return 5

    def state_dict(self) -> dict[str, int]:
        return {"given": self.given}

    def load_state_dict(self, state: dict[str, int]) -> None:
        self.given = state["given"]


def test_a_loader_with_a_state_goes_on_where_it_was(tmp_path: Path) -> None:
    seen: list[float] = []

    class Looks(Automatic):
        def training_step(self, batch: Any, batch_idx: int) -> Any:
            seen.append(batch[0][0, 0].item())
            return self.loss(batch)

    saver = saving(every_n_train_steps=3)(tmp_path)
    runtime.Trainer(max_epochs=1, callbacks=[saver]).fit(Looks(), Stateful())
    seen.clear()
    trainer = runtime.Trainer(max_epochs=2)
    trainer.fit(Looks(), Stateful(), ckpt_path=str(next(tmp_path.glob("*step=3.ckpt"))))
    assert trainer.lean_loop_reason is None
    assert seen == [4, 5, 1, 2, 3, 4, 5]
