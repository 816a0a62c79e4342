"""Functions whose body stands on the line of their header are entered like others."""

from __future__ import annotations

import pytest

from refactorer.converter import convert_text
from refactorer.result import Converted
from tests.fixtures_harness import Runner, first_difference

SCRIPT = """
import torch
from torch import nn

torch.manual_seed(0)
net = nn.Linear(4, 2)
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
data = [torch.randn(3, 4) for _ in range(3)]
{function}
for epoch in range(2):
    for x in data:
        {call}
        print(loss.item())
"""
FUNCTIONS = {
    "a step": (
        "def step(n, x): optimizer.zero_grad(); loss = n(x).mean(); loss.backward(); optimizer.step(); return loss",
        "loss = step(net, x)", "    def training_step(self, x, batch_idx):\n        self.loss = self.net(x).mean()\n",
    ),
    "a backward pass": (
        "def go(loss): loss.backward()",
        "loss = net(x).mean()\n        optimizer.zero_grad()\n        go(loss)\n        optimizer.step()",
        "        return loss\n",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("function", "call", "line"), FUNCTIONS.values(), ids=FUNCTIONS)
def test_a_function_on_one_line_is_entered(function: str, call: str, line: str, runner: Runner) -> None:
    text = SCRIPT.format(function=function, call=call)
    result = convert_text(text)
    assert isinstance(result, Converted), result.diagnostics
    assert line in result.after and "automatic_optimization = False" not in result.after
    before = runner.run(text)
    assert not before.status, before.error
    assert first_difference(before, runner.run(result.after)) is None
