"""Losses that a GradScaler multiplies, and precisions that need one."""

from __future__ import annotations

from pathlib import Path

import pytest

from refactorer.verify import verify
from refactorer.verify.execute import Run
from refactorer.verify.rounding import common_rates, notes_on_precision
from tests.verify.verify_harness import QUICK, defect, judge, run_script

PLAIN = """\
import torch

torch.manual_seed(4)
model = torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.Tanh(), torch.nn.Linear(4, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 2, 0.5)
for i in range(6):
    x = torch.randn(8, 4)
    loss = (model(x) - x[:, :1]).pow(2).sum()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    scheduler.step()
"""
SCALED = defect(
    PLAIN,
    ("for i in", "scaler = torch.amp.GradScaler('cpu', init_scale=2.0**10)\nfor i in"),
    ("    loss.backward()\n", "    scaler.scale(loss).backward()\n"),
    ("    optimizer.step()\n", "    scaler.step(optimizer)\n    scaler.update()\n"),
)
OVERFLOWING = defect(SCALED, ("2.0**10", "2.0**127"))
NEVER_UNSCALED = defect(SCALED, ("    scaler.step(optimizer)\n    scaler.update()\n", "    optimizer.step()\n"))


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return run_script(tmp_path_factory.mktemp("plain"), PLAIN)


def test_losses_are_known_before_they_are_scaled(plain: Run, tmp_path: Path) -> None:
    scaled = run_script(tmp_path, SCALED)
    assert [loss.unscaled for loss in plain.trace.losses] == [None] * 6
    assert [loss.value for loss in scaled.trace.losses] == [loss.loss * 1024 for loss in scaled.trace.losses]
    assert [loss.loss for loss in scaled.trace.losses] == [loss.value for loss in plain.trace.losses]
    assert scaled.trace.skipped == []
    verdict = judge(plain, scaled)
    assert (verdict.outcome, verdict.likely[0].name) == ("not equivalent", "loss scaling")
    assert judge(scaled, scaled).outcome == "equivalent"


def test_steps_that_a_scaler_leaves_out_are_known(plain: Run, tmp_path: Path) -> None:
    over = run_script(tmp_path / "over", OVERFLOWING)
    skipped = over.trace.skipped
    assert skipped
    assert over.trace.taken == [number for number in range(1, 7) if number not in skipped]
    env = {**QUICK, "REFACTORER_TRACE_SKIP": " ".join(map(str, skipped))}
    same = run_script(tmp_path / "same", PLAIN, env=env, plugins=("refactorer_skip",))
    assert [loss.value for loss in same.trace.losses] == [loss.loss for loss in over.trace.losses]
    assert [loss.value for loss in same.trace.losses] != [loss.value for loss in plain.trace.losses]
    one, two = common_rates(plain.trace, over.trace)
    assert [rate.number for rate in one] == [rate.number for rate in two]
    assert len(one) == 6 - len(skipped)
    assert "the original was compared without them" in notes_on_precision("16-mixed", plain, over)[-1]


def test_another_precision_may_scale(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(PLAIN)
    (tmp_path / "new.py").write_text(OVERFLOWING)
    (tmp_path / "wrong.py").write_text(NEVER_UNSCALED)
    half = {"precision": "16-mixed"}
    good = verify(tmp_path / "train.py", tmp_path / "new.py", env=QUICK, trainer=half)
    assert (good.outcome, good.channels[1].original) == ("equivalent", good.channels[1].converted), good.message
    assert good.derived is not None
    wrong = verify(tmp_path / "train.py", tmp_path / "wrong.py", env=QUICK, trainer=half, rtol=0.5)
    assert wrong.outcome == "not equivalent"
