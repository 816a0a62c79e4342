"""Gradients that the script clears by other objects than its optimizer: `optimizer_zero_grad` of the module."""

from __future__ import annotations

import textwrap

import pytest

from refactorer.converter import convert_text
from refactorer.result import Converted
from tests.fixtures_harness import Runner, first_difference

HEAD = """
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
data = DataLoader(TensorDataset(torch.randn(7, 4), torch.randn(7, 2)), batch_size=3, shuffle=True)
net = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.3))
own, head, other = nn.Linear(4, 8), nn.Linear(8, 2), nn.Linear(4, 8)
kinds = {"sgd": torch.optim.SGD, "lbfgs": torch.optim.LBFGS}
optimizer = kinds["sgd"]([*net.parameters(), *head.parameters(), *own.parameters()], lr=0.1, momentum=0.9)
"""
LOUD = """
class Own(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = nn.Linear(4, 8)
    def forward(self, x):
        return self.inner(x)
    def zero_grad(self):
        print("clear")
        super().zero_grad()

own = Own()
"""
LOOP = """
for epoch in range(2):
    for i, (x, y) in enumerate(data):
        FIRST
        loss = nn.functional.mse_loss(head(net(x) + own(x)), y)
        THEN
        loss.backward()
        BETWEEN
        optimizer.step()
        BEHIND
    print(epoch, loss.item())
    LAST
"""
EVALUATION = """
net.eval()
total = 0.0
with torch.no_grad():
    for x, y in data:
        total += nn.functional.mse_loss(head(net(x) + own(x)), y).item()
print(total)
net.train()
"""
LATE = """
for x, y in data:
    loss = nn.functional.mse_loss(head(net(x)), y)
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()
"""


def loop(**parts: str) -> str:
    text = LOOP
    for name in ("FIRST", "THEN", "BETWEEN", "BEHIND", "LAST"):
        indent = "    " if name == "LAST" else "        "
        part = textwrap.indent(parts.get(name.lower(), "pass").strip(), indent)
        text = text.replace(f"{indent}{name}\n", part + "\n")
    return text


def guarded(text: str) -> str:
    return "try:\n" + textwrap.indent(text, "    ") + "except ValueError:\n    pass\n"


AUTOMATIC = {
    "a part of what the optimizer has": loop(first="net.zero_grad()"),
    "behind the forward pass": loop(then="net.zero_grad()"),
    "two, around the forward pass": loop(then="head.zero_grad()\nnet.zero_grad()"),
    "evaluations in between": loop(then="net.zero_grad()", last=EVALUATION),
    "zeros instead of nothing": "head(other(torch.ones(1, 4))).sum().backward()\n"
    + loop(then="net.zero_grad(set_to_none=False)\nother.zero_grad(False)"),
    "more than its name says, first in the batch": LOUD + loop(first="own.zero_grad()", then="print('forward')"),
    "a network that the optimizer does not have": loop(first="other.zero_grad()"),
    "something else that steps behind it": "class Counter:\n    n = 0\n    def step(self):\n        self.n += 1\n"
    "counter = Counter()\n" + loop(first="net.zero_grad()", behind="counter.step()\nprint(counter.n)"),
    "gradients are clipped": loop(first="net.zero_grad()",
                                  between="nn.utils.clip_grad_norm_(net.parameters(), 0.01)"),
    "an optimizer that needs a closure": 'optimizer = kinds["lbfgs"](net.parameters())\n'
    + loop(first="net.zero_grad()"),
    "a batch that is left": loop(first="if i == 1: continue", then="net.zero_grad()"),
}  # fmt: skip
IN_PLACE = {
    "under a condition": loop(first="if i: net.zero_grad()"),
    "behind the step": loop(behind="net.zero_grad()"),
    "behind the step, and the model runs behind that": loop(
        behind="net.zero_grad()\nprint(i, net(x).sum().item(), [p.grad for p in net.parameters()])"
    ),
    "behind the step, and a batch is left in between": loop(behind="if i == 1: continue\nnet.zero_grad()"),
    "behind the step, and gradients are there in front of the training": "net(torch.ones(1, 4)).sum().backward()\n"
    + loop(behind="net.zero_grad()\nprint(net(x).sum().item())"),
    "behind the step, and the epoch ends there": loop(
        first="if i == 0: continue", behind="net.zero_grad()\nprint(net(x).sum().item())\nif i == 2: break"
    ),
}
MANUAL = {
    "more than its name says": LOUD + loop(then="own.zero_grad()"),
    "one of several": "nets = [net, head]\n" + loop(first="nets[0].zero_grad()"),
    "another one for each batch": loop(first="one = (net, head)[i % 2]\none.zero_grad()"),
    "not there for sure": "if torch.rand(1) > 2:\n    more = net\n" + loop(then="print(i)\nmore.zero_grad()"),
    "a name of a parameter of the hook": "epochs = epoch = net\n" + loop(first="epoch.zero_grad()").replace(
        "for epoch", "for turn").replace("print(epoch,", "print(turn,"),
    "gradients are read": loop(first="print(net[0].bias.grad is None)", then="net.zero_grad()"),
    "a batch that is left, and gradients that are added to those of the last": loop(
        first="if i == 2: continue", then="net.zero_grad()") + LATE,
    "an exception, and gradients that are added to those of the last": guarded(loop(
        first="if epoch and i: raise ValueError", then="net.zero_grad()")) + LATE,
}  # fmt: skip


@pytest.mark.parametrize("body", AUTOMATIC.values(), ids=AUTOMATIC)
def test_the_hook_clears(body: str, runner: Runner) -> None:
    after = _compared(body, runner)
    assert "    def optimizer_zero_grad(self, epoch, batch_idx, optimizer):\n        " in after
    assert "automatic_optimization = False" not in after


@pytest.mark.parametrize("body", IN_PLACE.values(), ids=IN_PLACE)
def test_the_line_keeps_its_place(body: str, runner: Runner) -> None:
    after = _compared(body, runner)
    assert '        """The script clears the gradients itself."""\n' in after
    assert "automatic_optimization = False" not in after


@pytest.mark.parametrize("body", MANUAL.values(), ids=MANUAL)
def test_the_line_stays_in_the_step(body: str, runner: Runner) -> None:
    after = _compared(body, runner)
    assert "def optimizer_zero_grad" not in after and "automatic_optimization = False" in after


def test_a_network_that_an_unseen_base_class_holds() -> None:
    lines = loop(first="self.net.zero_grad()").replace("net(x)", "self.net(x)")
    body = "from base import Base\nclass Fit(Base):\n    def __init__(self):\n        self.x = 1\n    def fit(self):\n"
    result = convert_text(HEAD + body + textwrap.indent(lines, "        ") + "Fit().fit()\n")
    assert isinstance(result, Converted) and "optimizer):\n        self.fit_.net.zero_grad()" in result.after


def test_comments_go_with_the_line() -> None:
    result = convert_text(HEAD + loop(first="# all of it\nnet.zero_grad()  # now"))
    assert isinstance(result, Converted)
    hook = "optimizer):\n        # all of it\n        self.net.zero_grad()  # now\n"
    assert hook in result.after and result.after.count("# all of it") == result.after.count("# now") == 1


def _compared(body: str, runner: Runner) -> str:
    result = convert_text(HEAD + body)
    assert isinstance(result, Converted), result.diagnostics
    before = runner.run(HEAD + body)
    assert first_difference(before, runner.run(result.after)) is None
    return result.after
