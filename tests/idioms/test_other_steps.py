"""Optimizers that step outside the training too: when the Trainer may make the steps of the training all the same."""

from __future__ import annotations

import textwrap

import pytest

from refactorer.converter import convert_text
from refactorer.result import Converted
from tests.fixtures_harness import Runner, first_difference

HEAD = """
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
data = DataLoader(TensorDataset(torch.randn(7, 4), torch.randn(7, 2)), batch_size=3, shuffle=True)
net = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.3), nn.Linear(8, 2))
optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
"""
LOOP = """
for epoch in range(2):
    for i, (x, y) in enumerate(data):
        FIRST
        loss = nn.functional.mse_loss(net(x), y)
        THEN
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(epoch, loss.item())
"""
LATE = """
for x, y in data:
    loss = nn.functional.mse_loss(net(x), y)
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()
    print(loss.item())
"""
SECOND = "second = torch.optim.SGD(net.parameters(), lr=0.1)\n"
ONCE = "loss = nn.functional.mse_loss(net(torch.ones(3, 4)), torch.ones(3, 2))\nloss.backward()\noptimizer.step()\n"


def caught(text: str) -> str:
    return "try:\n" + textwrap.indent(text, "    ") + "except ValueError:\n    pass\n"


def loop(first: str = "pass", then: str = "pass") -> str:
    return LOOP.replace("FIRST", first).replace("THEN", then)


def function(name: str, body: str) -> str:
    return f"def {name}:\n" + "".join(f"    {line}\n" for line in body.splitlines())


APART = {
    "before": HEAD + ONCE + loop(),
    "behind, on what is left of the gradients": HEAD + loop() + ONCE + "print(loss.item())\n",
    "another training, of another optimizer of the same name": HEAD + loop()
    + "optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)\n" + loop(),
    "a batch that is left, and another optimizer that clears the gradients first": HEAD + SECOND
    + loop("if i == 2: continue") + loop().replace("optimizer.", "second."),
    "in a function": HEAD + function("main(n, optimizer)", "optimizer.step()\n" + loop() + ONCE)
    + "main(1, optimizer)\n",
}  # fmt: skip
BETWEEN = {
    "a function": HEAD + "def again():\n    optimizer.step()\n" + loop("again()"),
    "a lambda": HEAD + "again = lambda: optimizer.step()\n" + loop("again()"),
    "a comprehension": HEAD + ONCE + "[optimizer.step() for _ in range(2)]\n" + loop(),
    "a method": HEAD + "class Again:\n    def go(self):\n        optimizer.step()\nagain = Again()\n"
    + loop("again.go()"),
    "a batch that is left, and gradients that are added to those of the last": HEAD
    + loop("if i == 2: continue") + LATE,
    "an exception, and gradients that are added to those of the last": HEAD
    + caught(loop(then="if epoch and i == 1: raise ValueError")) + LATE,
    "a batch that is left, and another optimizer that adds to its gradients": HEAD + SECOND
    + loop("if i == 2: continue") + LATE.replace("optimizer.", "second."),
    "an end of the epoch, and another optimizer that adds to its gradients": HEAD + SECOND
    + loop(then="if i == 2: break") + LATE.replace("optimizer.", "second."),
    "an exception, and another optimizer that adds to its gradients": HEAD + SECOND
    + caught(loop(then="if epoch and i == 1: raise ValueError")) + LATE.replace("optimizer.", "second."),
    "another step in the training": HEAD + loop("optimizer.step()"),
    "the training itself, once more": HEAD
    + function("main(n, optimizer)", loop("if n and i: main(0, optimizer)")) + "main(1, optimizer)\n",
}  # fmt: skip


@pytest.mark.parametrize("text", APART.values(), ids=APART)
def test_steps_apart_from_the_training(text: str, runner: Runner) -> None:
    _compare(text, runner, automatic=True)


@pytest.mark.parametrize("text", BETWEEN.values(), ids=BETWEEN)
def test_steps_that_may_run_during_the_training(text: str, runner: Runner) -> None:
    _compare(text, runner, automatic=False)


def _compare(text: str, runner: Runner, automatic: bool) -> None:
    result = convert_text(text)
    assert isinstance(result, Converted), result.diagnostics
    first = result.after.split("class Lit")[1]
    assert ("automatic_optimization = False" not in first) is automatic
    before = runner.run(text)
    assert not before.status, before.error
    assert first_difference(before, runner.run(result.after)) is None
