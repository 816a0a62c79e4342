"""Evaluations of everything at once that know, under names of their own, what they did not compute."""

from __future__ import annotations

import pytest

from refactorer import convert
from refactorer.result import Converted
from tests.fixtures_harness import Runner, first_difference

SCRIPT = """
import torch
from torch import nn


def report(model, loss):
    model.eval()
    with torch.no_grad():
        error = (model(points) - targets).abs().mean()
    return loss - error


torch.manual_seed(0)
points, targets = torch.randn(12, 3), torch.randn(12, 1)
scale = torch.ones(1, requires_grad=True)
weights, kept = [scale, scale], []
model = nn.Sequential(nn.Linear(3, 4), nn.Dropout(0.5), nn.Linear(4, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for epoch in range(3):
    model.train()
    optimizer.zero_grad()
    loss = (model(points) - targets).pow(2).mean()
    loss.backward()
    optimizer.step()
    EVALUATION
    print(epoch, told)
"""
BLOCK = """model.eval()
    with torch.no_grad():
        error = (model(points) - targets).abs().mean()
        SILENT
    """
SEEN = [
    ("pass", "other = scale\n    told = error * other"),
    ("pass", "last = loss\n    told = last - error"),
    ("pass", "last = loss\n    kept.append(last + error)\n    told = sum(kept)"),
    ("other = weights", "told = sum(other)"),
    ("other = weights[0]", "told = other * 2"),
    ("other = max(weights, key=float)", "told = -other"),
    ("one, other = error, weights[0]", "told = one + other"),
    ("other = scale.float() if epoch else scale", "told = other[0]"),
    ("other = scale * 2", "more = scale\n    told = other + more"),
]
UNSEEN = [
    ("other = scale * 2", "told = other + 1"),
    ("pass", "other = scale\n    told = other"),
    ("pass", "last = loss\n    told = error.item() + last.item()"),
    ("other = error / 2", "told = f'{other * 100} and {other:.3f}'"),
]


def _converted(text: str, runner: Runner) -> str:
    result = convert(text)
    assert isinstance(result, Converted)
    before, after = runner.run(text), runner.run(result.after)
    assert before.steps == 3 and first_difference(before, after) is None
    return result.after


@pytest.mark.parametrize(("silent", "lines"), SEEN)
def test_what_is_computed_from_other_names_keeps_its_gradient(silent: str, lines: str, runner: Runner) -> None:
    text = SCRIPT.replace("EVALUATION", BLOCK.replace("SILENT", silent) + lines)
    assert "def on_validation_epoch_end(self):" in _converted(text, runner)


def test_what_a_function_is_handed_keeps_its_gradient(runner: Runner) -> None:
    assert "def on_validation_epoch_end(self):" in _converted(
        SCRIPT.replace("EVALUATION", "told = report(model, loss)"), runner
    )


@pytest.mark.parametrize(("silent", "lines"), UNSEEN)
def test_other_code_joins_the_step(silent: str, lines: str, runner: Runner) -> None:
    text = SCRIPT.replace("EVALUATION", BLOCK.replace("SILENT", silent) + lines)
    assert "def on_validation_epoch_end(self):" not in _converted(text, runner)


APART = """
import torch
from torch import nn

torch.manual_seed(0)
loader = [(torch.randn(2, 3), torch.randn(2, 1)) for _ in range(3)]
weights = torch.ones(2, 3, requires_grad=True)
model = nn.Sequential(nn.Linear(3, 4), nn.Dropout(0.5), nn.Linear(4, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for epoch in range(2):
    model.train()
    for x, y in loader:
        optimizer.zero_grad()
        loss = (model(x) - y).pow(2).mean()
        loss.backward()
        optimizer.step()
    model.eval()
    total = 0
    for x, y in loader:
        LINES
        (grad,) = torch.autograd.grad(one.sum() + 2 * other.sum(), weights)
        total += grad.sum().item() + model(x).sum().item()
    print(epoch, total)
"""


@pytest.mark.parametrize("lines", ["one, other = weights", "both = weights * x\n        one, other = both"])
def test_a_tensor_is_taken_apart_with_gradients(lines: str, runner: Runner) -> None:
    text = APART.replace("LINES", lines)
    result = convert(text)
    assert isinstance(result, Converted) and "def validation_step" in result.after
    before, after = runner.run(text), runner.run(result.after)
    assert before.steps == 6 and first_difference(before, after) is None
