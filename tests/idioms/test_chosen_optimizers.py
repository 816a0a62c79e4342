"""Optimizers that an `if` chooses: `configure_optimizers` makes the choice where it is the same at the training."""

from __future__ import annotations

import textwrap

import pytest

from refactorer.converter import convert_text
from refactorer.result import Converted
from tests.fixtures_harness import Runner, first_difference

SCRIPT = """
import argparse, sys
import torch
from torch import nn, optim

torch.manual_seed(0)
loader = [(torch.randn(2, 2), torch.randn(2, 1)) for _ in range(3)]
args = argparse.Namespace(opt="adam", lr=0.1, epochs=2)
other = args
conf = {"opt": "adam"}
fixed = False
model = nn.Linear(2, 1)


def change():
    args.opt = "sgd"


def kind():
    print("asked")
    return "adam"


CHOICE
for epoch in range(args.epochs):
    for x, y in loader:
        loss = (model(x) - y).pow(2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        print(loss.item())
"""
SGD = "optimizer = optim.SGD(model.parameters(), lr=args.lr)\n"
ADAM = "optimizer = optim.Adam(model.parameters(), lr=args.lr, betas=(0.5, 0.9))\n"
RMSPROP = "optimizer = optim.RMSprop(filter(lambda p: p.requires_grad, model.parameters()))\n"


def choice(first: str, *rest: str, second: str = "args.opt == 'adam'", last: str = RMSPROP) -> str:
    """An `if` with two conditions and an `else`, and the lines behind it."""
    parts = [f"if {first}:\n", SGD, f"elif {second}:\n", ADAM, *(["else:\n", last] if last else [])]
    lines = [textwrap.indent(part, "    ") if index % 2 else part for index, part in enumerate(parts)]
    return "".join([*lines, *(line + "\n" for line in rest)])


IS_SGD = "args.opt == 'sgd'"
MOVED = {
    "three": choice(IS_SGD),
    "the last": choice(IS_SGD, second="args.opt == 'adamw'"),
    "a list of names": choice("args.opt in ('sgd', 'momentum') and not fixed"),
    "a flag": choice("fixed"),
    "no else": choice(IS_SGD, last=""),
    "another setting behind it": choice(IS_SGD, "args.epochs = 3"),
    "a line that looks at the model": choice(IS_SGD, "print(model)"),
    "one that needs a closure": choice(IS_SGD, last="optimizer = optim.LBFGS(model.parameters())\n"),
}
STAYS = {
    "the setting changes": choice(IS_SGD, "args.opt = 'sgd'"),
    "it changes by another name": choice(IS_SGD, "other.opt = 'sgd'"),
    "it changes through vars()": choice(IS_SGD, "vars(args)['opt'] = 'sgd'"),
    "a function changes it": choice(IS_SGD, "change()"),
    "the flag changes": choice("fixed", "fixed = True"),
    "the learning rate changes": choice(IS_SGD, "args.lr = 0.5"),
    "the model changes": choice("model.training", "model.eval()"),
    "the model is another": choice(IS_SGD, "model = nn.Linear(2, 1)"),
    "something is frozen": choice("args.opt == 'rms'", "model.bias.requires_grad = False", second="fixed"),
    "a call": choice("kind() == 'sgd'", "print('between')"),
    "a number from the generator": choice("torch.rand(1) > 0.5", "torch.randn(3)"),
    "an attribute of a module": choice("sys.flags.debug"),
    "an entry": choice("conf['opt'] == 'sgd'", "conf['opt'] = 'sgd'"),
    "the script prints it": choice(IS_SGD, "print(optimizer)"),
    "it is made before": SGD + choice(IS_SGD, last=""),
    "more in a branch": choice(IS_SGD, last=RMSPROP + "print('rmsprop')\n"),
    "another class": choice(IS_SGD, last="optimizer = getattr(optim, 'Adamax')(model.parameters())\n"),
    "an error": choice(IS_SGD, last="raise ValueError(args.opt)\n"),
}


@pytest.mark.parametrize("lines", MOVED.values(), ids=MOVED)
def test_the_module_chooses(lines: str, runner: Runner) -> None:
    after = _compared(lines, runner)
    assert "            optimizer = optim.SGD(self.model.parameters(), lr=args.lr)\n" in after, after
    assert after.rindex("        return optimizer\n") < after.index("\ntrainer = ")


@pytest.mark.parametrize("lines", STAYS.values(), ids=STAYS)
def test_the_script_chooses(lines: str, runner: Runner) -> None:
    after = _compared(lines, runner)
    assert "\n    optimizer = optim.SGD(model.parameters(), lr=args.lr)\n" in after, after
    assert "        return self.optimizer\n" in after


def test_a_scheduler_is_made_behind_the_choice(runner: Runner) -> None:
    lines = choice(IS_SGD, "scheduler = optim.lr_scheduler.ExponentialLR(optimizer, 0.5)")
    after = _compared(lines, runner, "    scheduler.step()\n")
    assert "        return [optimizer], [scheduler]\n" in after


@pytest.mark.parametrize("epochs", [0, 2])
def test_no_branch_is_taken(epochs: int, runner: Runner) -> None:
    """Then the script ends where it first uses the optimizer, if it comes to that."""
    text = _script(choice(IS_SGD, last="")).replace('"adam", lr=0.1, epochs=2', f'"none", lr=0.1, epochs={epochs}')
    result = convert_text(text)
    assert isinstance(result, Converted) and "        optimizer = None\n" in result.after
    before, after = runner.run(text), runner.run(result.after)
    assert bool(before.status) == bool(after.status) == bool(epochs) and before.lines == after.lines


def _script(lines: str, behind: str = "") -> str:
    return SCRIPT.replace("CHOICE\n", lines) + behind


def _compared(lines: str, runner: Runner, behind: str = "") -> str:
    text = _script(lines, behind)
    result = convert_text(text)
    assert isinstance(result, Converted), result.diagnostics
    before = runner.run(text)
    assert not before.status, before.error
    assert first_difference(before, runner.run(result.after)) is None
    return result.after
