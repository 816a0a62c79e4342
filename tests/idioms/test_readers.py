"""Code that reads gradients: where it stands, and when it may read them although the Trainer clears and steps."""

from __future__ import annotations

import pytest

from refactorer.converter import convert_text
from refactorer.options import Options
from refactorer.result import Converted
from tests.fixtures_harness import Runner, first_difference

SCRIPT = """
import pathlib, sys
pathlib.Path("aside.py").write_text("net = None\\ndef shrink(n=1):\\n    for p in net.parameters():\\n"
                                    "        p.grad = None if p.grad is None else p.grad * 0.5 * n\\n")
sys.path.insert(0, ".")
import torch
from torch import nn
import aside
from aside import shrink
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
data = DataLoader(TensorDataset(torch.randn(8, 4), torch.randn(8, 2)), batch_size=3, shuffle=True)
net = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Dropout(0.3), nn.Linear(8, 2))
aside.net = net
optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9, weight_decay=0.01)
kept = []


def sparse(factor=0.01):
    for layer in net.modules():
        if isinstance(layer, nn.BatchNorm1d):
            layer.weight.grad.add_(factor * torch.sign(layer.weight))


def norm():
    return sum(p.grad.abs().sum().item() for p in net.parameters() if p.grad is not None)


def shown():
    print("norm", norm())


def through():
    shrink()


{front}
for epoch in range(2):
    for i, (x, y) in enumerate(data):
        {first}
        loss = nn.functional.mse_loss(net(x), y)
        optimizer.zero_grad()
        loss.backward()
        {between}
        optimizer.step()
        {behind}
    print(epoch, loss.item())
    {last}
{end}
"""
MORE = "for _ in range(2):\n    loss = net(torch.randn(3, 4)).sum()\n    loss.backward()\n    optimizer.step()\n"


def script(**parts: str) -> str:
    names = ("front", "first", "between", "behind", "last", "end")
    return SCRIPT.format(**{name: parts.get(name, "pass") for name in names})


PLAIN = """
import torch
net = torch.nn.Linear(2, 1)
data = torch.utils.data.DataLoader(torch.randn(9, 2), batch_size=3)
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
for epoch in range(2):
    for x in data:
        optimizer.zero_grad()
        loss = net(x).sum()
        print({look})
        loss.backward()
        optimizer.step()
"""
IN_HOOK = {
    "a function": script(between="sparse()"),
    "under a condition": script(between="if epoch:\n            sparse(0.1)"),
    "a function that calls it": script(between="shown()"),
    "a value that is kept": script(between="kept.append(norm())", end="print(kept)"),
    "a function of another file": script(between="shrink()"),
    "a function of another file, with a number": script(between="shrink(i)"),
    "a function of another file, in an own one": script(between="through()"),
    "clipping of its own": script(between="for p in net.parameters(): p.grad.clamp_(-0.01, 0.01)"),
    "and in front of the training": script(front="net(torch.randn(3, 4)).sum().backward()\nprint(net[0].weight.grad)",
                                           between="sparse()"),
    "and behind the training": script(between="sparse()", end="print(net[0].weight.grad)"),
}  # fmt: skip
BEHIND = {
    "behind the step": script(behind="shown()"),
    "the training is over": script(end="shown()"),
}
MANUAL = {
    "in front of the forward pass": script(first="shown()"),
    "two places": script(first="print(norm())", between="print(norm())"),
    "at the end of the epoch too": script(between="shown()", last="shown()"),
    "a name for it": script(front="look = shown", between="shown()", last="look()"),
    "a hook": script(front="net[0].weight.register_hook(lambda g: print(g.sum(), norm()))"),
    "left batches, and a look behind": script(first="if i == 2: continue", end="shown()"),
}
ACCUMULATED = """
        if (i + 1) % 2 == 0:
            {under}
            optimizer.step()
            optimizer.zero_grad()
"""


@pytest.mark.parametrize("text", IN_HOOK.values(), ids=IN_HOOK)
def test_between_backward_and_step(text: str, runner: Runner) -> None:
    after = _compared(text, runner)
    assert "def on_before_optimizer_step(" in after and "def optimizer_zero_grad(" not in after


@pytest.mark.parametrize("text", BEHIND.values(), ids=BEHIND)
def test_behind_the_step(text: str, runner: Runner) -> None:
    assert "def optimizer_zero_grad(" not in _compared(text, runner)


@pytest.mark.parametrize("text", MANUAL.values(), ids=MANUAL)
def test_anywhere_else_the_script_steps_itself(text: str, runner: Runner) -> None:
    _compared(text, runner, automatic=False)


@pytest.mark.parametrize("look", ["net.weight.grad", "getattr(net.weight, 'grad')"])
def test_lightning_clears_just_in_front_of_backward(look: str) -> None:
    early = PLAIN.format(look=look)
    made = [convert_text(early, options=Options(target=target)) for target in ("runtime", "lightning")]
    assert [isinstance(result, Converted) and "automatic_optimization = False" in result.after for result in made] == [
        False,
        True,
    ]


@pytest.mark.parametrize(("every", "under"), [("", "sparse()"), ("sparse()", "pass")])
def test_gradients_that_are_added_up(every: str, under: str, runner: Runner) -> None:
    text = script(between=(every + ACCUMULATED.format(under=under)).strip())
    text = text.replace("        optimizer.step()\n        pass\n", "")
    text = text.replace("        optimizer.zero_grad()\n        loss.b", "        loss.b")
    text = text[: text.index("def norm")] + text[text.index("def through") :]
    assert ("def on_after_backward(" in _compared(text, runner)) is bool(every)


def _compared(text: str, runner: Runner, automatic: bool = True) -> str:
    result = convert_text(text)
    assert isinstance(result, Converted), result.diagnostics
    assert ("self.automatic_optimization = False" not in result.after) is automatic
    before = runner.run(text)
    assert not before.status, before.error
    assert first_difference(before, runner.run(result.after)) is None
    return result.after
