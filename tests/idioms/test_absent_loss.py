"""A step that leaves batches out, and whose loss may be None: it fails where the script does."""

from __future__ import annotations

import pytest

from refactorer import convert
from refactorer.result import Converted
from tests.fixtures_harness import Runner, first_difference

SCRIPT = """\
import torch
from torch import nn
torch.manual_seed(0)
model = nn.Linear(2, 1)
loader = [torch.randn(2, 2) for _ in range(4)]
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)


def compute(x):
    if x.sum() > 1:
        return None
    return model(x).pow(2).sum()


def compute_both(x):
    if x.sum() > 1:
        return None, 1
    return model(x).pow(2).sum(), 2


class Computer(nn.Module):
    def forward(self, x):
        return compute(x)

    def compute(self, x):
        return compute(x)

    def again(self, x, times=2):
        if times:
            return self.again(x, times - 1)
        return surely(x)


computer = Computer()


def surely(x):
    with torch.enable_grad():
        return model(x).pow(2).sum()


for epoch in range(2):
    for i, x in enumerate(loader):
        if i == 0:
            continue
        optimizer.zero_grad()
        LINE
        loss.backward()
        optimizer.step()
    print(epoch, loss.item())
"""
ABSENT = [
    "loss = compute(x)",
    "loss = model(x).pow(2).sum() if i < 2 else None",
    "loss = None\n        if i < 2:\n            loss = model(x).sum()",
    "(loss := compute(x))",
    "loss, size = compute_both(x)",
    "loss = computer.compute(x)",
    "loss = computer(x)",
]
THERE = [
    "loss = model(x).pow(2).sum()",
    "loss = surely(x)",
    "size, loss = None, surely(x)",
    "loss = None\n        loss = surely(x)",
    "loss = computer.again(x)",
    "loss = compute(x)\n        if loss is None:\n            loss = model(x).sum()",
]


@pytest.mark.parametrize("line", ABSENT)
def test_it_fails_where_the_script_does(line: str, runner: Runner) -> None:
    assert "self.manual_backward(" in _checked(SCRIPT.replace("LINE", line), runner, status=1)


@pytest.mark.parametrize("line", THERE)
def test_a_loss_that_is_there(line: str, runner: Runner) -> None:
    assert "return self.loss" in _checked(SCRIPT.replace("LINE", line), runner, status=0)


@pytest.mark.parametrize("line", ABSENT)
def test_without_batches_that_are_left_out_the_trainer_knows(line: str) -> None:
    result = convert(SCRIPT.replace("LINE", line).replace("continue", "pass"))
    assert isinstance(result, Converted) and "backward(" not in result.after


def _checked(text: str, runner: Runner, status: int) -> str:
    result = convert(text)
    assert isinstance(result, Converted), result
    before, after = runner.run(text), runner.run(result.after)
    assert before.status == status
    assert first_difference(before, after) is None
    return result.after
