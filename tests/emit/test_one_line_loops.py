"""Loops whose body stands on the line of their header."""

from __future__ import annotations

import pytest

from refactorer import convert
from refactorer.result import Converted
from tests.fixtures_harness import Runner, first_difference

SCRIPT = """\
import torch
from torch import nn
torch.manual_seed(0)
model = nn.Linear(2, 1)
loader = [torch.randn(2, 2) for _ in range(3)]
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
LOOP
print(model.weight)
"""
STEP = "optimizer.zero_grad(); model(x).pow(2).sum().backward(); optimizer.step()"
LOOPS = [
    f"for x in loader: {STEP}",
    "for x in loader: model(x).sum().backward()  # warm up",
    f"for epoch in range(2):\n    for x in loader: {STEP}  # keep this remark",
]


@pytest.mark.parametrize("loop", LOOPS)
def test_they_are_converted(loop: str, runner: Runner) -> None:
    text = SCRIPT.replace("LOOP", loop)
    result = convert(text)
    assert isinstance(result, Converted), result
    assert "# " not in loop or loop.partition("# ")[2] in result.after
    assert first_difference(runner.run(text), runner.run(result.after)) is None
