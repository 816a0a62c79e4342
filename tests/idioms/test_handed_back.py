"""What an entered function hands back has the caller's name, where one variable can be both."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import pytest

from refactorer import convert
from refactorer.result import Converted
from tests.fixtures_harness import first_difference

if TYPE_CHECKING:
    from tests.fixtures_harness import Runner

SCRIPT = """\
import contextlib

import torch

torch.manual_seed(3)
loader = [(torch.randn(4, 2), torch.randn(4, 1)) for _ in range(3)]
kept = []


def train(model, optimizer, epoch):
    total, count = 0.0, 0
    for x, y in loader:
        optimizer.zero_grad()
        loss = (model(x) - y).square().mean()
        loss.backward()
        optimizer.step()
        total += loss.item()
        count += 1
INSIDE


def main():
    model = torch.nn.Linear(2, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
OUTSIDE


main()
"""
EACH = "for epoch in range(3):\n    mean = train(model, optimizer, epoch)\n    print(mean)\n"


def script(inside: str, outside: str) -> str:
    """The text of a file: the end of the function that trains, and its caller."""
    parts = {"INSIDE": inside, "OUTSIDE": outside}
    text = SCRIPT
    for word, lines in parts.items():
        text = text.replace(word, textwrap.indent(lines.rstrip("\n"), "    "))
    return text


ONE = [
    ("average = total / count\nreturn average", EACH, "mean = self.total / self.count\n        self.print(mean)"),
    ("return total", EACH, "self.print(self.mean)"),
    ("mean = total / count\nreturn mean", EACH, "mean = self.total / self.count\n        self.print(mean)"),
    (
        "average = total / count\nreturn average, count",
        "for epoch in range(3):\n    mean, seen = train(model, optimizer, epoch)\n    print(mean, seen)\n",
        "mean = self.total / self.seen\n        self.print(mean, self.seen)",
    ),
    (
        "average = total / count\nreturn average, total * 2",
        "for epoch in range(3):\n    mean, seen = train(model, optimizer, epoch)\n    print(mean, seen)\n",
        "mean = self.total / self.count\n        seen = self.total * 2",
    ),
    (
        "average = total / count\nreturn average, count",
        "for epoch in range(3):\n    mean, _ = train(model, optimizer, epoch)\n    print(mean)\n",
        "mean = self.total / self.count\n        self.print(mean)",
    ),
    (
        "average = total / count\nprint(f'{average=}')\nreturn average",
        "mean = 9.0\nfor epoch in range(3):\n    mean = train(model, optimizer, epoch)\nprint(mean)\n",
        "self.mean = self.total / self.count",
    ),
]


@pytest.mark.parametrize(("inside", "outside", "after"), ONE)
def test_one_variable(inside: str, outside: str, after: str, runner: Runner) -> None:
    before = script(inside, outside)
    result = convert(before)
    assert isinstance(result, Converted)
    assert after in result.after.replace("average=", "mean=")
    assert "average = " not in result.after
    assert first_difference(runner.run(before), runner.run(result.after)) is None


FAILS = "average = total / count\nif epoch == 1:\n    raise ValueError\nreturn average"
TWO = [
    # a handler sees what the caller had
    (FAILS, f"mean = 0\ntry:\n{textwrap.indent(EACH, '    ')}except ValueError:\n    print('failed', mean)\n"),
    (FAILS, f"mean = 0\nwith contextlib.suppress(ValueError):\n{textwrap.indent(EACH, '    ')}print('failed', mean)\n"),
    # another function reads the caller's, or the function's own
    ("average = total / count\nreturn average", f"show = lambda: print('now', mean)\n{EACH}    show()\n"),
    (
        "average = total / count\nkept.append(lambda: average)\nreturn average",
        f"{EACH}    mean = mean + 1\n    print([read() for read in kept])\n",
    ),
    # the function has a variable of that name, or nested code has
    ("average = total / count\nmean = count\nprint(mean)\nreturn average", EACH),
    ("average = total / count\nprint([average * mean for mean in (1, 2)])\nreturn average", EACH),
    # it reads the caller's while it has its own
    (
        "average = min(total / count, epoch)\nprint(epoch)\nreturn average",
        "mean = 5.0\nwhile mean > 0.5:\n    mean = train(model, optimizer, mean)\n    print(mean)\n    mean -= 1\n",
    ),
    # both names go on from there
    (
        "average = total / count\nreturn average, average",
        "for epoch in range(3):\n    mean, n = train(model, optimizer, epoch)\n    mean += 1\n    print(mean, n)\n",
    ),
    # it is no variable of an assignment
    ("if (average := total / count) > 0:\n    print('positive')\nreturn average", f"mean = 0\n{EACH}print(mean)\n"),
]


@pytest.mark.parametrize(("inside", "outside"), TWO)
def test_two_variables(inside: str, outside: str, runner: Runner) -> None:
    before = script(inside, outside)
    result = convert(before)
    assert isinstance(result, Converted)
    assert "average" in result.after
    assert first_difference(runner.run(before), runner.run(result.after)) is None


def test_a_function_that_has_nothing_to_hand_back_says_so() -> None:
    before = script("return loss", "mean = 7\n" + EACH)
    result = convert(before.replace("        loss = ", "        loss = average = "))
    assert isinstance(result, Converted)
    assert "mean = self.loss" in result.after


def test_comments_on_the_result_stay() -> None:
    inside = "average = total / count\nreturn (average,  # of all batches\n        count)"
    outside = "for epoch in range(3):\n    mean, seen = train(model, optimizer, epoch)\n    print(mean, seen)\n"
    result = convert(script(inside, outside))
    assert isinstance(result, Converted)
    assert "# of all batches" in result.after


def test_a_value_that_the_function_uses_often_stays_local() -> None:
    inside = "average = total / count\nprint(average, average, average, average)\nreturn average"
    result = convert(script(inside, "mean = 0\n" + EACH + "print(mean)\n"))
    assert isinstance(result, Converted)
    assert "average = self.total / self.count" in result.after
