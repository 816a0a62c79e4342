"""Functions that end with `return train(...)` are entered too, and what they return is what the inner one gives."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from refactorer import convert
from refactorer.result import Converted
from tests.fixtures_harness import first_difference

if TYPE_CHECKING:
    from tests.fixtures_harness import Runner

SCRIPT = """\
import torch

torch.manual_seed(3)
loader = [(torch.randn(4, 2), torch.randn(4, 1)) for _ in range(3)]
model = torch.nn.Sequential(torch.nn.Linear(2, 1), torch.nn.Dropout(0.2))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
history = []
scale = 3


def rescale():
    global scale
    scale += 1
    return 1


def run(loader, number):
    total = count = 0
    for x, y in loader:
        optimizer.zero_grad()
        loss = (model(x) - y).square().mean()
        loss.backward()
        optimizer.step()
        total += loss.item()
        count += 1
    rescale()
    return INNER  # of this epoch


def train(loader, number):
    model.train()
    print("training", number)
    # all of them
    return OUTER


for epoch in range(3):
    LINE
print(history, scale)
"""
ENTERED = [
    ("history.append(train(loader, epoch))", "run(loader, number)", "total / count", "append(self.total / self.count)"),
    ("mean, n = train(loader, epoch)", "run(loader, number)", "total / 2, count + 1",
     "mean, n = self.total / 2, self.count + 1"),
    ("print(train(loader, epoch))", "100 - run(loader, number)", "total - count",
     "self.print(100 - (self.total - self.count))"),
    ("print(*train(loader, epoch))", "(number, run(loader, number))", "total, count",
     "self.print(*(self.current_epoch, (self.total, self.count)))"),
    ("train(loader, epoch)", "run(loader, number)", "total", ""),
    ("print(train(loader, epoch))", "run(loader, number)", "rescale()", "self.print(rescale())"),
    ("print(2 * train(loader, epoch))", "run(loader, number)", "count if total > 2 else number",
     "self.print(2 * (self.count if self.total > 2 else self.current_epoch))"),
]  # fmt: skip
PLAIN = [
    ("print(train(loader, epoch))", "scale + run(loader, number)", "total", "scale is read before the call"),
    ("print(train(loader, epoch))", "run(loader, number) if number else 0", "total", "inside a larger"),
    ("print(train(loader, epoch))", "[run(loader, number) for _ in range(2)]", "total", "inside a larger"),
]


def script(line: str, outer: str, inner: str) -> str:
    return SCRIPT.replace("LINE", line).replace("OUTER", outer).replace("INNER", inner)


@pytest.mark.parametrize(("line", "outer", "inner", "placed"), ENTERED)
def test_it_is_entered(line: str, outer: str, inner: str, placed: str, runner: Runner) -> None:
    before = script(line, outer, inner)
    result = convert(before)
    assert isinstance(result, Converted)
    assert placed in result.after and "def run(" not in result.after and "def train(" not in result.after
    assert "# all of them" in result.after and "# of this epoch" in result.after
    assert "Trainer(max_epochs=3)" in result.after
    assert first_difference(runner.run(before), runner.run(result.after)) is None


@pytest.mark.parametrize(("line", "outer", "inner", "reason"), PLAIN)
def test_it_is_not_entered(line: str, outer: str, inner: str, reason: str, runner: Runner) -> None:
    before = script(line, outer, inner)
    result = convert(before)
    assert isinstance(result, Converted)
    assert any(note.code == "N103" and reason in note.message for note in result.diagnostics)
    assert first_difference(runner.run(before), runner.run(result.after)) is None
