"""Loaders that nobody can see, gradients that stay, epochs that begin anywhere: trained under Lightning's Trainer."""

from __future__ import annotations

import pytest

from refactorer import convert
from refactorer.result import Converted, Refused
from tests.fixtures_harness import Runner, first_difference

SCRIPT = """\
import random
import numpy as np
import torch
from torch import nn

class Stream:
    drawn = 0

    def __init__(self, n):
        self.n = n

    def __len__(self):
        print("asked for its length")
        return 2

    def __iter__(self):
        print("begins", random.random())
        for i in range(self.n):
            x = torch.randn(5, 4)
            yield x, x.sum(1, keepdim=True)
        print("ends", np.random.rand(), torch.rand(1).item())

def make_loaders(n):
    return Stream(n), Stream(2)

torch.manual_seed(0)
random.seed(1)
np.random.seed(1)
first, last = 2, 5
train_loader, test_loader = make_loaders(4)
model = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.5), nn.Linear(8, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 1, gamma=0.9)

def evaluate(model, loader):
    model.eval()
    total = 0.0
    with torch.no_grad():
        for x, y in loader:
            total += nn.functional.mse_loss(model(x), y).item()
    return total

for epoch in range(first, last):
    model.train()
    torch.manual_seed(epoch)
    for i, (x, y) in enumerate(train_loader):
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(model(x), y)
        loss.backward()
        optimizer.step()
        print(epoch, i, repr(loss.item()))
    scheduler.step()
    print("test", repr(evaluate(model, test_loader)), scheduler.get_last_lr())
print(torch.rand(1).item(), np.random.rand(), random.random())
"""

LOOP = "enumerate(train_loader)"
ZERO = "        optimizer.zero_grad()\n"
LAST = "        print(epoch, i, repr(loss.item()))\n"
TARGET = "    for i, (x, y) in enumerate(train_loader):\n"
MADE = "optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)\n"
OWN = """\
class Plain(torch.optim.SGD):
    def step(self):
        print("steps")
        super().step()

"""

PROPERTY = """\
class Settings:
    @property
    def first(self):
        print("asked")
        return 2

settings = Settings()
last = 5
"""

PAIRS = "    for i, pair in enumerate(train_loader):\n"

FINALLY = """\
            yield x, x.sum(1, keepdim=True)
          finally:
            print("closed")
"""
KIND = "        print(type(epoch))\n"
BOX = """\
class Box:
    def __init__(self, x):
        self.x = x

    def to(self, device):
        print("moved")
        return self

"""

TRAINED = {
    "batches that may be None": [
        (TARGET, PAIRS + "        if pair is None:\n            continue\n        x, y = pair\n"),
        ("yield x,", "yield None if i == 2 else (x,"),
        ("keepdim=True)\n        print", "keepdim=True))\n        print"),
    ],
    "batches nobody uses": [
        (TARGET, "    for i, _ in enumerate(train_loader):\n        x, y = torch.ones(2, 4), torch.ones(2, 1)\n"),
    ],
    "as it is": [],
    "no batches": [("make_loaders(4)", "make_loaders(0)")],
    "no epochs": [("2, 5", "5, 2")],
    "epochs from below zero": [("2, 5", "-2, 1")],
    "epochs of an expression": [("range(first, last)", "range(int(last - first))")],
    "an attribute of an object": [
        ("first, last = 2, 5", "class Settings:\n    first, last = 2, 5\nsettings = Settings()\nlast = 5"),
        ("range(first, last)", "range(settings.first, last)"),
    ],
    "a first epoch of numpy": [("first, last = 2, 5", "first, last = np.int64(2), 5"), (LAST, LAST + KIND)],
    "a first epoch of torch": [("first, last = 2, 5", "first, last = torch.tensor(2), 5"), (LAST, LAST + KIND)],
    "epochs of numpy": [("first, last = 2, 5", "last = np.int64(3)"), ("range(first, last)", "range(last)")],
    "epochs that are no number": [("first, last = 2, 5", "last = '3'"), ("range(first, last)", "range(last)")],
    "objects with a method to": [("class Stream", BOX + "class Stream"), ("yield x,", "yield Box(x) and x,")],
    "break": [(LAST, LAST + "        if i == epoch - 2:\n            break\n")],
    "break in front of the step": [(ZERO, "        if i == epoch - 2:\n            break\n" + ZERO)],
    "continue": [(ZERO, "        if i == 1:\n            continue\n" + ZERO)],
    "a bar around the loader": [(LOOP, "enumerate(iter(train_loader))")],
    "zip": [(TARGET, "    for i, ((x, y), _) in enumerate(zip(train_loader, range(3))):\n")],
    "a loader that fails": [("            x = torch", "            1 / (3 - i)\n            x = torch")],
    "a step that fails": [(LAST, LAST + "        if i == 2:\n            raise ValueError('enough')\n")],
    "one epoch after the other": [
        ("for epoch in range(first, last)", "count = 3\nfor epoch in range(first, first + count)"),
    ],
    "gradients that stay": [
        ("for epoch in range", "model(torch.ones(2, 4)).sum().backward()\nfor epoch in range"),
        (ZERO, "        if i:\n            optimizer.zero_grad()\n"),
        ("print(torch.rand(1)", "print(model[0].weight.grad.sum().item())\nprint(torch.rand(1)"),
    ],
    "an optimizer that takes no closure": [
        ("torch.manual_seed(0)\n", OWN + "torch.manual_seed(0)\n"),
        (MADE, "optimizer = Plain(model.parameters(), lr=0.1, momentum=0.9)\n"),
    ],
    "batches that are indexed": [(TARGET, PAIRS + "        x, y = pair\n")],
}  # fmt: skip

REFUSED = {
    "a generator that notices its end": (
        "loader",
        [
            ("        for i in range(self.n):\n", "        for i in range(self.n):\n          try:\n"),
            ("            yield x, x.sum(1, keepdim=True)\n", FINALLY),
        ],
    ),
    "an object that notices its end": (
        "loader",
        [("    def __len__", "    def __del__(self):\n        print('gone')\n\n    def __len__")],
    ),
    "a first epoch that is bound again": ("epochs", [(LAST, LAST + "        first = 0\n")]),
    "a first epoch that functions bind": (
        "epochs",
        [
            ("def evaluate(model, loader):\n", "def evaluate(model, loader):\n    global first\n    first = 7\n"),
        ],
    ),
    "a first epoch that a method binds": (
        "epochs",
        [('        print("begins"', '        global first\n        first += 1\n        print("begins"')],
    ),
    "a first epoch that is a property": (
        "epochs",
        [
            ("first, last = 2, 5", PROPERTY),
            ("range(first, last)", "range(settings.first, last)"),
        ],
    ),
    "a training without gradients": (
        "gradient mode",
        [
            ("for epoch in range", "mode = torch.set_grad_enabled(True)\nfor epoch in range"),
        ],
    ),
}  # fmt: skip


def edited(edits: list[tuple[str, str]]) -> str:
    text = SCRIPT
    for old, new in edits:
        assert old in text, old
        text = text.replace(old, new, 1)
    compile(text, "script.py", "exec")
    return text


@pytest.mark.parametrize("name", TRAINED)
def test_trains_the_same(name: str, runner: Runner) -> None:
    text = edited(TRAINED[name])
    result = convert(text, target="lightning")
    assert isinstance(result, Converted), "\n".join(map(str, result.diagnostics))
    assert "def train_dataloader" in result.after
    assert first_difference(runner.run(text), runner.run(result.after)) is None


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    trap, edits = REFUSED[name]
    result = convert(edited(edits), target="lightning")
    assert isinstance(result, Refused)
    assert [diagnostic.message.split(":")[0] for diagnostic in result.diagnostics] == [trap]


def test_the_text() -> None:
    result = convert(edited([]), target="lightning")
    assert isinstance(result, Converted)
    assert "    def train_dataloader(self):\n        yield from train_loader\n" in result.after
    assert "max_epochs=len(range(first, last))" in result.after
    assert "        self.epoch_ = self.current_epoch + first\n" in result.after
    assert "transfer_batch_to_device" in result.after
    assert "limit_train_batches=10**9, reload_dataloaders_every_n_epochs=1," in result.after
    assert "zero_grad" not in result.after
