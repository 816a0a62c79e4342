"""Nested code may have a name of its own for something else than what a name of the training becomes."""

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
model = torch.nn.Linear(2, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)


def train(scale):
    total = 0.0
    for x, y in loader:
        optimizer.zero_grad()
        loss = (model(x) - y).square().mean()
        loss.backward()
        optimizer.step()
        total += VALUE
    return total


m = 10.0
for epoch in range(2):
    print(train(m))
"""
HIDDEN = [
    "sum([m * scale for m in (1.0, 2.0)]) * loss.item()",
    "sum(m * scale for m in (1.0, 2.0)) * loss.item()",
    "(lambda m: m * scale)(loss.item())",
    "sum({m: m * scale for m in (1.0, 2.0)}.values()) * loss.item()",
]


@pytest.mark.parametrize("value", HIDDEN)
def test_a_parameter_keeps_its_name_where_the_callers_means_something_else(value: str, runner: Runner) -> None:
    before = SCRIPT.replace("VALUE", value)
    result = convert(before)
    assert isinstance(result, Converted)
    assert first_difference(runner.run(before), runner.run(result.after)) is None


def test_a_parameter_takes_the_callers_name_elsewhere() -> None:
    result = convert(SCRIPT.replace("VALUE", "sum([k * scale for k in (1.0, 2.0)]) * loss.item()"))
    assert isinstance(result, Converted)
    assert "k * m for k in" in result.after


NESTED = """\
import torch

loader = [(torch.randn(4, 2), torch.randn(4, 1)) for _ in range(3)]


def main(scale):
    model = torch.nn.Linear(2, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for x, y in loader:
        optimizer.zero_grad()
        loss = (model(x) - y).square().mean()
        loss.backward()
        optimizer.step()
        print((lambda NAME: NAME * scale)(loss.item()))


main(2.0)
"""


def test_an_attribute_cannot_stand_where_self_is_something_else() -> None:
    result = convert(NESTED.replace("NAME", "self"))
    assert isinstance(result, Refused)
    assert [found.code for found in result.diagnostics if found.code.startswith("R")] == ["R403"]
    assert isinstance(convert(NESTED.replace("NAME", "other")), Converted)
