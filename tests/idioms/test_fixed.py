"""How many batches make a step, where that may change while the script trains, whoever changes it."""

from __future__ import annotations

import pytest

from refactorer import convert
from refactorer.result import Converted
from tests.fixtures_harness import Runner, first_difference

SCRIPT = """\
import importlib
import sys
import __main__ as own
import torch
from argparse import ArgumentParser, Namespace
from torch import nn, optim
torch.manual_seed(0)
args = Namespace(accum=2, lr=0.1)
ACCUM = 2
parser = ArgumentParser()
parser.add_argument("--accum", type=int)


class Meter:
    def METHOD:
        CHANGE
        return 1

    def reset(self):
        return 1


def change():
    CHANGE


def generate():
    while True:
        CHANGE
        yield 1


def main():
    net = nn.Linear(2, 1)
    loader = [(torch.randn(4, 2), torch.randn(4, 1)) for _ in range(6)]
    optimizer = optim.SGD(net.parameters(), lr=args.lr)
    for epoch in range(2):
        for i, (x, y) in enumerate(loader):
            loss = (net(x) - y).pow(2).mean() / COUNT
            loss.backward()
            if (i + 1) % COUNT == 0:
                optimizer.step()
                optimizer.zero_grad()
            LINE
            print(loss.item())


steps = generate()
m = object.__new__(Meter)
go = change
main()
"""
SETTING, GLOBAL = "args.accum = 3", "sys.modules[__name__].ACCUM = 3"
CHANGING = [
    ("m + 1", "__add__(self, other)", SETTING),
    ("m == 1", "__eq__(self, other)", SETTING),
    ("len(m)", "__len__(self)", SETTING),
    ("m()", "__call__(self)", SETTING),
    ("Meter()", "__new__(cls)", SETTING),
    ("m[0]", "__getitem__(self, place)", SETTING),
    ("go()", "none(self)", SETTING),
    ("next(steps)", "none(self)", SETTING),
    ("change()", "none(self)", "setattr(args, 'accum', 3)"),
    ("change()", "none(self)", GLOBAL),
    ("change()", "none(self)", "own.ACCUM = 3"),
    ("m + 1", "__add__(self, other)", GLOBAL),
    ("change()", "none(self)", "change.__globals__['ACCUM'] = 3"),
    ("change()", "none(self)", "importlib.import_module('__main__').ACCUM = 3"),
    ("change()", "none(self)", "__import__(__name__).ACCUM = 3"),
    ("change()", "none(self)", "parser.parse_args(['--accum', '3'], namespace=args)"),
]
STAYING = [
    ("m.reset()", "none(self)", SETTING),
    ("m + 1", "__add__(self, other)", "args.lr = 0.5"),
    ("print(args.accum, m is None)", "none(self)", SETTING),
    ("Meter()", "__init__(self)", "self.accum = 3\n        return None"),
]


def script(line: str, method: str, change: str) -> str:
    counted = "args.accum" if "accum" in change or "lr" in change else "ACCUM"
    text = SCRIPT.replace("COUNT", counted).replace("LINE", line).replace("METHOD", method)
    return text.replace("        CHANGE", f"        {change}", 1).replace("CHANGE", change.partition("\n")[0])


@pytest.mark.parametrize(("line", "method", "change"), CHANGING)
def test_the_script_counts_the_batches(line: str, method: str, change: str, runner: Runner) -> None:
    assert "accumulate_grad_batches" not in _checked(script(line, method, change), runner)


@pytest.mark.parametrize(("line", "method", "change"), STAYING)
def test_the_trainer_counts_the_batches(line: str, method: str, change: str, runner: Runner) -> None:
    text = script(line, method, change).replace("def change():\n    self.", "def change():\n    args.")
    assert "accumulate_grad_batches" in _checked(text, runner)


def _checked(text: str, runner: Runner) -> str:
    result = convert(text)
    assert isinstance(result, Converted), result
    before, after = runner.run(text), runner.run(result.after)
    assert before.status == 0, before.error
    assert first_difference(before, after) is None
    return result.after
