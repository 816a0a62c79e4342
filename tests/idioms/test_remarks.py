"""Comments on calls that the Trainer makes go with them, or stand above the `return` of the loss; others stay."""

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
            FORWARD + "\n# descend well\noptimizer.zero_grad()\nloss.backward()\noptimizer.step()\n\nprint(i)\n",
            "loss = (self.model(x) - y).pow(2).mean()\n\nself.print(batch_idx)\n# descend well\nreturn loss",
        ),
        (
            FORWARD + "# descend well\noptimizer.zero_grad()\nloss.backward()\noptimizer.step()\nprint(i)\n",
            "loss = (self.model(x) - y).pow(2).mean()\nself.print(batch_idx)\n# descend well\nreturn loss",
        ),
        (
            FORWARD
            + "optimizer.zero_grad()  # clear it\nloss.backward()  # slowly\noptimizer.step()  # descend well\n",
            "loss = (self.model(x) - y).pow(2).mean()\n# clear it\n# slowly\n# descend well\nreturn loss",
        ),
        (
            "# clear first\noptimizer.zero_grad()\n\n# forward\n" + FORWARD + "loss.backward()\noptimizer.step()\n",
            "\n# forward\nloss = (self.model(x) - y).pow(2).mean()\n# clear first\nreturn loss",
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
            "# one step\nreturn (self.model(x) - y).pow(2).mean()",
        ),
        (
            "# ---- training ----\n\noptimizer.zero_grad()\n\n" + FORWARD + "loss.backward()\noptimizer.step()\n",
            "# ---- training ----\n\nreturn (self.model(x) - y).pow(2).mean()",
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


SAID = """\
# backward
# Backward and optimize
# 3. backward pass
# Step 4: update the weights!
# optimizer.zero_grad()
#loss.backward()
# Zero gradients, perform a backward pass, and update the weights.
# =================== backward =====================
# compute gradients of all variables w.r.t. the loss
# Zero your gradients for every batch!
# 反向传播
"""
TOLD = """\
# Gradients are synchronized in DDP
# loss.backward(retain_graph=True)
# do not zero the gradients
# 1.
# ----
# TODO: step
# type: ignore
# torch.nn.utils.clip_grad_norm_(model.parameters(), 1)
# scaler.step(optimizer)
# the loss of the model
# update the learning rate
# two steps
"""


@pytest.mark.parametrize("comment", SAID.splitlines())
def test_a_comment_that_says_no_more_than_the_call_goes_with_it(comment: str) -> None:
    above = f"{FORWARD}\n{comment}\noptimizer.zero_grad()\nloss.backward()\noptimizer.step()\n"
    behind = f"{FORWARD}optimizer.zero_grad()\nloss.backward()  {comment}\noptimizer.step()\n"
    assert step_of(above) == step_of(behind) == "return (self.model(x) - y).pow(2).mean()"


@pytest.mark.parametrize("comment", TOLD.splitlines())
def test_a_comment_that_says_more_stays(comment: str) -> None:
    body = f"{FORWARD}\n{comment}\noptimizer.zero_grad()\nloss.backward()\noptimizer.step()\n"
    assert step_of(body).splitlines()[-2:] == [comment, "return loss"]


def test_the_lines_of_a_comment_stay_together() -> None:
    calls = "# backward pass\n# (as in the paper)\noptimizer.zero_grad()\nloss.backward()\noptimizer.step()\n"
    assert step_of(FORWARD + calls).splitlines()[-3:] == ["# backward pass", "# (as in the paper)", "return loss"]


@pytest.mark.parametrize(
    ("body", "step"),
    [
        ("loss = model(x).sum()\nprint(loss.item())\n",
         "loss = self.model(x).sum()\nself.print(loss.item())\nreturn loss"),
        ("loss = model(x).sum()\nloss = loss / 2\n", "loss = self.model(x).sum()\nreturn loss / 2"),
        ("with torch.enable_grad():\n    loss = model(x).sum()\n",
         "with torch.enable_grad():\nloss = self.model(x).sum()\nreturn loss"),
        ("loss = total = model(x).sum()\n", "loss = total = self.model(x).sum()\nreturn loss"),
        ("# sum\nloss = model(x).sum()  # of all\n", "# sum\nreturn self.model(x).sum()  # of all"),
    ],
    ids=["printed", "again", "in a block", "two names", "with comments"],
)  # fmt: skip
def test_a_loss_that_is_only_returned_has_no_name(body: str, step: str) -> None:
    assert step_of(body + "optimizer.zero_grad()\nloss.backward()\noptimizer.step()\n") == step
