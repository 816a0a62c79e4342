"""Backward passes of the script's own become the module's `backward`."""

from __future__ import annotations

import textwrap

import pytest

from refactorer.converter import convert_text
from refactorer.result import Converted
from tests.fixtures_harness import Runner, first_difference

SCRIPT = """
import argparse, pathlib, sys
import torch
from torch import nn, optim
pathlib.Path("mixed.py").write_text('''
import contextlib
@contextlib.contextmanager
def scale_loss(loss, optimizer):
    yield loss * 8
    for group in optimizer.param_groups:
        for p in group["params"]:
            p.grad /= 8
''')
sys.path.insert(0, ".")
from mixed import scale_loss

torch.manual_seed(0)
points = torch.randn(18, 3)
loader = [(points[i : i + 4], (points[i : i + 4].sum(1) > 0).long()) for i in range(0, 18, 4)]
args = argparse.Namespace(twice=False, amp=True)
one = torch.ones(())


class Fussy:
    def __bool__(self):
        print("asked")
        return True


fussy = Fussy()
model = nn.Sequential(nn.Linear(3, 5), nn.Dropout(0.2), nn.Linear(5, 2))
optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
{before}
for epoch in range(2):
    total = 0.0
    for i, (x, y) in enumerate(loader):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x), y{arguments})
{backward}
        optimizer.step()
        {behind}
        total += loss.sum().item()
    print(epoch, total, torch.rand(1).item())
{after}
"""
SCALED = "with scale_loss(loss, optimizer) as scaled:\n    scaled.backward()"


def script(backward: str, behind: str = "pass", before: str = "", after: str = "", arguments: str = "") -> str:
    indented = textwrap.indent(backward, " " * 8)
    return SCRIPT.format(backward=indented, behind=behind, before=before, after=after, arguments=arguments)


HOOKS = {
    "keeps the graph": script("loss.backward(retain_graph=True)"),
    "keeps the graph, by a setting": script("loss.backward(retain_graph=args.twice)"),
    "is given a gradient": script("loss.backward(one)"),
    "is given a gradient like the loss": script("loss.backward(torch.ones_like(loss))", arguments=", reduction='none'"),
    "scaled": script(SCALED),
    "scaled under a condition": script(f"if args.amp:\n{textwrap.indent(SCALED, '    ')}\nelse:\n    loss.backward()"),
    "in a block": script("with torch.autograd.set_detect_anomaly(True):\n    loss.backward()"),
    "read behind the step": script("loss.backward(one)", behind="print(loss, optimizer.param_groups[0]['lr'])"),
    "read behind the training": script("loss.backward(one)", after="print(loss, total)"),
    "by a condition that prints": script("if fussy:\n    loss.backward()\nelse:\n    loss.backward()"),
    "by a condition that nobody has bound": script(
        "if unknown:\n    loss.backward()\nelse:\n    loss.backward()", before="import sys; sys.excepthook = print"),
    "by a condition of three branches": script(
        "if args.twice:\n    pass\nelif epoch:\n    loss.backward(one)\nelse:\n    loss.backward(retain_graph=True)"),
    "one that fails": script("loss.backward(torch.ones(3))", before="import sys; sys.excepthook = print"),
}  # fmt: skip
ALIKE = {
    "the same in each branch": script("if args.amp:\n    loss.backward()\nelse:\n    loss.backward()"),
    "the same in three branches": script(
        "if epoch:\n    loss.backward()\nelif args.amp:\n    pass\n    loss.backward()\nelse:\n    loss.backward()"),
}  # fmt: skip
MANUAL = {
    "without else": script("if args.amp:\n    loss.backward()\nprint(x)"),
    "a number of the batch": script("loss.backward(retain_graph=i == 3)"),
    "a part of the batch": script("loss.backward(x.new_ones(()))"),
    "another value of the step": script("again = epoch == 0\nloss.backward(retain_graph=again)"),
    "another loss": script("other = loss * 2\nif args.amp:\n    other.backward()\nelse:\n    loss.backward()"),
    "changes the loss": script("if args.amp:\n    loss = loss * 2\n    loss.backward()\nelse:\n    loss.backward()"),
    "more in a branch": script("if args.amp:\n    loss.backward()\nelse:\n    loss.backward()\n    print(x)"),
    "what it binds is used": script(SCALED, behind="print(scaled)"),
    "two of them": script("loss.backward(retain_graph=True)\nloss.backward()"),
    "in a loop": script("for _ in range(2):\n    loss.backward(retain_graph=True)"),
    "an expression": script("(loss * 2).backward(retain_graph=True)"),
    "by an object made in the step": script(
        "again = Fussy()\nif again:\n    loss.backward()\nelse:\n    loss.backward()"),
    "binds in its arguments": script("loss.backward(retain_graph=(again := True))"),
}  # fmt: skip


@pytest.mark.parametrize("text", HOOKS.values(), ids=HOOKS)
def test_the_module_computes_its_gradients(text: str, runner: Runner) -> None:
    assert "    def backward(self, loss):\n" in _compared(text, runner)


@pytest.mark.parametrize("text", ALIKE.values(), ids=ALIKE)
def test_branches_that_are_alike_are_the_trainers(text: str, runner: Runner) -> None:
    after = _compared(text, runner)
    assert "backward" not in after


@pytest.mark.parametrize("text", MANUAL.values(), ids=MANUAL)
def test_the_script_computes_its_gradients(text: str) -> None:
    result = convert_text(text)
    assert isinstance(result, Converted) and "automatic_optimization = False" in result.after


def test_two_trainings(runner: Runner) -> None:
    text = script("loss.backward(one)")
    again = text[text.index("for epoch in") :]
    assert _compared(text + again, runner).count("    def backward(self, loss):\n") == 2
    manual = again.replace("optimizer.step()", "optimizer.step(); optimizer.step()")
    result = convert_text(text + manual)
    assert isinstance(result, Converted) and "self.manual_backward(loss, one)" in result.after


def _compared(text: str, runner: Runner) -> str:
    result = convert_text(text)
    assert isinstance(result, Converted), result.diagnostics
    assert "automatic_optimization = False" not in result.after
    assert first_difference(runner.run(text), runner.run(result.after)) is None
    return result.after
