"""Optimizers at the top of a file whose training is a function that is called there once."""

from __future__ import annotations

import textwrap

import pytest

from refactorer.converter import convert_text
from refactorer.result import Converted
from tests.fixtures_harness import Runner, first_difference
from tests.idioms.test_beside import LOOP

HEAD = """
import argparse
import torch
from torch import nn, optim
torch.manual_seed(0)
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(2, 1)
    def forward(self, x):
        return self.fc(x)
class Rates:
    value = 0.1
    def __enter__(self):
        args.lr = 0.2
    def __exit__(self, *error):
        pass
    @property
    def first(self):
        args.lr += 0.1
        return 0.1
parser = argparse.ArgumentParser()
parser.add_argument("--lr", type=float, default=0.1)
args = parser.parse_args([])
rate = 0.1
def another():
    model.fc = nn.Linear(2, 1)
def faster():
    args.lr = 0.3
model = Net()
loader = [(torch.ones(2, 2), torch.ones(2, 1))]
"""
MAKING = "optimizer = optim.SGD(model.parameters(), lr={lr}, momentum=0.9)\n"
SLOWER = "def slower():\n    global rate\n    rate = 0.01\n"


SCHEDULER = "scheduler = optim.lr_scheduler.StepLR(optimizer, 1)"


def script(
    between: str = "", front: str = "", header: str = "def train():", call: str = "train()", lr: str = "args.lr",
    behind: str = "", last: str = "", first: bool = False,
) -> str:  # fmt: skip
    """A training in a function: code between the optimizer and its call, in front of its loop, and behind each."""
    body = textwrap.indent(f"{front}\n{LOOP}\n{last}\n", "    ")
    function = f"{header}\n{body}\n"
    making = MAKING.format(lr=lr)
    parts = (function, making, between) if first else (making, between, function)
    return "\n".join([HEAD, *parts, call, behind, "print(torch.rand(1).item())\n"])


MOVED = [
    script(),
    script(first=True),
    script(call="if __name__ == '__main__':\n    train()"),
    script(call="if __name__ == '__main__':\n    train()", first=True),
    script(call="try:\n    train()\nexcept KeyboardInterrupt:\n    print('left')"),
    script(call="result = train()", last="return 3", behind="print(result)"),
    script(between="model.train()\nprint(len(loader))", front="print('starts')"),
    script(lr="rate", last="global rate\nrate = 3", behind="print(rate)"),
    script(last="faster()", behind="args.lr += 1\nprint(args.lr)"),
    script(front="if args.lr > 9:\n    return"),
    script(between="print(len(dir(loader)))"),
    script(behind="model.fc = nn.Linear(2, 1)"),
]
STAYS = [
    script(behind="train()"),
    script(call="for run in range(2):\n    train()"),
    script(call="[train() for run in range(2)]"),
    script(call="runs = (train() for run in range(2))\nlist(runs)"),
    script(call="def main():\n    train()\nmain()\nmain()"),
    script(call="try:\n    train()\nexcept ValueError:\n    print('left')"),
    script(call="again = train\nagain()"),
    script(header="@torch.enable_grad()\ndef train():"),
    script(header="def train(net=model):", front="net.fc = nn.Linear(2, 1)"),
    script(header="def train():\n    pass\ndef train():"),
    script(behind="print(optimizer.param_groups[0]['lr'])"),
    script(between="print(optimizer.param_groups[0]['lr'])"),
    script(between="optimizer.param_groups[0]['lr'] = 0.5"),
    script(between="model.fc = nn.Linear(2, 1)"),
    script(between="another()"),
    script(front="another()"),
    script(front="model.fc = nn.Linear(2, 1)", first=True),
    script(front="net = model\nnet.fc = nn.Linear(2, 1)"),
    script(between="args.lr = 0.5"),
    script(between="faster()"),
    script(front="args.lr = 0.5", first=True),
    script(front="faster()", first=True),
    script(front="for value in (0.2, 0.3):\n    args.lr = value", first=True),
    script(front="def other():\n    args.lr = 0.5\nother()", first=True),
    script(front="settings = args\nsettings.lr = 0.5"),
    script(front="with Rates():\n    pass"),
    script(between="print(Rates().first)"),
    script(between="class Later:\n    args.lr = 0.5"),
    script(between="def later(set=faster()):\n    pass"),
    script(front="rate = 0.5", lr="rate"),
    script(front="global rate\nrate = 0.5", lr="rate"),
    script(front="global rate\nrate = 0.5", lr="rate", first=True),
    script(between=SLOWER, front="slower()", lr="rate"),
    script(between=SLOWER + "slower()", lr="rate", first=True),
    script(between="rate = 0.5", lr="rate"),
    script(between="globals()['rate'] = 0.5", lr="rate"),
    script(between="exec('rate = 0.5')", lr="rate"),
    script(between="print('optimizer' in globals())"),
    script(between="model = nn.DataParallel(model)"),
    script(front="setattr(args, 'lr', 0.5)"),
    script(front="Rates.value = 0.5", lr="Rates.value"),
    script(between="Rates.value = 0.5", lr="Rates.value", first=True),
    script(call="if __name__ == '__main__':\n    faster()\n    train()"),
    script(call="if faster() is None:\n    train()"),
]


@pytest.mark.parametrize("text", MOVED)
def test_it_is_made_by_the_module(text: str, runner: Runner) -> None:
    result = convert_text(text)
    assert isinstance(result, Converted) and "return optim.SGD(self.model.parameters()" in result.after
    assert first_difference(runner.run(text), runner.run(result.after)) is None


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("place", ["between", "front"])
def test_its_scheduler_comes_behind_it(place: str, first: bool, runner: Runner) -> None:
    text = script(first=first, **{place: SCHEDULER}).replace("loss.item())", "loss.item())\n        scheduler.step()")
    result = convert_text(text)
    assert isinstance(result, Converted)
    made = result.after.partition("def configure_optimizers")[2].partition("return")[0]
    assert made.index("optim.SGD") < made.index("StepLR") and "scheduler.step()" not in result.after
    assert first_difference(runner.run(text), runner.run(result.after)) is None


@pytest.mark.parametrize("text", STAYS)
def test_it_is_made_by_the_script(text: str, runner: Runner) -> None:
    result = convert_text(text)
    if isinstance(result, Converted):
        assert "\noptimizer = optim.SGD(model.parameters()" in result.after
        assert first_difference(runner.run(text), runner.run(result.after)) is None
