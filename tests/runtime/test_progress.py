"""The Trainer's progress bar: on standard error, written on by the module, and silent where there is none."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from pytorch_lightning import callbacks
from torch import nn

import runtime
import runtime.callbacks
import runtime.progress

BATCHES = [torch.ones(3, 4) for _ in range(5)]
LOOPS = pytest.mark.parametrize("loop", [{}, {"reload_dataloaders_every_n_epochs": 1}], ids=["lean", "lightning's"])


class Writes(runtime.Module):
    """Writes on its bar in each step, and prints."""

    def __init__(self) -> None:
        super().__init__()
        self.model = nn.Linear(4, 1)
        self.kinds: list[str] = []

    def on_train_epoch_start(self) -> None:
        self.progress_bar.set_description(f"epoch {self.current_epoch}")

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        self.progress_bar.set_postfix(number=batch_idx)
        self.progress_bar.refresh()
        self.kinds.append(type(self.progress_bar).__name__)
        return self.model(batch).mean()

    def on_validation_epoch_start(self) -> None:
        self.progress_bar.set_description("looking")

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        self.progress_bar.set_postfix_str(f"seen {batch_idx}")

    def on_validation_epoch_end(self) -> None:
        self.print("validated", self.current_epoch)

    test_step = validation_step

    def configure_optimizers(self) -> Any:
        return torch.optim.SGD(self.parameters(), lr=0.1)


@pytest.fixture(autouse=True)
def drawn_always(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw at once, so that what is drawn does not depend on time."""
    monkeypatch.setattr(runtime.callbacks, "INTERVAL", 0.0)
    monkeypatch.setattr(runtime.progress, "INTERVAL", 0.0)


def lines(text: str) -> list[str]:
    return [line.strip() for line in text.replace("\x1b[A", "\r").replace("\n", "\r").split("\r") if line.strip()]


@LOOPS
def test_what_the_module_writes_is_drawn(loop: dict[str, Any], capfd: pytest.CaptureFixture[str]) -> None:
    module = Writes()
    trainer = runtime.Trainer(max_epochs=2, enable_progress_bar=True, **loop)
    trainer.fit(module, BATCHES, BATCHES[:3])
    trainer.test(module, BATCHES[:2], verbose=False)
    output, errors = capfd.readouterr()
    assert output.splitlines() == ["validated 0", "validated 1"], "standard output is the script's"
    drawn = lines(errors)
    for epoch in (0, 1):
        last = [line for line in drawn if line.startswith(f"epoch {epoch}: 100%")]
        assert last and "5/5" in last[-1] and "number=4" in last[-1]
    assert any(line.startswith("looking: 100%") and "3/3" in line and "seen 2" in line for line in drawn)
    assert any(line.startswith("Testing: 100%") and "2/2" in line and "seen 1" in line for line in drawn)
    assert set(module.kinds) == {"Bar"}


def test_one_bar_over_epochs_of_one_batch(capfd: pytest.CaptureFixture[str]) -> None:
    runtime.Trainer(max_epochs=3, enable_progress_bar=True).fit(Writes(), BATCHES[:1])
    errors = capfd.readouterr().err
    assert "3/3" in lines(errors)[-1] and errors.count("\n") == 1


def test_logged_values_stand_behind_the_modules(capfd: pytest.CaptureFixture[str]) -> None:
    class Logs(Writes):
        def training_step(self, batch: Any, batch_idx: int) -> Any:
            self.log("x", float(batch_idx), prog_bar=True)
            return super().training_step(batch, batch_idx)

    runtime.Trainer(max_epochs=1, enable_progress_bar=True).fit(Logs(), BATCHES)
    assert "number=4, x=4.000" in lines(capfd.readouterr().err)[-1]


def test_drawing_is_paced(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(runtime.callbacks, "INTERVAL", 1e9)
    monkeypatch.setattr(runtime.progress, "INTERVAL", 1e9)
    monkeypatch.setattr(Writes, "training_step", lambda self, batch, batch_idx: self.model(batch).mean())
    runtime.Trainer(max_epochs=1, enable_progress_bar=True).fit(Writes(), BATCHES * 100)
    drawn = lines(capfd.readouterr().err)
    assert "500/500" in drawn[-1] and len(drawn) < 8


@pytest.mark.parametrize("length", [TypeError, AttributeError])
def test_data_without_length(length: type[Exception], capfd: pytest.CaptureFixture[str]) -> None:
    class Data:
        def __iter__(self) -> Any:
            return iter(BATCHES)

        def __len__(self) -> int:
            raise length

    runtime.Trainer(max_epochs=1, enable_progress_bar=True).fit(Writes(), Data())
    assert "5/?" in lines(capfd.readouterr().err)[-1].replace("5it", "5/?")


@pytest.mark.parametrize(
    ("arguments", "kind"),
    [
        ({}, "Silent"),
        ({"enable_progress_bar": False}, "Silent"),
        ({"callbacks": [callbacks.RichProgressBar()]}, "Silent"),
        ({"callbacks": [callbacks.TQDMProgressBar(refresh_rate=0)]}, "Silent"),
        ({"callbacks": [callbacks.TQDMProgressBar()]}, "Tqdm"),
        ({"callbacks": callbacks.TQDMProgressBar()}, "Tqdm"),
        ({"enable_progress_bar": True, "callbacks": callbacks.Callback()}, "Bar"),
    ],
)
def test_which_bar_it_is(arguments: dict[str, Any], kind: str) -> None:
    module = Writes()
    trainer = runtime.Trainer(max_epochs=1, **arguments)
    trainer.fit(module, BATCHES)
    assert set(module.kinds) == {kind}
    assert sum(isinstance(callback, callbacks.ProgressBar) for callback in trainer.callbacks) <= 1


def test_a_module_without_a_trainer_writes_on_nothing() -> None:
    bar = Writes().progress_bar
    for name in ("set_description", "set_postfix", "set_postfix_str", "refresh", "update", "close", "reset"):
        assert getattr(bar, name)() is None


@LOOPS
def test_no_epoch_draws_no_bar(loop: dict[str, Any], capfd: pytest.CaptureFixture[str]) -> None:
    runtime.Trainer(epochs=iter([]), enable_progress_bar=True, **loop).fit(Writes(), BATCHES)
    assert not capfd.readouterr().err.strip()


def test_it_costs_no_random_number() -> None:
    states = []
    for shown in (True, False):
        torch.manual_seed(0)
        runtime.Trainer(max_epochs=1, enable_progress_bar=shown).fit(Writes(), BATCHES)
        states.append(torch.get_rng_state())
    assert torch.equal(*states)
