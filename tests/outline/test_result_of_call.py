"""What a function that trains returned stands in the place of its call, in one piece."""

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
model = torch.nn.Linear(2, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
history = []
counts = {'a': 1}
losses = {'a': []}


def train(loader):
    total = count = 0
    for x, y in loader:
        optimizer.zero_grad()
        loss = (model(x) - y).square().mean()
        loss.backward()
        optimizer.step()
        total += loss.item()
        count += 1
    return VALUE


for epoch in range(2):
    LINE
print(history, counts)
"""


def script(line: str, value: str) -> str:
    return SCRIPT.replace("LINE", line).replace("VALUE", value)


@pytest.mark.parametrize(
    ("line", "value", "placed"),
    [
        ("history.append(train(loader))", "total, count", "history.append((self.total, self.count))"),
        ("print(train(loader), 1)", "total, count", "self.print((self.total, self.count), 1)"),
        ("print(*train(loader))", "total, count", "self.print(*(self.total, self.count))"),
        ("left = 100 - train(loader)", "total - count", "left = 100 - (self.total - self.count)"),
        ("best = train(loader) > 3", "total / count", "best = self.total / self.count > 3"),
        ("mean, n = train(loader)", "total / 2, count + 1", "mean, n = self.total / 2, self.count + 1"),
        ("told = f'{train(loader):.3f}'", "total / count", "told = f'{self.total / self.count:.3f}'"),
    ],
)
def test_the_place_of_the_call(line: str, value: str, placed: str) -> None:
    result = convert(script(line, value))
    assert isinstance(result, Converted)
    assert f"        {placed}\n" in result.after


EARLIER = [
    ("print(*history, train(loader))", "history.append(1)"),
    ("print([*history, train(loader)])", "history.append(1)"),
    ("print({**counts, 'loss': train(loader)})", "counts['more'] = 2"),
    ("print(len(history), train(loader))", "history.append(1)"),
    ("told = f'{history} {train(loader)}'\n    print(told)", "history.append(1)"),
    ("print((history == []) + train(loader))", "history.append(1)"),
    ("print(counts['a'] + train(loader))", "counts['a'] = 5"),
    ("losses['a'].append(train(loader))\n    print(losses)", "losses['a'] = []"),
    ("print(epoch and train(loader))", "pass"),
    ("print(train(loader) if epoch else 0)", "pass"),
    ("print([train(loader) for _ in range(2)])", "pass"),
    ("print(9 < epoch < train(loader))", "pass"),
]


@pytest.mark.parametrize(("line", "extra"), EARLIER)
def test_what_is_evaluated_before_the_call_stays_before_it(line: str, extra: str, runner: Runner) -> None:
    before = script(line, "total / count").replace("    return", f"    {extra}\n    return")
    result = convert(before)
    assert isinstance(result, Converted)
    assert "train(loader)" in result.after
    assert first_difference(runner.run(before), runner.run(result.after)) is None


LATER = [
    "print('epoch', epoch + 1, train(loader), len(history))",
    "print(f'{epoch:03d} {train(loader):.4f}', history)",
    "history.append({'epoch': epoch, 'loss': train(loader)})",
    "counts['a'] = train(loader) / len(loader)",
    "losses['a'].append(train(loader))",
    "history = history + [train(loader)]",
    "print(9 < train(loader) < 99, str(epoch))",
]


@pytest.mark.parametrize("line", LATER)
def test_what_is_evaluated_behind_the_call_may_be_anything(line: str, runner: Runner) -> None:
    before = script(line, "total / count")
    result = convert(before)
    assert isinstance(result, Converted)
    assert "train(loader)" not in result.after
    assert first_difference(runner.run(before), runner.run(result.after)) is None


def test_two_calls_in_a_statement() -> None:
    """The one that trains is entered, and the evaluation behind it stays a call."""
    evaluates = "def evaluate():\n    total = 0\n    with torch.no_grad():\n        for x, y in loader:\n"
    evaluates += "            total += (model(x) - y).square().mean().item()\n    return total\n\n\nfor epoch"
    result = convert(script("print(train(loader), evaluate())", "total").replace("for epoch", evaluates))
    assert isinstance(result, Converted)
    assert "self.print(self.total, evaluate())" in result.after


def test_quotes_do_not_come_to_stand_in_a_string() -> None:
    result = convert(script("told = f'{train(loader)}'", "{'total': total}['total']"))
    assert isinstance(result, Converted)
    assert "train(loader)" in result.after


def test_a_history_of_pairs(runner: Runner) -> None:
    before = script("history.append(train(loader))", "total, count")
    result = convert(before)
    assert isinstance(result, Converted)
    assert first_difference(runner.run(before), runner.run(result.after)) is None
