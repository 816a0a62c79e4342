"""Functions that compute gradients for their own use: the step that calls them is the training, and they stay."""

from __future__ import annotations

import pytest

from refactorer.converter import convert_text
from refactorer.result import Converted
from tests.fixtures_harness import Runner, first_difference

ATTACK = """
def attack(model, x, y):
    delta = torch.zeros_like(x).uniform_(-0.3, 0.3).requires_grad_(True)
    for _ in range(2):
        loss = F.mse_loss(model(x + delta), y)
        loss.backward()
        delta.data += 0.1 * delta.grad.sign()
        delta.grad.zero_()
    return delta.detach()
"""
SCRIPT = """
import torch
from torch import nn, optim
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
data = DataLoader(TensorDataset(torch.randn(9, 4), torch.randn(9, 2)), batch_size=4, shuffle=True)
net = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.3), nn.Linear(8, 2))
optimizer = optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
ATTACK
def robust(model):
    model.eval()
    total = 0
    for x, y in data:
        total += F.mse_loss(model(x + attack(model, x, y)), y).item()
    return total

for epoch in range(2):
    net.train()
    for x, y in data:
        x = x + attack(net, x, y)
        loss = F.mse_loss(net(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    total = robust(net)
    print(epoch, loss.item(), total)
print(torch.rand(1).item(), sum(p.grad.sum().item() for p in net.parameters()))
"""


def script(attack: str = ATTACK) -> str:
    return SCRIPT.replace("ATTACK", attack)


EPOCH_ALONE = script().replace("        x = x + attack(net, x, y)\n", "")
OWN_OPTIMIZER = ATTACK.replace("        delta.data", "        own.step()\n        delta.data").replace(
    "    for _", "    own = optim.SGD([delta], lr=0.1)\n    for _"
)
KEPT = {
    "an attack": script(),
    "an attack that the evaluation alone makes": EPOCH_ALONE,
    "an optimizer of its own": script(OWN_OPTIMIZER),
    "modes": script(ATTACK.replace("    for _", "    model.eval()\n    for _")),
    "gradients that it prints": script(
        ATTACK.replace("        delta.grad.zero_()", "        print([p.grad.sum().item() for p in model.parameters()])")
    ),
    "gradients that stay": script()
    .replace("        optimizer.zero_grad()\n", "")
    .replace("        x = x + attack", "        optimizer.zero_grad()\n        x = x + attack"),
    "an evaluation that stays": script() + "print([robust(net) for _ in range(2)])\n",
}
USE = "        delta.data += 0.1 * delta.grad.sign()\n        delta.grad.zero_()\n"
NO_ATTACK = {
    "a step of the training's optimizer": script(ATTACK.replace(USE, USE + "        optimizer.step()\n")),
    "an optimizer of the parameters": script(OWN_OPTIMIZER.replace("[delta]", "model.parameters()")),
    "gradients for the step": script(ATTACK.replace(USE, "")),
}


@pytest.mark.parametrize("text", KEPT.values(), ids=KEPT)
def test_the_function_stays_and_the_step_calls_it(text: str, runner: Runner) -> None:
    after = _compared(text, runner)
    assert after.count("(Module)") == 1 and "    loss.backward()" in after.split("class LitNet")[0]


@pytest.mark.parametrize("text", NO_ATTACK.values(), ids=NO_ATTACK)
def test_others_are_trainings_of_their_own(text: str, runner: Runner) -> None:
    _compared(text, runner)


def test_without_a_step_it_is_the_training(runner: Runner) -> None:
    only = script().split("def robust")[0] + "x, y = next(iter(data))\nprint(attack(net, x, y).sum().item())\n"
    assert "training_step" in _compared(only, runner)


def _compared(text: str, runner: Runner) -> str:
    result = convert_text(text)
    assert isinstance(result, Converted), result.diagnostics
    before = runner.run(text)
    assert not before.status, before.error
    assert first_difference(before, runner.run(result.after)) is None
    return result.after
