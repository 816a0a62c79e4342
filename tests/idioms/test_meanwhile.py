"""Code that sets what an optimizer is made of before the training begins, whoever runs it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from refactorer import convert
from refactorer.result import Converted
from tests.fixtures_harness import first_difference

if TYPE_CHECKING:
    from tests.fixtures_harness import Runner

SCRIPT = """\
import argparse, functools, sys
import torch
from torch import nn, optim
torch.manual_seed(0)
args = argparse.Namespace(lr=0.1, gamma=0.9, epochs=2)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(2, 1)

    def forward(self, x):
        return self.fc(x)


def change(*values):
    args.lr = 0.5


class Meter:
METHODS

    def reset(self, *values):
        args.lr = 0.5
        return self


def main():
    model = Net()
    loader = [(torch.randn(2, 2), torch.randn(2, 1)) for _ in range(3)]
    m = MADE
    optimizer = optim.SGD(model.parameters(), lr=args.lr)
    scheduler = optim.lr_scheduler.StepLR(optimizer, 1, gamma=args.gamma)
    BETWEEN
    for epoch in range(args.epochs):
        for x, y in loader:
            optimizer.zero_grad()
            loss = (model(x) - y).pow(2).mean()
            loss.backward()
            optimizer.step()
        print(epoch, loss.item())
        scheduler.step()


OTHERS
main()
"""


def script(between: str = "pass", method: str = "__init__(self, *values)", made: str = "None", others: str = "") -> str:
    methods = f"    def {method}:\n        args.lr = 0.5\n        return None"
    lines = between.replace("\n", "\n    ")
    return SCRIPT.replace("METHODS", methods).replace("MADE", made).replace("BETWEEN", lines).replace("OTHERS", others)


MADE = "object.__new__(Meter)"
SETTING = {
    "made": script("n = Meter()"),
    "made and forgotten": script("Meter()"),
    "inherited": script("Own()", others="class Own(Meter):\n    pass"),
    "by setattr": script("n = Meter()").replace("args.lr = 0.5", "setattr(args, 'lr', 0.5)"),
    "by a name": script("n = Meter('lr')")
    .replace("args.lr = 0.5\n        return", "setattr(args, *values, 1)\n        return"),
    "by its dictionary": script("n = Meter()").replace("args.lr = 0.5", "vars(args)['lr'] = 0.5"),
    "by another dictionary": script("n = Meter()").replace("args.lr = 0.5", "args.__dict__.update(lr=0.5)"),
    "by a module": script("n = Meter()").replace("args.lr = 0.5", "sys.modules[__name__].args.lr = 0.5"),
    "as another thing": script("m()", "__call__(self)", MADE),
    "called": script("m.reset()", made=MADE),
    "with": script("with m: pass", "__enter__(self)", MADE)
    .replace("def reset", "__exit__ = lambda *a: None\n\n    def reset"),
    "iterated": script("try:\n    iter(m)\nexcept TypeError:\n    pass", "__iter__(self)", MADE),
    "added": script("m + 1", "__add__(self, other)", MADE),
    "compared": script("m == 1", "__eq__(self, other)", MADE),
    "tested": script("try:\n    bool(m)\nexcept TypeError:\n    pass", "__len__(self)", MADE),
    "subscripted": script("m[0]", "__getitem__(self, place)", MADE),
    "set": script("m.value = 3", "__setattr__(self, name, value)", MADE),
    "asked": script("m.value", "value(self)", MADE).replace("    def value", "    @property\n    def value"),
    "deleted": script("del m", "__del__(self)", MADE),
    "decorated": script("@change\ndef inner(): pass"),
    "a default": script("def inner(n=change()): pass"),
    "a base": script("class Inner(Meter): pass", "__init_subclass__(cls)"),
    "another name": script("go()", others="go = change"),
    "in a dictionary": script("calls['x']()", others="calls = {'x': change}"),
    "put into a list": script("calls[0]()", others="calls = []\ncalls.append(change)"),
    "partly called": script("go()", others="go = functools.partial(change, 1)"),
    "without a name": script("go()", others="go = lambda: setattr(args, 'lr', 0.5)"),
    "mapped": script("list(map(change, [1]))"),
    "a generator": script("next(steps)", others="def generate():\n    args.lr = 0.5\n    yield 1\nsteps = generate()"),
    "a loop": script("for each in [args]: each.lr = 0.5"),
    "a target of a loop": script("for args.lr in [0.5]: pass"),
    "several targets": script("args.lr, n = 0.5, 1"),
    "a layer of what it holds": script("with m: pass", "__enter__(self)", "Meter(model)")
    .replace("args.lr = 0.5\n        return None", "self.net.fc = nn.Linear(2, 1)")
    .replace("def reset", "def __init__(self, net): self.net = net\n\n    __exit__ = lambda *a: None\n\n    def reset"),
    "by its class": script("object.__setattr__(args, 'lr', 0.5)"),
    "all variables": script("kept['args'].lr = 0.5", others="kept = globals()"),
    "of the scheduler": script("n = Meter()").replace("args.lr = 0.5", "args.gamma = 0.5"),
}  # fmt: skip
OTHERWISE = {
    "itself": script("n = Meter()").replace("args.lr = 0.5\n        return N", "self.lr = 0.5\n        return N"),
    "nothing": script("n = Meter()").replace("args.lr = 0.5\n        return N", "self.n = 0.5\n        return N"),
    "what it prints": script("print(args.lr, args)"),
    "not called": script(),
    "made before": script(made="Meter()"),
    "shown": script("print(m is None)", made="Meter()"),
    "another setting": script("args.seed = 3"),
    "its own setting": script("n = Meter()")
    .replace("args.lr = 0.5\n        return N", "setattr(self, 'a', 1)\n        return N"),
}  # fmt: skip


@pytest.mark.parametrize("text", SETTING.values(), ids=SETTING.keys())
def test_the_script_makes_the_optimizer(text: str, runner: Runner) -> None:
    assert "optimizer = optim.SGD(model.parameters()" in _checked(text, runner)


@pytest.mark.parametrize("text", OTHERWISE.values(), ids=OTHERWISE.keys())
def test_the_module_makes_the_optimizer(text: str, runner: Runner) -> None:
    assert "optimizer = optim.SGD(self.model.parameters()" in _checked(text, runner)


def _checked(text: str, runner: Runner) -> str:
    result = convert(text)
    assert isinstance(result, Converted), result
    before, after = runner.run(text), runner.run(result.after)
    assert before.status == 0, before.error
    assert first_difference(before, after) is None
    return result.after
