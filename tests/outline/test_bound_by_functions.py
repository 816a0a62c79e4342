"""Networks and optimizers that a function binds again while the training runs: the module holds no copy of them."""

from __future__ import annotations

import pytest

from refactorer.converter import convert_text
from refactorer.result import Converted, Refused
from tests.fixtures_harness import Runner, first_difference

HEAD = """
import torch
from torch import nn

torch.manual_seed(0)
data = [(torch.randn(3, 4), torch.randn(3, 2)) for _ in range(3)]

def make():
    global net, optimizer
    net = nn.Linear(4, 2)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)

def other_net():
    global net
    net = nn.Linear(4, 2)

class Keeper:
    def keep(self):
        global net
        net = nn.Linear(4, 2)

make()
keeper = Keeper()
criterion = nn.MSELoss()
"""
LOOP = """
for epoch in range(3):
    FIRST
    for x, y in data:
        optimizer.zero_grad()
        loss = criterion(net(x), y)
        loss.backward()
        optimizer.step()
    print(epoch, loss.item())
print(sum(p.sum().item() for p in net.parameters()))
"""
AGAIN = {
    "both": "if epoch == 1: make()",
    "the network": "if epoch == 1: other_net()",
    "by way of another function": "act(epoch)",
    "a method": "if epoch == 1: keeper.keep()",
    "a list of functions": "for then in [other_net]: then()",
}


@pytest.mark.parametrize("first", AGAIN.values(), ids=AGAIN)
def test_what_a_function_binds_again_stays_a_global(first: str, runner: Runner) -> None:
    act = "def act(epoch):\n    if epoch:\n        other_net()\n"
    after = _compared(HEAD + act + LOOP.replace("FIRST", first), runner)
    assert "self.net" not in after


def test_what_functions_bind_in_front_of_the_training_is_handed_to_the_module(runner: Runner) -> None:
    after = _compared(HEAD + "other_net()\nmake()\n" + LOOP.replace("FIRST", "pass"), runner)
    assert "self.net(x)" in after and "automatic_optimization = False" not in after


BINDING = ("", "net, made = net, 1", "for net in [net]: pass", "[net := net for _ in data]")


@pytest.mark.parametrize("line", BINDING)
def test_a_declaration_alone_binds_nothing(line: str, runner: Runner) -> None:
    slower = f"def slower():\n    global net, optimizer\n    optimizer.param_groups[0]['lr'] *= 0.5\n    {line}\n"
    after = _compared(HEAD + slower + LOOP.replace("FIRST", "slower()"), runner)
    assert ("self.net(x)" in after) is not bool(line) and "automatic_optimization = False" not in after


def _compared(text: str, runner: Runner) -> str:
    result = convert_text(text)
    assert isinstance(result, Converted), result.diagnostics
    before = runner.run(text)
    assert not before.status, before.error
    assert first_difference(before, runner.run(result.after)) is None
    return result.after


SHARED = """
import torch
from torch import nn

data = [torch.randn(3, 4) for _ in range(3)]

def main():
    count = 0
    net = nn.Linear(4, 2)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    def keep(value):
        nonlocal count
        count += value
    KEPT
    for x in data:
        optimizer.zero_grad()
        loss = net(x).mean()
        loss.backward()
        optimizer.step()
        print(count)

main()
"""
_HOOK = "class Hook:\n        def __call__(self, *_):\n            "
KEEPING = {
    "a lambda": "net.register_forward_hook(lambda *_: keep(1))",
    "an object that is called": f"{_HOOK}keep(1)\n    net.register_forward_hook(Hook())",
    "a method": f"{_HOOK}nonlocal count\n            count = 3\n    net.register_forward_hook(Hook())",
    "a decorator": "@net.register_forward_hook\n    def hook(*_):\n        keep(1)",
    "a generator": "counted = (keep(i) for i in range(9))",
    "a list": "hooks = [keep]",
}


@pytest.mark.parametrize("kept", KEEPING.values(), ids=KEEPING)
def test_what_a_function_of_the_driver_may_bind_at_any_time_is_not_copied(kept: str) -> None:
    result = convert_text(SHARED.replace("KEPT", kept))
    assert isinstance(result, Refused)
    assert result.diagnostics[0].message == "a function binds count again"


def test_what_it_binds_in_front_of_the_training_is() -> None:
    result = convert_text(SHARED.replace("KEPT", "def begin():\n        keep(2)\n    begin()"))
    assert isinstance(result, Converted)
    assert "self.count" in result.after
