"""Optimizers that the script makes anew between epochs: `trainer.optimizers` is set where the script sets its own."""

from __future__ import annotations

import pytest

from refactorer.converter import convert_text
from refactorer.result import Converted
from tests.fixtures_harness import Runner, first_difference

SCRIPT = """
import torch
from torch import nn, optim
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
data = DataLoader(TensorDataset(torch.randn(7, 4), torch.randn(7, 2)), batch_size=3, shuffle=True)
net = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.3), nn.Linear(8, 2))
lr, kept = 0.1, []
{front}
for epoch in range(4):
    {first}
    for i, (x, y) in enumerate(data):
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(net(x), y)
        loss.backward()
        optimizer.step()
        {behind}
    print(epoch, loss.item(), torch.rand(1).item())
    {last}
{end}
"""
ENTERED = """
import torch
from torch import nn, optim

torch.manual_seed(0)
data = [(torch.randn(3, 4), torch.randn(3, 2)) for _ in range(3)]
net = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.3), nn.Linear(8, 2))


def train(model, epoch):
    total = 0
    {made}
    for x, y in data:
        opt.zero_grad()
        loss = nn.functional.mse_loss(model(x), y)
        loss.backward()
        opt.step()
        total += loss.item()
    return total


for epoch in range(3):
    print(epoch, train(net, epoch), torch.rand(1).item())
"""
NEW = "optimizer = optim.SGD(net.parameters(), lr=0.1 / (epoch + 1), momentum=0.9)"
FRONT = "optimizer = optim.Adam(net.parameters(), lr=0.01)"


def script(**parts: str) -> str:
    names = ("front", "first", "behind", "last", "end")
    return SCRIPT.format(**{name: parts.get(name, "pass") for name in names})


def cleared_behind(first: str) -> str:
    """A script that makes an optimizer for each epoch, and clears the gradients behind each step."""
    cleared = script(first=first).replace("        optimizer.zero_grad()\n", "")
    return cleared.replace("        optimizer.step()\n", "        optimizer.step()\n        optimizer.zero_grad()\n")


AUTOMATIC = {
    "for every epoch": script(first=NEW),
    "for some epochs": script(first=f"if epoch in (0, 2):\n        {NEW}"),
    "of one class or another": script(first=f"if epoch % 2:\n        {NEW}\n    else:\n        {FRONT}"),
    "at the end of epochs": script(front=FRONT, last=f"if epoch == 1:\n        {NEW}"),
    "looked at in the step": script(first=NEW, behind="print(optimizer.param_groups[0]['lr'])"),
    "looked at behind the training": script(front=FRONT, last=NEW, end="print(optimizer.state_dict())"),
    "all of them kept": script(first=NEW + "\n    kept.append(optimizer)", end="print(kept[0].state_dict())"),
    "with its own scheduler": script(
        first=NEW + "\n    scheduler = optim.lr_scheduler.StepLR(optimizer, 2, 0.5)", behind="scheduler.step()"),
    "left batches": script(first=NEW, behind="if i == 1: break"),
    "cleared behind the step": cleared_behind(NEW),
    "in each branch of a function": ENTERED.format(
        made="if epoch < 2:\n        opt = optim.Adam(model.parameters(), lr=0.01)\n    elif epoch == 7:\n"
        "        raise ValueError(epoch)\n    else:\n        opt = optim.SGD(model.parameters(), lr=0.1)"
    ),
    "in the function of the epoch": ENTERED.format(made="opt = optim.Adam(model.parameters(), lr=0.01)"),
}  # fmt: skip
EVALUATED = """net.eval()
    with torch.no_grad():
        total = sum(nn.functional.mse_loss(net(x), y).item() for x, y in data)
        for x, y in data:
            total += nn.functional.mse_loss(net(x), y).item()
    print(total)
    net.train()"""
RENEWED = f"if epoch == 1:\n        {NEW}"
AUTOMATIC |= {
    "in front of an evaluation": script(front=FRONT, last=f"{RENEWED}\n    {EVALUATED}"),
    "behind an evaluation": script(front=FRONT, last=f"{EVALUATED}\n    {RENEWED}"),
}
MISSING = script(first=f"if epoch:\n        {NEW}")
MANUAL = {
    "of other parameters, cleared behind the step": cleared_behind(
        f"{NEW}\n    if epoch % 2: optimizer = optim.SGD(net[2].parameters(), lr=0.1)"
    ),
    "in the step": script(front=FRONT, behind=f"if i == 1: {NEW}"),
    "in a function": script(front=f"{FRONT}\ndef renew():\n    global optimizer\n    {FRONT}", last="renew()"),
    "in a loop": script(first=f"for _ in range(2): {NEW}"),
    "not by a class of torch": script(front="def make(): return " + FRONT[12:], first="optimizer = make()"),
    "one that needs a closure": script(first="optimizer = optim.LBFGS(net.parameters())"),
    "kept from before": script(front=FRONT, first=f"old = optimizer\n    {NEW}\n    optimizer = old"),
    "in one branch of a function": ENTERED.format(
        made="if epoch < 5: opt = optim.Adam(model.parameters(), lr=0.01)\n    else: print(epoch)"
    ),
    "under a condition of the function": ENTERED.format(made="if epoch < 5: opt = optim.Adam(model.parameters())"),
}


@pytest.mark.parametrize("text", AUTOMATIC.values(), ids=AUTOMATIC)
def test_the_trainer_is_given_each(text: str, runner: Runner) -> None:
    after = converted(text)
    assert "self.trainer.optimizers = [" in after and "automatic_optimization = False" not in after
    before = runner.run(text)
    assert not before.status, before.error
    assert first_difference(before, runner.run(after)) is None


def test_one_that_comes_too_late_ends_both(runner: Runner) -> None:
    before, after = runner.run(MISSING), runner.run(converted(MISSING))
    assert before.status == after.status == 1 and "'optimizer' is not defined" in before.error
    assert "zero_grad" in after.error


@pytest.mark.parametrize("text", MANUAL.values(), ids=MANUAL)
def test_the_script_steps_it(text: str, runner: Runner) -> None:
    after = converted(text)
    assert "automatic_optimization = False" in after
    assert first_difference(runner.run(text), runner.run(after)) is None


def test_another_model_of_the_same_name_keeps_its_gradients(runner: Runner) -> None:
    behind = cleared_behind(f"net = spare if epoch % 2 else own\n    {NEW}").replace(
        "net(x), y", "net(x) + spare(x), y"
    )
    text = behind.replace("lr, kept", "own, spare = net, nn.Linear(4, 2)\nlr, kept")
    after = converted(text)
    assert "self.trainer.optimizers = [" not in after
    assert first_difference(runner.run(text), runner.run(after)) is None


def test_a_name_that_nobody_else_needs_goes() -> None:
    assert "self.trainer.optimizers = [optim.Adam(self.net.parameters(), lr=0.01)]\n" in converted(
        AUTOMATIC["in the function of the epoch"]
    )


def converted(text: str) -> str:
    result = convert_text(text)
    assert isinstance(result, Converted), result.diagnostics
    return result.after
