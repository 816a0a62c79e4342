"""Lines in front of the training that bind names to plain values, and where they go."""

from __future__ import annotations

import pytest

from refactorer.converter import convert_text
from refactorer.result import Converted
from tests.fixtures_harness import Runner, first_difference

SCRIPT = """
import torch
from torch import nn, optim

torch.manual_seed(0)


class Box:
    x = 0


def main():
    box = Box()
    model = nn.Linear(2, 1)
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    loader = [(torch.ones(2, 2), torch.ones(2, 1))] * 3
    FIRST
    for epoch in range(2):
        for x, y in loader:
            optimizer.zero_grad()
            loss = (model(x) - y).pow(2).mean()
            loss.backward()
            optimizer.step()
        first += 1
        second = second + loss.item() if second else loss.item()
        print(first, second)
    print(first, second, box.x)


main()
"""

MOVED = [
    ("first = 0\n    second = 0.0", "self.first = 0\n        self.second = 0.0"),
    ("first, second = 0, None", "self.first, self.second = 0, None"),
    ("first = second = 0", "self.first = self.second = 0"),
    ("first = second = -1  # both", "self.first = self.second = -1  # both"),
]
STAYS = [
    ("first, box.x = second, _ = 3, 4", "first, box.x = second, _ = 3, 4"),
    ("first = box.x = 3\n    second = 0", "first = box.x = 3"),
    ("first, box.x = 3, 4\n    second = 0", "first, box.x = 3, 4"),
    ("first = second = kept = 3\n    print(kept)", "first = second = kept = 3"),
    ("first = second = len('abc')", "first = second = len('abc')"),
]


@pytest.mark.parametrize(("line", "becomes"), MOVED)
def test_the_constructor_takes_the_line(line: str, becomes: str, runner: Runner) -> None:
    text = SCRIPT.replace("FIRST", line)
    result = convert_text(text)
    assert isinstance(result, Converted) and f"        {becomes}\n" in result.after
    assert "first =" not in result.after.split("def main")[1]
    assert first_difference(runner.run(text), runner.run(result.after)) is None


@pytest.mark.parametrize(("line", "kept"), STAYS)
def test_the_script_keeps_the_line(line: str, kept: str, runner: Runner) -> None:
    text = SCRIPT.replace("FIRST", line)
    result = convert_text(text)
    assert isinstance(result, Converted) and f"\n    {kept}\n" in result.after
    assert first_difference(runner.run(text), runner.run(result.after)) is None
