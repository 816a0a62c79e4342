"""The number of a batch that nothing reads, though other loops bind the same name, is no line of the step."""

from __future__ import annotations

import pytest

from refactorer.converter import convert_text
from refactorer.result import Converted
from tests.fixtures_harness import Runner, first_difference

SCRIPT = """
import torch
from torch import nn
{functions}
torch.manual_seed(0)
points = torch.randn(18, 3)
loader = [points[i : i + 4] for i in range(0, 18, 4)]
others = loader[:{others}]
model = nn.Linear(3, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for part in range(1):
    {outside}
    for epoch in range(2):
        total = 0
        {first}
        for i, batch in enumerate(loader):
            {line}
            optimizer.zero_grad()
            loss = model(batch).square().mean()
            loss.backward()
            optimizer.step()
            total += loss.item()
            {last}
        {between}
        for i, batch in enumerate(others):
            total += model(batch).abs().sum().item()
        {behind}
        print(total, epoch)
    {after}
{end}
print(total, torch.rand(1).item())
"""
PLACES = ("outside", "first", "line", "last", "between", "behind", "after")


def script(others: int = 2, **parts: str) -> str:
    empty = dict.fromkeys(PLACES, "pass")
    return SCRIPT.format(**{**empty, "functions": "", "end": "", "others": others, **parts})


DROPPED = {
    "nothing reads it": script(),
    "what the other loop binds is read": script(between="for i in range(2): print(i)"),
    "bound anew": script(behind="i = 3; print(i)"),
    "a name of its own in a list": script(line="print([i for i in range(2)])"),
}
KEPT = {
    "read in the step": script(last="print(i)"),
    "read between": script(between="print(i)"),
    "the other loop may bind nothing": script(others=0, behind="print(i)"),
    "deleted between": script(between="del i"),
    "deleted behind": script(others=0, behind="del i"),
    "read behind the training": script(others=0, after="print(i)"),
    "read at the end": script(others=0, end="print(i)"),
    "read in the next epoch": script(others=0, first="if epoch: print(i)"),
    "read by a function": script(others=0, functions="def tell(): print(i)", behind="tell()"),
    "read by a function in the step": script(functions="def tell(): print(i)", last="tell()"),
    "read by a lambda": script(others=0, line="tell = lambda: print(i)", last="tell()"),
    "read by name": script(others=0, behind="print(globals()['i'])"),
    "added to": script(between="i += 1; print(i)"),
}


@pytest.mark.parametrize("text", DROPPED.values(), ids=DROPPED)
def test_it_goes(text: str, runner: Runner) -> None:
    result = convert_text(text)
    assert isinstance(result, Converted) and "= batch_idx" not in result.after
    assert first_difference(runner.run(text), runner.run(result.after)) is None


@pytest.mark.parametrize("text", KEPT.values(), ids=KEPT)
def test_it_stays(text: str, runner: Runner) -> None:
    result = convert_text(text)
    assert not isinstance(result, Converted) or first_difference(runner.run(text), runner.run(result.after)) is None
