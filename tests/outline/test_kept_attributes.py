"""Attributes that methods set, and that mean one object while the training runs all the same."""

from __future__ import annotations

import pytest

from refactorer.converter import convert_text
from refactorer.result import Converted
from tests.fixtures_harness import Runner, first_difference

SCRIPT = """
import functools
import torch
from torch import nn, optim
{imports}
torch.manual_seed(0)
points = torch.randn(18, 3)
loader = [(points[i : i + 4], (points[i : i + 4].sum(1) > 0).long()) for i in range(0, 18, 4)]


class Solver:
    {kind}

    def __init__(self, lr=0.1):
        self.net = nn.Sequential(nn.Linear(3, 5), nn.Dropout(0.2), nn.Linear(5, 2))
        self.lr, self.seen = lr, 0
        self.optimizer = None
        {made}

    def renew(self, *more):
        if self.lr:
            self.optimizer = optim.SGD(self.net.parameters(), self.lr, momentum=0.9)
        return self.lr

    {method}

    def train(self):
        if self.optimizer is None:
            self.renew()
        {front}
        for epoch in range(2):
            {first}
            for x, y in loader:
                self.optimizer.zero_grad()
                loss = nn.functional.cross_entropy(self.net(x), y)
                loss.backward()
                self.optimizer.step()
                {line}
                print(loss.item(), torch.rand(1).item())
        {behind}


{functions}
solver = Solver()
{driver}
solver.train()
print(sum(p.sum().item() for p in solver.net.parameters()), torch.rand(1).item())
"""
PLACES = ("imports", "kind", "made", "method", "front", "first", "line", "behind", "functions", "driver")
COUNT = "self.seen += 1"


def script(**parts: str) -> str:
    empty = {place: "" if place in ("imports", "functions", "driver") else "pass" for place in PLACES}
    return SCRIPT.format(**{**empty, **parts})


AUTOMATIC = {
    "a method of its own, called in front": script(),
    "called by the constructor": script(made="self.renew()"),
    "called behind the training": script(behind="self.renew()"),
    "called by the driver": script(driver="solver.renew()"),
    "called by a method that the training does not call": script(method="def reset(self): self.renew()"),
    "settings that are shown": script(line="print(len(self.__dict__), self.__dict__['lr'])"),
    "a method that sets something else": script(method="def note(self): " + COUNT, line="self.note()"),
    "set by name, in front": script(front="setattr(self, 'lr', 0.5)"),
    "another constructor": script(functions="class Other:\n    def __init__(self): self.optimizer = None",
                                  line="Other()"),
    "a method of the model by the name of the training": script(first="self.net.train()"),
}  # fmt: skip
MANUAL = {
    "called by the training": script(first="self.renew()"),
    "called by a method": script(method="def note(self): self.renew()", line="self.note()"),
    "called by a function": script(functions="def note(owner): owner.renew()", line="note(self)"),
    "called on another name": script(front="me = self", line="me.renew()"),
    "a value": script(front="again = self.renew", line="again()"),
    "a value of the constructor": script(made="self.again = self.renew", line="self.again()"),
    "partial": script(made="self.again = functools.partial(self.renew)", line="self.again()"),
    "a lambda": script(made="self.again = lambda: self.renew()", line="self.again()"),
    "a hook": script(made="self.net.register_forward_hook(lambda *a: self.renew() and None)"),
    "a generator": script(method="def batches(self):\n        for _ in range(9):\n            yield self.renew()",
                          front="rates = self.batches()", line="next(rates)"),
    "a generator expression": script(front="rates = (self.renew() for _ in range(20))", line="next(rates)"),
    "a text": script(line="getattr(self, 'renew')()"),
    "a text that is not written out": script(line="getattr(self, 're' + 'new')()"),
    "a text in the constructor": script(made="self.again = getattr(self, 're' + 'new')", line="self.again()"),
    "a property": script(method="@property\n    def again(self):\n        return self.renew()", line="self.again"),
    "a protocol": script(method="def __len__(self):\n        self.renew()\n        return 3", line="len(self)"),
    "a call": script(method="def __call__(self):\n        self.renew()", line="self()"),
    "an alias": script(method="again = renew", line="self.again()"),
    "set by name": script(line="setattr(self, 'optimizer', optim.SGD(self.net.parameters(), 0.1))"),
    "set in the dictionary": script(line="self.__dict__['optimizer'] = optim.SGD(self.net.parameters(), 0.1)"),
    "set by a method by name": script(method="def note(self): setattr(self, 'opti' + 'mizer', None)",
                                      line="if self.seen: self.note()"),
    "a callback": script(functions="class Callback:\n    def done(self, owner): owner.renew()",
                         made="self.callbacks = [Callback()]", line="for c in self.callbacks: c.done(self)"),
    "a callback that knows it": script(functions="class Callback:\n    def __init__(self, owner): self.owner = owner\n"
                                       "    def done(self): self.owner.renew()",
                                       made="self.callback = Callback(self)", line="self.callback.done()"),
    "another constructor sets it": script(functions="class Again:\n    def __init__(self, owner):\n"
                                          "        owner.optimizer = optim.SGD(owner.net.parameters(), 0.1)",
                                          line="Again(self)"),
    "an object that is shown": script(imports="from elsewhere import watch", made="watch(self)"),
    "a base class of another file": script(imports="from elsewhere import Base").replace("Solver:", "Solver(Base):"),
    "a property of its name": script(kind="optimizer = property(lambda self: self.kept)"),
    "never surely set": script().replace("        self.optimizer = None\n", ""),
}  # fmt: skip


@pytest.mark.parametrize("text", AUTOMATIC.values(), ids=AUTOMATIC)
def test_the_trainer_steps_it(text: str, runner: Runner) -> None:
    result = convert_text(text)
    assert isinstance(result, Converted) and "automatic_optimization = False" not in result.after
    before = runner.run(text)
    assert not before.status, before.error
    assert first_difference(before, runner.run(result.after)) is None


@pytest.mark.parametrize("text", MANUAL.values(), ids=MANUAL)
def test_the_script_steps_it(text: str) -> None:
    result = convert_text(text)
    assert isinstance(result, Converted) and "automatic_optimization = False" in result.after
