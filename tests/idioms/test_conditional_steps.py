"""Steps under a condition: batches that do not meet it are left, but for the lines behind the condition."""

from __future__ import annotations

import textwrap

import pytest

from refactorer.converter import convert_text
from refactorer.result import Converted
from tests.fixtures_harness import Runner, first_difference

SCRIPT = """
import operator
from types import SimpleNamespace
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
data = DataLoader(TensorDataset(torch.randn(14, 4), torch.randn(14, 2)), batch_size=3, shuffle=True)
net = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.3), nn.Linear(8, 2))
optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 3, 0.5)
limits = SimpleNamespace(first=0)
still = operator.methodcaller("eval")
seen = []
for epoch in range(2):
    for i, (x, y) in enumerate(data):
BODY
    print(epoch, len(seen), optimizer.param_groups[0]["lr"])
print(seen, sum(p.sum().item() for p in net.parameters()), torch.rand(1))
"""
LOSS = "loss = nn.functional.mse_loss(net(x), y)\n"
STEP = "optimizer.zero_grad()\nloss.backward()\noptimizer.step()\n"


def under(condition: str, *lines: str) -> str:
    return f"if {condition}:\n" + textwrap.indent("".join(lines), "    ")


AUTOMATIC = {
    "enough": (under("len(x) > 2", LOSS, STEP), "if not len(x) > 2:"),
    "a loss that is a number": (LOSS + under("torch.isfinite(loss)", STEP), "if not torch.isfinite(loss):"),
    "nested": (under("epoch or i > 1", under("i % 2 == 0", LOSS, STEP)), "if batch_idx % 2 != 0:"),
    "an else": (LOSS + under("i not in (1, 2)", STEP) + under("x", "seen.append(i)\n").replace("if x", "else"),
                "if batch_idx in (1, 2):\n            seen.append(batch_idx)\n            return None"),
    "an else that leaves": (LOSS + under("not i == 3", STEP) + under("x", "break\n").replace("if x", "else"),
                            "if batch_idx == 3:\n            self.stop_epoch()\n            return None\n"),
    "a scheduler for each batch": (LOSS + under("i != 1", STEP, "scheduler.step()\n"), "if batch_idx == 1:"),
    "lines behind the step": (LOSS + under("i != 1", STEP, "seen.append(net[0].bias.sum().item())\n"),
                              "        if not outputs:\n            return"),
    "gradients are cleared in any case": (
        "optimizer.zero_grad()\n" + LOSS + under("loss > 0.9", "loss.backward()\noptimizer.step()\n"), "if not"),
    "cleared behind the step": (LOSS + under("i != 1", "loss.backward()\noptimizer.step()\noptimizer.zero_grad()\n"),
                                "if batch_idx == 1:"),
    "on one line": (LOSS + "if i != 1: optimizer.zero_grad(); loss.backward(); optimizer.step()\n", "if batch_idx =="),
    "never": (LOSS + under("i > 99", STEP), "if not batch_idx > 99:"),
}  # fmt: skip
BEHIND = "seen.append(net[0].bias.sum().item())\n"
ALWAYS = {
    "lines behind the condition": LOSS + under("i != 1", STEP) + BEHIND,
    "lines of both kinds": under("i != 1", LOSS, STEP, BEHIND, "print(torch.rand(1))\n") + "print(len(seen))\n",
    "nested": under("i > 0", under("i % 2 == 0", LOSS, STEP), BEHIND) + "print(epoch, i, len(seen))\n",
    "a setting": under("i > limits.first", under("i % 2 == 0", LOSS, STEP), "# behind\n", BEHIND),
    "a loss that is left": "loss = None\n" + under("i != 1", LOSS, STEP) + "print(loss is None)\n",
    "a loss of another batch": under("i == 0", "kept = y\n") + under("i != 1", LOSS, STEP, "kept = loss\n")
    + "print(kept.sum().item())\n",
    "the batch": "x = x * 2\n" + under("i != 1", LOSS, STEP) + "seen.append(x.sum().item() + y.sum().item())\n",
    "a break": LOSS + under("i != 1", STEP) + "print(i)\n" + under("i == 2", "seen.append(i)\n", "break\n") + BEHIND,
    "an else": LOSS + under("i != 1", STEP) + under("i", "print('left')\n").replace("if i", "else") + BEHIND,
    "a scheduler for all batches": LOSS + under("i != 1", STEP) + "scheduler.step()\n" + BEHIND,
    "a scheduler for some batches": LOSS + under("i != 1", STEP, "scheduler.step()\n") + BEHIND,
    "a draw": LOSS + under("i != 1", STEP) + "print(torch.rand(1))\n",
    "an evaluation": under("i != 1", LOSS, STEP) + "net.eval()\nwith torch.no_grad():\n    for a, b in data:\n"
    "        seen.append(net(a).sum().item())\nnet.train()\n",
    "clipping": under("i != 1", LOSS, "optimizer.zero_grad()\nloss.backward()\n",
                      "nn.utils.clip_grad_norm_(net.parameters(), 0.1)\noptimizer.step()\n") + BEHIND,
}  # fmt: skip
MANUAL = {
    "batches that are left in front": under("epoch", "continue\n") + under("i != 1", LOSS, STEP) + BEHIND,
    "batches that are left inside": under("i != 1", LOSS, under("loss > 9", "continue\n"), STEP) + BEHIND,
    "an else that leaves": LOSS + under("i != 1", STEP) + under("i", "continue\n").replace("if i", "else") + BEHIND,
    "a condition that changes": under("len(seen) < 3", under("i != 1", LOSS, STEP), BEHIND) + BEHIND,
    "a counter that changes": "k = i\n" + under("k < 3", under("i != 1", LOSS, STEP, "k = 4\n"), BEHIND),
    "a setting that changes": under("i >= limits.first", under("i != 2", LOSS, STEP, "limits.first = 9\n"), BEHIND)
    + under("i == 2", "limits.first = 0\n"),
    **{f"a setting that changes by {how.split('(')[0]}": under(
        "i >= limits.first", under("i != 2", LOSS, STEP, how + "\n"), BEHIND) + under("i == 2", "limits.first = 0\n")
       for how in ("vars(limits).update(first=9)", "limits.__dict__['first'] = 9", "setattr(limits, 'first', 9)",
                   "limits.first, _ = 9, 0", "for limits.first in (8, 9): pass")},
    "an object that changes itself": under("net.training", under("i != 2", LOSS, STEP, "net.eval()\n"), BEHIND)
    + "net.train()\n",
    "an object that others change": under("net.training", under("i != 2", LOSS, STEP, "still(net)\n"), BEHIND)
    + "net.train()\n",
    "gradients that are seen": under("i != 1", LOSS, STEP) + "print(net[0].bias.grad is None)\n",
    "gradients of other batches are clipped": under("i != 1", LOSS, STEP)
    + "print(nn.utils.clip_grad_norm_(net.parameters(), 9.0))\n",
    "another condition": LOSS + under("i == 1", STEP) + "elif i == 2:\n    seen.append(i)\n",
    "cleared behind the condition": LOSS + under("i != 1", "loss.backward()\noptimizer.step()\n")
    + "optimizer.zero_grad()\n",
    "only the step": LOSS + "optimizer.zero_grad()\nloss.backward()\n" + under("i != 1", "optimizer.step()\n"),
    "only the backward pass": "optimizer.zero_grad()\n" + LOSS + under("i != 1", "loss.backward()\n")
    + "optimizer.step()\n",
    "only clearing and the backward pass": LOSS
    + under("i != 1", "optimizer.zero_grad()\nloss.backward()\n") + "optimizer.step()\n" + BEHIND,
    "a step behind an inner condition": under(
        "i != 1", LOSS, "optimizer.zero_grad()\n", under("epoch", "loss.backward()\n"), "optimizer.step()\n") + BEHIND,
    "a loop": "while not seen or seen[-1] != (epoch, i):\n"
    + textwrap.indent(LOSS + STEP + "seen.append((epoch, i))\n", "    ") + "seen.append((epoch, i))\n",
}  # fmt: skip


@pytest.mark.parametrize(("body", "line"), AUTOMATIC.values(), ids=AUTOMATIC)
def test_other_batches_are_left(body: str, line: str, runner: Runner) -> None:
    after = _compared(body, runner)
    assert line in after and "automatic_optimization = False" not in after


@pytest.mark.parametrize("body", ALWAYS.values(), ids=ALWAYS)
def test_lines_behind_the_condition_run_for_batches_that_are_left(body: str, runner: Runner) -> None:
    after = _compared(body, runner)
    assert "def on_train_batch_end" in after and "automatic_optimization = False" not in after


@pytest.mark.parametrize("body", MANUAL.values(), ids=MANUAL)
def test_the_literal_form_stays(body: str, runner: Runner) -> None:
    assert "automatic_optimization = False" in _compared(body, runner)


def test_comments_stay() -> None:
    lines = under("i != 1", "# clear\n", STEP.rstrip(), "  # go\n# end\n").replace("i != 1:", "i != 1:  # here")
    result = convert_text(SCRIPT.replace("BODY", textwrap.indent(LOSS + "# above\n" + lines, " " * 8)))
    assert isinstance(result, Converted)
    assert "        # above\n        if batch_idx == 1:  # here\n" in result.after
    assert all(result.after.count(comment) == 1 for comment in ("# clear", "# go", "# end"))


def _compared(body: str, runner: Runner) -> str:
    text = SCRIPT.replace("BODY", textwrap.indent(body.rstrip(), " " * 8))
    result = convert_text(text)
    assert isinstance(result, Converted), result.diagnostics
    before = runner.run(text)
    assert not before.status, before.error
    assert first_difference(before, runner.run(result.after)) is None
    return result.after
