"""Annotated names of the module that hooks declare global: such scripts were refused (R900)."""

from __future__ import annotations

import pytest

from refactorer import convert
from refactorer.result import Converted
from tests.fixtures_harness import Runner, first_difference

SCRIPT = """\
import torch
from torch import nn

torch.manual_seed(0)
data = [(torch.randn(4, 3), torch.randn(4, 1)) for _ in range(3)]


def report() -> None:
    print(total)


model = nn.Linear(3, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for epoch in range(3):
    FIRST
    for x, y in data:
        optimizer.zero_grad()
        loss: torch.Tensor = ((model(x) - y) ** 2).mean()
        loss.backward()
        optimizer.step()
        total += loss.item()
    report()
later = lambda: total
print(later())
"""


@pytest.mark.parametrize(
    ("first", "written"),
    [
        ("total: float = 0.0", "        total = 0.0\n"),
        ("total: float = 0.0; print(total)", "        total = 0.0; self.print(total)\n"),
        ("total: float\n    total = 0.0", "        pass\n        total = 0.0\n"),
    ],
)
def test_no_annotation_where_it_is_global(first: str, written: str, runner: Runner) -> None:
    result = convert(SCRIPT.replace("FIRST", first))
    assert isinstance(result, Converted), result.diagnostics
    assert "        global total\n" + written in result.after
    assert first_difference(runner.run(result.before), runner.run(result.after)) is None


def test_others_keep_theirs(runner: Runner) -> None:
    nothing = "def nothing() -> float:\n        total: float = 1.0\n        return total"
    inner = f"total = 0.0\n    {nothing}\n    best: float = nothing()"
    result = convert(SCRIPT.replace("FIRST", inner))
    assert isinstance(result, Converted), result.diagnostics
    assert "total: float = 1.0\n" in result.after and "loss: torch.Tensor = (" in result.after
    assert first_difference(runner.run(result.before), runner.run(result.after)) is None
