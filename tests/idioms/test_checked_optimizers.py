"""Steps under `if optimizer is not None:`, which is no condition where there surely is an optimizer."""

from __future__ import annotations

import textwrap

import pytest

from refactorer.converter import convert_text
from refactorer.result import Converted
from tests.fixtures_harness import Runner, first_difference

SCRIPT = """
import torch
from torch import nn, optim

torch.manual_seed(0)
loader = [(torch.randn(3, 2), torch.randn(3, 1)) for _ in range(4)]
model = nn.Linear(2, 1)


def pick(name):
    if name == "adam":
        return optim.Adam(model.parameters(), lr=0.1)


class Empty(optim.SGD):
    def __len__(self):
        return 0


def train(model, optimizer, epoch):
    total = 0
    for i, (x, y) in enumerate(loader):
        loss = (model(x) - y).pow(2).mean()
STEP
        total += loss.item()
    print(epoch, total, model.weight.sum().item())


optimizer = MADE
for epoch in range(3):
    train(model, optimizer, epoch)
"""
MADE = "optim.SGD(model.parameters(), lr=0.1)"
DROP = "def drop():\n    global optimizer\n    optimizer = None\n\n\noptimizer ="
SOMETIMES = "optimizer if epoch else None, epoch)\n"
CALLS = "optimizer.zero_grad()\nloss.backward()\noptimizer.step()\n"
NOT_NONE = "if optimizer is not None:"


def under(condition: str, lines: str) -> str:
    return condition + "\n" + textwrap.indent(lines, "    ")


def script(step: str, made: str = MADE) -> str:
    return SCRIPT.replace("STEP", textwrap.indent(step.rstrip(), " " * 8)).replace("MADE", made)


CHECKED = under(NOT_NONE, CALLS)
LEFT_OUT = {
    "all calls": CHECKED,
    "another comparison": under("if optimizer != None:", CALLS),
    "its truth": under("if optimizer:", CALLS),
    "each call": under(NOT_NONE, "optimizer.zero_grad()\n") + "loss.backward()\n" + under(NOT_NONE, "optimizer.step()"),
    "cleared behind": under(NOT_NONE, "loss.backward()\noptimizer.step()\noptimizer.zero_grad()\n"),
    "a batch that is left": under(NOT_NONE, "if i == 1:\n    continue\n" + CALLS),
    "on one line": NOT_NONE + " optimizer.zero_grad(); loss.backward(); optimizer.step()\n",
}
ASKED = {
    "an else": (script(CHECKED + "else:\n    print('no step')\n"), "if self.optimizer is None:"),
    "more to it": (script(under("if optimizer is not None and i != 1:", CALLS)), "if not (self.optimizer is not None"),
    "something else": (script(under("if model is not None and i >= 0:", CALLS)), "if not (self.model is not None"),
    "a class that says what it is": (
        script(under("if optimizer:", CALLS), "Empty(model.parameters(), lr=0.1)"),
        "if not self.optimizer:",
    ),
}
KEPT = {
    "a function that may return nothing": script(CHECKED, "pick('adam')"),
    "a function that returns nothing": script(CHECKED, "pick('sgd')"),
    "no optimizer": script(CHECKED, "None"),
    "an optimizer in some epochs": script(CHECKED).replace("optimizer, epoch)\n", SOMETIMES),
    "dropped in the training": script(CHECKED) + "    optimizer = None\n",
    "dropped by a function": script(CHECKED).replace("optimizer =", DROP) + "    drop()\n",
    "an epoch without, perhaps": script(CHECKED) + "    train(model, None if epoch < 9 else optimizer, epoch)\n",
}  # fmt: skip


@pytest.mark.parametrize("step", LEFT_OUT.values(), ids=LEFT_OUT)
def test_a_check_of_what_is_surely_there_is_left_out(step: str, runner: Runner) -> None:
    after = _compared(script(step), runner)
    assert "automatic_optimization" not in after and "return optim.SGD(" in after


@pytest.mark.parametrize(("text", "line"), ASKED.values(), ids=ASKED)
def test_a_condition_that_may_not_hold_is_asked(text: str, line: str, runner: Runner) -> None:
    assert line in _compared(text, runner)


@pytest.mark.parametrize("text", KEPT.values(), ids=KEPT)
def test_a_condition_stays(text: str, runner: Runner) -> None:
    assert "automatic_optimization = False" in _compared(text, runner)


def test_comments_stay() -> None:
    step = (
        "\n# above\n"
        + CHECKED.replace(":\n", ":  # here\n", 1).replace("    loss", "    # back\n    loss")
        + "    # end\n"
    )
    result = convert_text(script(step))
    assert isinstance(result, Converted) and "automatic_optimization" not in result.after
    assert all(result.after.count(comment) == 1 for comment in ("# above", "# here", "# back", "# end"))


def _compared(text: str, runner: Runner) -> str:
    result = convert_text(text)
    assert isinstance(result, Converted), result.diagnostics
    before = runner.run(text)
    assert not before.status, before.error
    assert first_difference(before, runner.run(result.after)) is None
    return result.after
