"""A generator in front of the training, which is asked while it runs, still sees the variables of the training."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from refactorer import convert
from refactorer.result import Converted, Refused
from tests.fixtures_harness import first_difference

if TYPE_CHECKING:
    from tests.fixtures_harness import Runner

SCRIPT = """\
import torch

torch.manual_seed(3)
loader = [(torch.randn(4, 2), torch.randn(4, 1)) for _ in range(3)]


def main():
    model = torch.nn.Linear(2, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    total = 0.0
    shown = {}
    for epoch in range(3):
        for x, y in loader:
            optimizer.zero_grad()
            loss = (model(x) - y).square().mean()
            loss.backward()
            optimizer.step()
            total += loss.item()
        print(next(shown))


main()
"""


@pytest.mark.parametrize("shown", ["(total + i for i in range(9))", "map(lambda i: total + i, range(9))"])
def test_what_looks_later_shares_variables_with_the_training(shown: str) -> None:
    result = convert(SCRIPT.format(shown))
    assert isinstance(result, Refused)
    assert [found.code for found in result.diagnostics] == ["R402"]


@pytest.mark.parametrize("shown", ["iter([total + i for i in range(9)])", "(i for i in (total, 1, 2))"])
def test_what_is_evaluated_at_once_keeps_nothing_back(shown: str, runner: Runner) -> None:
    text = SCRIPT.format(shown)
    result = convert(text)
    assert isinstance(result, Converted) and "self.total" in result.after
    assert first_difference(runner.run(text), runner.run(result.after)) is None
