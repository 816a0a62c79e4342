"""`train(*sample())`: a function that trains is entered where the values for its parameters are known to be as many."""

from __future__ import annotations

import pytest

from refactorer.converter import convert_text
from refactorer.result import Converted
from tests.fixtures_harness import Runner, first_difference

SCRIPT = """
import random
import torch
from torch import nn

random.seed(0)
torch.manual_seed(0)
model = nn.Linear(4, 2)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
x = "kept"

def sample(n):
    x, y = torch.randn(n, 4), torch.randn(n, 2)
    return x, y

def train(x, y):
    optimizer.zero_grad()
    loss = (model(x) - y).pow(2).mean()
    loss.backward()
    optimizer.step()
    return loss.item()

for step in range(4):
    loss = train(*sample(3))
    print(step, loss)
print(x, random.random())
"""
KNOWN = {
    "a function of the file": ("", ""),
    "two returns": ("    return x, y", "    if random.random() < 0.5:\n        return -x, y\n    return x, y"),
    "a parameter that is bound again": ("    optimizer.zero_grad()", "    x = x * 2\n    optimizer.zero_grad()"),
}
UNKNOWN = {
    "it may return nothing": ("    return x, y", "    if random.random() < 2:\n        return x, y"),
    "it returns a list": ("    return x, y", "    return [x, y]"),
    "another argument": ("*sample(3)", "*sample(3), *()"),
    "a default": ("train(x, y)", "train(x, y, z=0)"),
    "any number": ("train(x, y)", "train(x, y, *z)"),
    "a tuple of a tuple": ("    return x, y", "    return *(x,), y"),
    "decorated": ("def sample", "@torch.no_grad()\ndef sample"),
}


@pytest.mark.parametrize(("old", "new"), KNOWN.values(), ids=KNOWN)
def test_the_values_are_taken_apart(old: str, new: str, runner: Runner) -> None:
    after = _compared(SCRIPT.replace(old, new) if old else SCRIPT, runner)
    assert "        x, y = sample(3)\n" in after and "automatic_optimization = False" not in after


@pytest.mark.parametrize(("old", "new"), UNKNOWN.values(), ids=UNKNOWN)
def test_otherwise_the_call_stays(old: str, new: str, runner: Runner) -> None:
    assert old in SCRIPT
    after = _compared(SCRIPT.replace(old, new), runner)
    assert "(*sample(3)" in after


def _compared(text: str, runner: Runner) -> str:
    result = convert_text(text)
    assert isinstance(result, Converted), result.diagnostics
    before = runner.run(text)
    assert not before.status, before.error
    assert first_difference(before, runner.run(result.after)) is None
    return result.after
