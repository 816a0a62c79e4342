"""Names under which the model is found, beside variables: attributes of modules, of classes and of objects."""

from __future__ import annotations

import pytest

from refactorer import convert
from refactorer.result import Converted
from tests.fixtures_harness import Runner, first_difference

SCRIPT = """\
import builtins, sys
import __main__ as own
import torch
import kept_of_test
from torch import nn, optim
torch.manual_seed(0)
ALL, NAMED, LAST = [], {}, None


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        INIT
        self.fc = nn.Linear(2, 3)
        self.out = nn.Linear(3, 1)

    def forward(self, x):
        return self.out(self.fc(x))


def look():
    return LOOK


def grow():
    look().out = nn.Linear(3, 1)


loader = [(torch.randn(4, 2), torch.randn(4, 1)) for _ in range(3)]
net = Net()
SETUP
optimizer = optim.SGD(net.parameters(), lr=0.1)
BETWEEN
for epoch in range(2):
    for x, y in loader:
        optimizer.zero_grad()
        loss = (net(x) - y).pow(2).mean()
        loss.backward()
        optimizer.step()
        STEP
    print(epoch, loss.item())
"""
OTHER = """
kept = []
def watch(model):
    kept.append(model)
def show(texts):
    print(texts)
"""
FOUND = [
    ("", "builtins.the_model = net", "the_model"),
    ("", "setattr(builtins, 'the_model', net)", "the_model"),
    ("", "sys.modules[__name__].again = net", "again"),
    ("", "own.again = net", "again"),
    ("", "globals()['again'] = net", "again"),
    ("", "", "own.net"),
    ("", "", "sys.modules['__main__'].net"),
    ("", "NAMED.setdefault('a', {})['m'] = net", "NAMED['a']['m']"),
    ("", "ALL += [net]", "ALL[0]"),
    ("", "class Box:\n    held = net", "Box.held"),
    ("", "setattr(kept_of_test, 'm', net)", "kept_of_test.m"),
    ("", "vars(kept_of_test)['m'] = net", "kept_of_test.m"),
    ("", "kept_of_test.watch(net)", "kept_of_test.kept[0]"),
    ("ALL.append(self)", "", "ALL[0]"),
    ("NAMED['x'] = self", "", "NAMED['x']"),
    ("Net.last = self", "", "Net.last"),
    ("type(self).last = self", "", "Net.last"),
    ("global LAST\n        LAST = self", "", "LAST"),
]


def script(init: str, setup: str, look: str, between: str = "pass", step: str = "pass") -> str:
    text = SCRIPT.replace("INIT", init or "pass").replace("SETUP", setup or "pass").replace("LOOK", look)
    return text.replace("BETWEEN", between).replace("STEP", step)


@pytest.mark.parametrize(("init", "setup", "look"), FOUND)
@pytest.mark.parametrize("growing", [True, False])
def test_what_finds_the_model(init: str, setup: str, look: str, growing: bool, runner: Runner) -> None:
    lines = {"between": "grow()"} if growing else {"step": "print(look().out.weight.sum().item())"}
    after = _checked(script(init, setup, look, **lines), runner)
    assert "optimizer = optim.SGD(net.parameters()" in after or not growing
    assert "return self.loss" not in after or "def on_train_batch_end" in after or growing


@pytest.mark.parametrize(("init", "setup", "look"), FOUND)
def test_what_finds_the_model_and_is_not_asked(init: str, setup: str, look: str, runner: Runner) -> None:
    after = _checked(script(init, setup, look), runner)
    assert "return self.loss" in after and "return optim.SGD(self.net.parameters()" in after


def test_another_file_that_was_handed_the_model(runner: Runner) -> None:
    text = script("", "", "None", step="kept_of_test.show(epoch)")
    assert "def on_train_batch_end" not in _checked(text, runner)
    assert "def on_train_batch_end" in _checked(
        text.replace("optimizer = ", "kept_of_test.watch(net)\noptimizer = "), runner
    )


def _checked(text: str, runner: Runner) -> str:
    result = convert(text)
    assert isinstance(result, Converted), result
    runs = [runner.run(version, beside={"kept_of_test.py": OTHER}) for version in (text, result.after)]
    assert runs[0].status == 0, runs[0].error
    assert first_difference(*runs) is None
    return result.after
