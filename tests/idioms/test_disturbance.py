"""What an optimizer is made of, changed through other names between its making and the training."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from refactorer import convert
from refactorer.result import Converted
from tests.fixtures_harness import first_difference

if TYPE_CHECKING:
    from tests.fixtures_harness import Runner

SCRIPT = """\
import logging
import operator
import torch
from argparse import Namespace
from torch import nn, optim

torch.manual_seed(0)
args = Namespace(lr=0.1, folder='runs', part=Namespace(decay=0.1))
model = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))
loader = [(torch.randn(2, 2), torch.randn(2, 1)) for _ in range(3)]


class Holder:
    def __init__(self, kept):
        self.kept = kept
        self.seen = 0

    def change(self):
        self.kept.lr = 0.5


class Reader:
    def __init__(self, options):
        self.options = options
        self.lr = options.lr


class Swapper:
    def __init__(self, m):
        m.weight = nn.Parameter(torch.ones(1, 3))


class Tuner:
    def __init__(self, options):
        self.lr = options.lr
        options.lr = 0.5


def swap(m):
    m.weight = nn.Parameter(torch.ones(1, 3))


def count(n):
    return len(n)


layer = model[1]
kids = list(model.children())
holder = Holder(layer)
cfg = args
run = Holder(args)
both = [cfg, 3]
part = args.part
folder = args.folder
options = vars(args)
optimizer = optim.SGD(model.parameters(), lr=args.lr, weight_decay=args.part.decay)
BETWEEN
for epoch in range(2):
    for x, y in loader:
        optimizer.zero_grad()
        loss = (model(x) - y).pow(2).mean()
        loss.backward()
        optimizer.step()
    print(loss.item())
"""
CHANGES = [
    "class Adder:\n    def add(self):\n        model.append(nn.Linear(1, 1))\n\nAdder().add()",
    "class Adder:\n    def __init__(self):\n        model.append(nn.Linear(1, 1))\n\nAdder()",
    "nn.utils.parametrizations.weight_norm(layer)",
    "layer.weight = nn.Parameter(torch.ones(1, 3))",
    "kids[1].weight = nn.Parameter(torch.ones(1, 3))",
    "holder.kept.weight = nn.Parameter(torch.ones(1, 3))",
    "swap(layer)",
    "swap(kids[1])",
    "Swapper(layer)",
    "Tuner(args)",
    "cfg.lr = 0.5",
    "part.decay = 0.5",
    "both[0].lr = 0.5",
    "run.kept.lr = 0.5",
    "run.change()",
    "vars(cfg)['lr'] = 0.5",
    "options['lr'] = 0.5",
    "options.update(lr=0.5)",
    "setattr(cfg, 'lr', 0.5)",
    "cfg.__dict__.update(lr=0.5)",
    "operator.methodcaller('__setattr__', 'lr', 0.5)(cfg)",
    "getattr(run, 'change')()",
    "change = getattr(run, 'change')\nchange()",
    "getattr(run, ''.join(['ch', 'ange']))()",
]
HARMLESS = [
    "print(args.lr, cfg.lr, folder)",
    "totals = {}\ntotals['n'] = count(loader)",
    "counts = [0]\ncounts[0] = len(loader)",
    "logging.info(cfg)",
    "nn.utils.clip_grad_norm_([torch.ones(2)], 1)",
    "other = Reader(args)",
    "other = Holder(folder)\nother.seen = 3",
]


def _checked(between: str, runner: Runner) -> str:
    text = SCRIPT.replace("BETWEEN", between)
    result = convert(text)
    assert isinstance(result, Converted), result
    before, after = runner.run(text), runner.run(result.after)
    assert before.status == 0 and len(before.events) == 12
    assert first_difference(before, after) is None
    return result.after


@pytest.mark.parametrize("between", CHANGES)
def test_the_optimizer_is_made_where_the_script_makes_it(between: str, runner: Runner) -> None:
    assert "return self.optimizer" in _checked(between, runner)


@pytest.mark.parametrize("between", HARMLESS)
def test_what_changes_nothing_that_the_optimizer_is_made_of(between: str, runner: Runner) -> None:
    assert "return optim.SGD(" in _checked(between, runner)


OWN_KINDS = {
    "a property made of others": ("    @property\n    def rate(self):\n        return self.base * 2", "own.base = 0.5"),
    "a property by a call": ("    rate = property(lambda self: print('asked') or self.base)", "print('between')"),
    "items as attributes": ("    def __getattr__(self, name):\n        return self.items[name]", "items['rate'] = 0.5"),
}


@pytest.mark.parametrize("case", OWN_KINDS)
def test_settings_that_their_class_works_out(case: str, runner: Runner) -> None:
    body, between = OWN_KINDS[case]
    front = f"class Own:\n{body}\n\nown, items = Own(), {{'rate': 0.1}}\nown.base, own.items = 0.1, items\noptimizer ="
    text = SCRIPT.replace("optimizer =", front).replace("lr=args.lr", "lr=own.rate").replace("BETWEEN", between)
    _check_that_it_stays(text, runner)


OPERATORS = {
    "a product": ("def __mul__(self, other):\n        print('asked')\n        return 0.1", "Own(1) * 2"),
    "a truth": ("def __bool__(self):\n        print('asked')\n        return True", "0.1 if args.own else 0.2"),
}


@pytest.mark.parametrize("case", OPERATORS)
def test_operators_of_the_script(case: str, runner: Runner) -> None:
    body, rate = OPERATORS[case]
    front = f"class Own(float):\n    {body}\n\nargs.own = Own(1)\noptimizer ="
    rate = rate.replace("Own(1)", "args.own")
    text = SCRIPT.replace("optimizer =", front).replace("lr=args.lr", f"lr={rate}").replace("BETWEEN", "print('now')")
    _check_that_it_stays(text, runner)


@pytest.mark.parametrize("given", ["args.betas = betas", "other = betas\nargs.betas = other"])
def test_a_list_that_the_settings_were_given(given: str, runner: Runner) -> None:
    front = f"betas = [0.9, 0.99]\n{given}\noptimizer = "
    text = SCRIPT.replace("optimizer = ", front).replace("optim.SGD(", "optim.Adam(betas=args.betas, params=")
    _check_that_it_stays(text.replace("BETWEEN", "betas[0] = 0.5"), runner)


def _check_that_it_stays(text: str, runner: Runner) -> None:
    result = convert(text)
    assert isinstance(result, Converted), result
    assert "self.optimizer" in result.after
    before = runner.run(text)
    assert before.status == 0
    assert first_difference(before, runner.run(result.after)) is None
