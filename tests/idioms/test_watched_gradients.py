"""Objects of other files that hold the model, and look at its gradients by any operator behind the step."""

from __future__ import annotations

import textwrap

import pytest

from refactorer.converter import convert_text
from refactorer.result import Converted
from tests.fixtures_harness import Runner, first_difference

TOOLS = """
class Watcher:
    every = 2

    def __init__(self, net=None):
        self.nets = [net]

    def keep(self, net):
        self.nets[0] = net

    def report(self):
        nets = [net for net in self.nets if net is not None]
        return [p.grad is None or p.grad.sum().item() for net in nets for p in net.parameters()]

    def __str__(self):
        return str(self.report())

    def __len__(self):
        return len(str(self.report()))

    def __bool__(self):
        print("asked", self.report())
        return True

    def __setitem__(self, key, value):
        print("set", key, value, self.report())

    @property
    def value(self):
        return self.report()

kept = Watcher()
"""
SCRIPT = """
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
from tools import Watcher, kept

torch.manual_seed(0)
data = DataLoader(TensorDataset(torch.randn(9, 4), torch.randn(9, 2)), batch_size=3, shuffle=True)
net = nn.Linear(4, 2)
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)

def make(net):
    return Watcher(net)

FRONT
for epoch in range(2):
    for i, (x, y) in enumerate(data):
        loss = nn.functional.mse_loss(net(x), y)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        LINE
    print(epoch, loss.item())
print(torch.rand(1), net.weight.sum().item())
"""
HELD = "watcher = Watcher(net)"
SEEN = {
    "shown": (HELD, "print(watcher)"),
    "its length": (HELD, "print(len(watcher))"),
    "a condition": (HELD, "if watcher: print(i)"),
    "a property": (HELD, "print(watcher.value)"),
    "an element that is set": (HELD, "watcher[i] = loss.item()"),
    "made by a function": ("watcher = make(net)", "print(watcher)"),
    "told later": ("watcher = Watcher()\nwatcher.keep(net)", "print(watcher)"),
    "given by the other file": ("kept.keep(net)", "print(kept)"),
    "a part of it": ("watcher = Watcher()\nwatcher.nets.append(net)", "print(watcher)"),
}
UNSEEN = {
    "an object without a network": ("watcher = Watcher()", "print(watcher)"),
    "the optimizer": ("", "print(optimizer.param_groups[0]['lr'])"),
    "the model": ("", "print(net.training)"),
}


def compared(front: str, line: str, runner: Runner) -> str:
    text = SCRIPT.replace("FRONT", front).replace("LINE", textwrap.indent(line, " " * 8).strip())
    result = convert_text(text)
    assert isinstance(result, Converted), result.diagnostics
    beside = {"tools.py": TOOLS}
    before = runner.run(text, beside=beside)
    assert not before.status, before.error
    assert first_difference(before, runner.run(result.after, beside=beside)) is None
    return result.after


@pytest.mark.parametrize(("front", "line"), SEEN.values(), ids=SEEN)
def test_the_script_goes_on_clearing(front: str, line: str, runner: Runner) -> None:
    assert "zero_grad" in compared(front, line, runner)


@pytest.mark.parametrize(("front", "line"), UNSEEN.values(), ids=UNSEEN)
def test_the_trainer_clears(front: str, line: str, runner: Runner) -> None:
    assert "zero_grad" not in compared(front, line, runner)
