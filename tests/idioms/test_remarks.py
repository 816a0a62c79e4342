"""Comments on calls that the Trainer makes stand above the `return` that hands it the loss; others stay."""

from __future__ import annotations

import pytest

from refactorer.converter import convert_text
from refactorer.result import Converted

SCRIPT = """
import torch
from torch import nn, optim

model = nn.Linear(2, 1)
# how to learn
optimizer = optim.SGD(model.parameters(), lr=0.1)
loader = [(torch.ones(2, 2), torch.ones(2, 1))]
for epoch in range(2):
    for i, (x, y) in enumerate(loader):
{body}
"""
FORWARD = "loss = (model(x) - y).pow(2).mean()\n"


def test_a_comment_on_a_line_that_does_nothing_goes_to_the_next_one() -> None:
    body = FORWARD + "optimizer.zero_grad()\nloss.backward()\noptimizer.step()\n# later\npass\nprint(i)\n# last\npass\n"
    assert step_of(body).splitlines()[1:] == ["# later", "self.print(batch_idx)", "# last", "return loss"]


def step_of(body: str) -> str:
    """The lines of `training_step` behind its header."""
    script = SCRIPT.format(body="".join(f"        {line}".rstrip() + "\n" for line in body.splitlines()))
    result = convert_text(script)
    assert isinstance(result, Converted), result.diagnostics
    assert result.after.count("# how to learn") == 1
    step = result.after.split("x, y = batch\n", 1)[1].split("\n\n    def ", 1)[0]
    return "\n".join(line.strip() for line in step.splitlines())


@pytest.mark.parametrize(
    ("body", "step"),
    [
        (
            FORWARD + "\n# descend\noptimizer.zero_grad()\nloss.backward()\noptimizer.step()\n\nprint(i)\n",
            "loss = (self.model(x) - y).pow(2).mean()\n\nself.print(batch_idx)\n# descend\nreturn loss",
        ),
        (
            FORWARD + "# descend\noptimizer.zero_grad()\nloss.backward()\noptimizer.step()\nprint(i)\n",
            "loss = (self.model(x) - y).pow(2).mean()\nself.print(batch_idx)\n# descend\nreturn loss",
        ),
        (
            FORWARD + "optimizer.zero_grad()  # clear\nloss.backward()  # compute\noptimizer.step()  # descend\n",
            "loss = (self.model(x) - y).pow(2).mean()\n# clear\n# compute\n# descend\nreturn loss",
        ),
        (
            "# clear\noptimizer.zero_grad()\n\n# forward\n" + FORWARD + "loss.backward()\noptimizer.step()\n",
            "\n# forward\nloss = (self.model(x) - y).pow(2).mean()\n# clear\nreturn loss",
        ),
    ],
    ids=["apart", "adjacent", "behind", "at the top"],
)
def test_comments_on_the_calls_go_to_the_return(body: str, step: str) -> None:
    assert step_of(body) == step


@pytest.mark.parametrize(
    ("body", "step"),
    [
        (
            "# one step\noptimizer.zero_grad()\n" + FORWARD + "loss.backward()\noptimizer.step()\n",
            "# one step\nloss = (self.model(x) - y).pow(2).mean()\nreturn loss",
        ),
        (
            "# ---- training ----\n\noptimizer.zero_grad()\n\n" + FORWARD + "loss.backward()\noptimizer.step()\n",
            "# ---- training ----\n\nloss = (self.model(x) - y).pow(2).mean()\nreturn loss",
        ),
        (
            FORWARD + "optimizer.zero_grad()\nloss.backward()\noptimizer.step()\n\n# tell\nprint(i)\n",
            "loss = (self.model(x) - y).pow(2).mean()\n\n# tell\nself.print(batch_idx)\nreturn loss",
        ),
    ],
    ids=["heads the lines that follow", "stands apart", "belongs to another line"],
)
def test_other_comments_stay(body: str, step: str) -> None:
    assert step_of(body) == step
