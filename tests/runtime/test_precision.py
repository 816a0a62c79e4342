"""The script's own GradScaler under the Trainer, and a precision that is asked for from outside."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

import runtime
from runtime.settings import ENVIRONMENT_VARIABLE
from tests.runtime.parity import Lit, Record, assert_same, evaluate, fit, loaders, mlp, sgd

HALF = torch.bfloat16


def make_scaler(enabled: bool = True) -> torch.amp.GradScaler:
    return torch.amp.GradScaler("cpu", init_scale=256.0, growth_interval=4, enabled=enabled)


class Autocasts(Lit):
    """Computes its loss under autocast, and notes in which type its last layer computed."""

    enabled = True

    def __init__(self, record: Record, model: nn.Module, clips: bool = False, overflows: int = -1) -> None:
        super().__init__(record, model)
        self.clips, self.overflows = clips, overflows

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        data, target = batch
        with torch.autocast("cpu", dtype=HALF, enabled=self.enabled):
            output = self.model(data)
            loss = cross_entropy(output, target)
            with torch.autocast("cpu", enabled=False):
                inner = self.model[0](data)
        self.record("loss", loss.item(), output.dtype, inner.dtype)
        return loss * (float("inf") if batch_idx == self.overflows else 1.0)


class Clips(Autocasts):
    """Clips in front of the step, where gradients have to be unscaled."""

    def on_before_optimizer_step(self, optimizer: Any) -> None:
        self.record("norm", str(nn.utils.clip_grad_norm_(self.model.parameters(), 0.1)))


def loop(record: Record, scaler: torch.amp.GradScaler, clips: bool, overflows: int) -> None:
    model, (training, evaluation) = mlp(), loaders()
    optimizer = record.watch(sgd(model.parameters()))
    for _ in range(3):
        for i, (data, target) in enumerate(training):
            optimizer.zero_grad()
            with torch.autocast("cpu", dtype=HALF):
                output = model(data)
                loss = cross_entropy(output, target)
                with torch.autocast("cpu", enabled=False):
                    inner = model[0](data)
            record("loss", loss.item(), output.dtype, inner.dtype)
            scaler.scale(loss * (float("inf") if i == overflows else 1.0)).backward()
            if clips:
                scaler.unscale_(optimizer)
                record("norm", str(nn.utils.clip_grad_norm_(model.parameters(), 0.1)))
            scaler.step(optimizer)
            scaler.update()
        evaluate(record, model, evaluation)
    record("scaler", scaler.state_dict())


@pytest.mark.parametrize("clips", [True, False])
@pytest.mark.parametrize(("enabled", "overflows"), [(True, -1), (True, 2), (False, -1)])
def test_the_scaler_of_the_script(enabled: bool, clips: bool, overflows: int) -> None:

    def converted(record: Record) -> None:
        scaler = make_scaler(enabled)
        kind = Clips if clips else Autocasts
        fit(kind(record, mlp(), overflows=overflows), *loaders(), scaler=scaler)
        record("scaler", scaler.state_dict())

    events = assert_same(lambda record: loop(record, make_scaler(enabled), clips, overflows), converted)
    steps = [event[0] for event in events].count("step")
    assert steps == (9 if overflows >= 0 else 12)


def types(record: Record) -> set[tuple[torch.dtype, torch.dtype]]:
    return {event[2:] for event in record.events if event[0] == "loss"}


@pytest.mark.parametrize("enabled", [True, False])
@pytest.mark.parametrize(
    ("precision", "outer"), [("bf16-mixed", torch.bfloat16), ("32-true", torch.float32), (None, None)]
)
def test_a_precision_from_outside_wins(
    enabled: bool, precision: str | None, outer: torch.dtype | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The scaler is not used, and the step's own autocast does nothing; what the model switches off stays off."""
    if precision is not None:
        monkeypatch.setenv(ENVIRONMENT_VARIABLE, json.dumps({"precision": precision}))
    scaler, module = make_scaler(), Autocasts(Record(), mlp())
    module.enabled = enabled
    trainer = runtime.Trainer(max_epochs=1, scaler=scaler)
    trainer.fit(module, *loaders())
    assert types(module.record) == {(outer or (HALF if enabled else torch.float32), torch.float32)}
    assert (scaler.state_dict() == make_scaler().state_dict()) == (precision is not None)
    assert trainer.lean_loop_reason is None
    with torch.autocast("cpu", dtype=HALF):
        assert torch.ones(2, 2).mm(torch.ones(2, 2)).dtype == HALF


def test_lightnings_checkpoints_hold_the_scaler(tmp_path: Any) -> None:
    scaler, resumed = make_scaler(), make_scaler()
    trainer = runtime.Trainer(max_epochs=1, scaler=scaler)
    trainer.fit(Autocasts(Record(), mlp()), loaders()[0])
    trainer.save_checkpoint(tmp_path / "last.ckpt")
    runtime.Trainer(max_epochs=1, scaler=resumed).fit(
        Autocasts(Record(), mlp()), loaders()[0], ckpt_path=str(tmp_path / "last.ckpt")
    )
    assert resumed.state_dict() == scaler.state_dict() != make_scaler().state_dict()
