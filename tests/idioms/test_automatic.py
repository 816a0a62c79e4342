"""Automatic optimization: when the three calls leave the step, and when they must stay."""

from __future__ import annotations

import textwrap

import pytest

from refactorer.converter import convert_text
from refactorer.result import Converted

SCRIPT = """
import random, sys
import torch
from torch import nn, optim as O
model = nn.Linear(2, 1)
optimizer = O.SGD(model.parameters(), lr=0.1)
loader = [(torch.ones(2, 2), torch.ones(2, 1))]
seen = []
for epoch in range(2):
    for x, y in loader:
{body}
"""


def converted(body: str) -> str:
    result = convert_text(SCRIPT.format(body=textwrap.indent(textwrap.dedent(body).strip(), " " * 8)))
    assert isinstance(result, Converted), result.diagnostics
    return result.after


AUTOMATIC = [
    "optimizer.zero_grad()\nloss = (model(x) - y).pow(2).mean()\nloss.backward()\noptimizer.step()",
    "loss = (model(x) - y).pow(2).mean()\noptimizer.zero_grad()\nloss.backward()\noptimizer.step()",
    "loss = (model(x) - y).pow(2).mean()\nloss.backward()\noptimizer.step()\noptimizer.zero_grad()",
    "model.zero_grad()\nloss = (model(x) - y).pow(2).mean()\nloss.backward()\noptimizer.step()\nprint(loss.item())",
    "optimizer.zero_grad()\nloss = (model(x) - y).pow(2).mean()\nloss.backward()\n"
    "nn.utils.clip_grad_norm_(model.parameters(), 1.0)\noptimizer.step()\nseen.append(loss.item())",
]
STEP = "optimizer.zero_grad()\nloss = (model(x) - y).pow(2).mean()\nloss.backward()\noptimizer.step()\n"
MANUAL = [
    STEP + "print(model.weight)",  # sees the new weights
    STEP + "print(optimizer.param_groups[0]['lr'])",
    STEP + "loss = loss.item()\nseen.append(loss)",  # another loss would be returned
    STEP + "y.zero_()",  # changes what backward needs
    STEP + "if epoch: sys.exit(3)",  # would leave before the step
    STEP + "if epoch: raise ValueError",
    STEP + "seen.append(random.random())",
    "loss = (model(x) - y).pow(2).mean()\nloss.backward()\noptimizer.zero_grad()\noptimizer.step()",
    "optimizer.zero_grad(set_to_none=False)\nloss = (model(x) - y).pow(2).mean()\nloss.backward()\noptimizer.step()",
    "optimizer.zero_grad()\nloss = (model(x) - y).pow(2).mean()\nloss.backward()\nprint('between')\noptimizer.step()",
    "optimizer.zero_grad()\nloss = (model(x) - y).pow(2).mean()\nloss.backward()\n"
    "print(model.weight.grad)\noptimizer.step()",
    "loss = (model(x) - y).pow(2).mean()\nloss.backward()\nif epoch:\n    optimizer.step()\n    optimizer.zero_grad()",
]


@pytest.mark.parametrize("body", AUTOMATIC)
def test_the_trainer_steps(body: str) -> None:
    after = converted(body)
    assert "return loss" in after
    assert "backward" not in after and ".step()" not in after and "zero_grad" not in after


@pytest.mark.parametrize("body", MANUAL)
def test_the_literal_form_stays(body: str) -> None:
    after = converted(body)
    assert "self.automatic_optimization = False" in after
    assert "self.manual_backward(loss)" in after and "optimizer.step()" in after
