"""Optimizers of objects that the file does not make: a base class of another file, or a method of the constructor."""

from __future__ import annotations

import textwrap

import pytest

from refactorer.converter import convert_text
from refactorer.result import Converted
from tests.fixtures_harness import Runner, first_difference

BASE = '''
import pathlib, sys
pathlib.Path("base.py").write_text("""
import torch
class Base:
    def __init__(self, model, lr):
        self.model, self.lr, self.seen = model, lr, []
        self.optimizer = torch.optim.SGD(model.parameters(), lr=lr, momentum=0.9)
        self.loss = torch.nn.CrossEntropyLoss()
    def again(self, n=0):
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=0.01)
        return n
def renew(owner):
    owner.optimizer = torch.optim.SGD(owner.model.parameters(), lr=0.01)
""")
sys.path.insert(0, ".")
import torch
from torch import nn, optim
import base
from base import Base

torch.manual_seed(0)
points = torch.randn(18, 3)
loader = [(points[i : i + 4], (points[i : i + 4].sum(1) > 0).long()) for i in range(0, 18, 4)]


class Fitter(Base):
    {kept}

    def _epoch(self, epoch):
        total = 0.0
        for i, (x, y) in enumerate(loader):
            self.optimizer.zero_grad()
            output = self.model(x)
            loss = self.loss(output, y)
            loss.backward()
            self.optimizer.step()
            total += loss.item()
            {line}
        return total

    def note(self, i):
        self.seen.append(i)
        {note}


fitter = Fitter(nn.Sequential(nn.Linear(3, 5), nn.Dropout(0.2), nn.Linear(5, 2)), 0.1)
for epoch in range(2):
    print(epoch, fitter._epoch(epoch), fitter.seen, torch.rand(1).item())
'''
MADE = """
import torch
from torch import nn, optim

torch.manual_seed(0)
points = torch.randn(18, 3)
loader = [(points[i : i + 4], (points[i : i + 4].sum(1) > 0).long()) for i in range(0, 18, 4)]


class Solver:
    def __init__(self, lr=0.1):
        self.net = self.optimizer = None
        self.lr = lr
        self.build()

    def build(self):
        self.net = nn.Sequential(nn.Linear(3, 5), nn.Dropout(0.2), nn.Linear(5, 2))
        {maker}

    def reset(self):
        {reset}

    def train(self):
        {first}
        for epoch in range(2):
            for x, y in loader:
                loss = nn.functional.cross_entropy(self.net(x), y)
                self.reset()
                loss.backward()
                self.optimizer.step()
                print(loss.item(), torch.rand(1).item())
                {line}
            {last}
        {behind}


solver = Solver()
solver.train()
print(sum(p.sum().item() for p in solver.net.parameters()))
"""
MAKER = "self.optimizer = optim.Adam(self.net.parameters(), self.lr)"


def based(line: str = "pass", note: str = "pass", kept: str = "kind = 1") -> str:
    return BASE.format(line=line, note=note, kept=kept)


def made(line: str = "pass", last: str = "pass", first: str = "pass", behind: str = "pass", maker: str = MAKER,
         reset: str = "self.net.zero_grad()") -> str:  # fmt: skip
    return MADE.format(line=line, last=last, first=first, behind=behind, maker=maker, reset=reset)


AUTOMATIC = {
    "a base class of another file": based(),
    "its own method": based("self.note(i)"),
    "its own method, which trains no other": based("self.note(i)", "print(self.optimizer.param_groups[0]['lr'])"),
    "a learning rate": based("self.optimizer.param_groups[0]['lr'] *= 0.9"),
    "left in the middle": based("if i == 2: break"),
    "made by a method of the constructor": made(),
    "cleared by its optimizer": made(reset="self.optimizer.zero_grad()"),
    "cleared with zeros": made(reset="for p in self.net.parameters(): p.grad = torch.zeros_like(p)"),
    "not cleared at all": made(reset="pass"),
    "made anew in front": made(first="self.build()"),
    "made anew behind": made(behind="self.build()"),
    "left behind an epoch": made(last="if epoch == 0: return"),
    "made under a condition": made(maker="if self.lr:\n            " + MAKER),
}
MANUAL = {
    "a method of the base class": based("self.again()"),
    "a method of the base class, for a number": based("n = self.again(i)\n            print(n)"),
    "a method of the base class, in its own method": based("self.note(i)", "self.again()"),
    "handed on": based("base.renew(self)"),
    "handed on by its own method": based("self.note(i)", "base.renew(self)"),
    "kept by another name": based("me = self\n            me.again()"),
    "an attribute of the class": based(kept="optimizer = None"),
    "made anew for each epoch": made(last="self.build()"),
    "made anew for a batch": made(line="if len(x) < 4: self.build()"),
    "made anew by its name": made(last='getattr(self, "bui" + "ld")()'),
    "made anew by a text": made(first="from operator import methodcaller", last='methodcaller("build")(self)'),
    "set elsewhere": made(last="self.optimizer = optim.SGD(self.net.parameters(), lr=0.1)"),
}


@pytest.mark.parametrize("text", AUTOMATIC.values(), ids=AUTOMATIC)
def test_the_trainer_steps_it(text: str, runner: Runner) -> None:
    assert "automatic_optimization = False" not in _compared(text, runner)


@pytest.mark.parametrize("text", MANUAL.values(), ids=MANUAL)
def test_the_script_steps_it(text: str) -> None:
    result = convert_text(text)
    assert isinstance(result, Converted) and "automatic_optimization = False" in result.after


def test_an_object_that_is_handed_in() -> None:
    text = textwrap.dedent("""
        import torch
        from data import loader
        def fit(agent):
            for x, y in loader:
                agent.optimizer.zero_grad()
                loss = agent.loss(agent.model(x), y)
                loss.backward()
                agent.optimizer.step()
                LINE
    """)
    for line, automatic in (("print(loss)", True), ("agent.move()", False), ("show(agent)", False)):
        result = convert_text(text.replace("LINE", line))
        assert isinstance(result, Converted)
        assert ("return self.agent.optimizer" in result.after) is automatic


def _compared(text: str, runner: Runner) -> str:
    result = convert_text(text)
    assert isinstance(result, Converted), result.diagnostics
    before = runner.run(text)
    assert not before.status, before.error
    assert first_difference(before, runner.run(result.after)) is None
    return result.after
