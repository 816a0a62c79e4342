"""Assignments around calls that say nothing new: the Trainer steps the optimizer that the variable has always been."""

from __future__ import annotations

import pytest

from refactorer.converter import convert_text
from refactorer.result import Converted
from tests.fixtures_harness import Runner, first_difference

SCRIPT = """
import torch
from torch import nn, optim

torch.manual_seed(0)
data = [(torch.randn(3, 4), torch.randn(3, 2)) for _ in range(3)]
other = optim.SGD([torch.zeros(1)], lr=0.5)
{function}

def main():
    model = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.3), nn.Linear(8, 2))
    optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    for epoch in range(4):
        {first}
        for x, y in data:
            loss = nn.functional.mse_loss(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            {step}
        print(epoch, loss.item(), optimizer.param_groups[0]['lr'], torch.rand(1).item())

main()
"""
DECAY = """
def decay(optimizer, epoch, rate=0.1):
    print(epoch)
    for group in optimizer.param_groups:
        group['lr'] = 0.1 / (1 + rate * epoch)
    {end}
"""
CALL = "optimizer = decay(optimizer, epoch)"


def script(end: str = "return optimizer", first: str = CALL, step: str = "optimizer.step()", above: str = "") -> str:
    return SCRIPT.format(function=above + DECAY.format(end=end), first=first, step=step)


AUTOMATIC = {
    "a function that hands it back": script(),
    "for some epochs": script(first=f"if epoch != 1:\n            {CALL}"),
    "by its name": script(first="optimizer = decay(epoch=epoch, optimizer=optimizer)"),
    "in each branch": script(end="if epoch == 2:\n        return optimizer\n    else:\n        return optimizer"),
    "unless it raises": script(end="if epoch < 9:\n        return optimizer\n    raise ValueError"),
    "what the step gives": script(first="decay(optimizer, epoch)", step="norm = optimizer.step()"),
}
MANUAL = {
    "another one": script(end="return other if epoch == 2 else optimizer", first=CALL),
    "nothing for some epochs": script(end="if epoch < 9: return optimizer"),
    "a parameter that is bound again": script(end="optimizer = optimizer if epoch < 9 else other; return optimizer"),
    "a parameter bound by a function inside": script(
        end="def swap():\n        nonlocal optimizer\n        optimizer = other if epoch > 8 else optimizer\n"
        "    swap()\n    return optimizer"
    ),
    "another parameter": script(first="optimizer = decay(epoch=epoch, optimizer=optimizer, rate=0.2) or other"),
    "a decorated function": script(above="def apart(f): return lambda *a: f(*a)\n@apart"),
    "a result that is read": script(
        first="decay(optimizer, epoch)", step="norm = optimizer.step()\n            print(norm)"
    ),
}


@pytest.mark.parametrize("text", AUTOMATIC.values(), ids=AUTOMATIC)
def test_the_call_alone_is_left(text: str, runner: Runner) -> None:
    after = converted(text)
    assert "automatic_optimization = False" not in after and "optimizer = decay" not in after
    before = runner.run(text)
    assert not before.status, before.error
    assert first_difference(before, runner.run(after)) is None


@pytest.mark.parametrize("text", MANUAL.values(), ids=MANUAL)
def test_the_assignment_stays(text: str, runner: Runner) -> None:
    after = converted(text)
    assert "automatic_optimization = False" in after
    before = runner.run(text)
    assert not before.status, before.error
    assert first_difference(before, runner.run(after)) is None


def test_the_only_line_that_binds_a_variable_stays(runner: Runner) -> None:
    text = script().replace("    optimizer = optim", "    global made\n    made = optim")
    before, after = runner.run(text), runner.run(converted(text))
    assert before.status == after.status == 1 and "optimizer" in before.error and "optimizer" in after.error


def test_a_network_that_is_handed_back_is_one_network(runner: Runner) -> None:
    text = SCRIPT.format(
        function="def eased(net, epoch):\n    net[1].p = 0.1 * epoch\n    return net\n",
        first="model = eased(model, epoch)", step="optimizer.step()",
    )  # fmt: skip
    after = converted(text)
    assert "        eased(self.model, self.current_epoch)\n" in after
    assert first_difference(runner.run(text), runner.run(after)) is None


def converted(text: str) -> str:
    result = convert_text(text)
    assert isinstance(result, Converted), result.diagnostics
    return result.after
