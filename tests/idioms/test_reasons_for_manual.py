"""The reason that the note N101 gives is the one that holds."""

from __future__ import annotations

import textwrap

import pytest

from refactorer.converter import convert_text
from refactorer.result import Converted

SCRIPT = """
import torch
from torch import nn, optim
from data import loader, make

model = nn.Linear(4, 2)
optimizer = optim.SGD(model.parameters(), lr=0.1)
params = list(model.parameters())


def descend(params, lr):
    for p in params:
        p.data -= lr * p.grad


for epoch in range(3):
    for x, y in loader:
{body}
"""
LOSS = "loss = (model(x) - y).square().mean()\n"
CALLS = "optimizer.zero_grad()\nloss.backward()\noptimizer.step()\n"
REASONS = {
    LOSS + "model.zero_grad()\nloss.backward()\ndescend(params, 0.1)": "no step() of an optimizer stands in it",
    LOSS + "optimizer.zero_grad()\nloss.backward()\noptimizer.step_and_update()": "step_and_update() stands in",
    LOSS + CALLS + "other = (model(y) ** 2).sum()\nother.backward()\noptimizer.step()": "2 calls of backward() in it",
    f"try:\n{textwrap.indent(LOSS + CALLS, '    ')}except ValueError:\n    continue": "stands in a `try` block",
    f"for _ in range(2):\n{textwrap.indent(LOSS + CALLS, '    ')}print(x)": "stands in a loop of its own",
    LOSS + f"if epoch:\n{textwrap.indent(CALLS, '    ')}print(model.bias)": "under a condition, with other code behind",
    LOSS + "optimizer.zero_grad()\nloss.backward()\nif epoch: optimizer.step()\nprint(x)": "step() stands under a",
    f"def closure():\n{textwrap.indent(LOSS + 'loss.backward()', '    ')}\n    return loss\noptimizer.step(closure)":
        "stands in a closure",
    LOSS + "optimizer.step()\noptimizer.zero_grad()\nloss.backward()": "step() stands in front of backward()",
    LOSS + CALLS + "if epoch == 2: optimizer = make(model)": "optimizer is not known to be one object for all steps",
}  # fmt: skip


@pytest.mark.parametrize(("body", "reason"), REASONS.items(), ids=REASONS.values())
def test_the_note_says_why(body: str, reason: str) -> None:
    result = convert_text(SCRIPT.format(body=textwrap.indent(body, " " * 8)))
    assert isinstance(result, Converted)
    messages = [note.message for note in result.diagnostics if note.code == "N101"]
    assert len(messages) == 1 and reason in messages[0]


def test_the_optimizer_steps_behind_the_batches() -> None:
    text = SCRIPT.format(body=textwrap.indent(LOSS + "loss.backward()", " " * 8)) + "optimizer.step()\n"
    result = convert_text(text.replace("for epoch in range(3):", "if loader:"))
    assert isinstance(result, Converted)
    assert any("stands outside the loop over the batches" in note.message for note in result.diagnostics)
