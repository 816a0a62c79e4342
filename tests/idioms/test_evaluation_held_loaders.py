"""Evaluations whose loader is an attribute: they move where nothing sets it between the lookup and the loop."""

from __future__ import annotations

import pytest

from refactorer import convert
from refactorer.result import Converted
from tests.fixtures_harness import Runner, first_difference

SCRIPT = """\
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
x = torch.randn(50, 6)
y = (x.sum(1) > 0).long()


def loader(count):
    return DataLoader(TensorDataset(x[:count], y[:count]), batch_size=8)


class Work:
    def __init__(self):
        self.build(0)
        self.model = nn.Sequential(nn.Linear(6, 8), nn.Dropout(0.4), nn.Linear(8, 2))
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=0.1)

    def build(self, epoch):
        self.train_loader, self.val_loader = loader(40), loader(20 + 5 * epoch)

    def train(self):
        for epoch in range(3):
            self.model.train()
            for a, b in self.train_loader:
                self.optimizer.zero_grad()
                loss = nn.functional.cross_entropy(self.model(a), b)
                loss.backward()
                self.optimizer.step()
            self.model.eval()
            total = 0
            with torch.no_grad():
                for a, b in self.val_loader:
                    total += nn.functional.cross_entropy(self.model(a), b).item()
            total /= len(self.val_loader)
            print(epoch, total)


Work().train()
print(torch.rand(1))
"""
START = "            total = 0\n"
BUILD = "        self.build(0)\n"
TRAIN = "    def train(self)"


def but(*changes: tuple[str, str]) -> str:
    text = SCRIPT
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return text


def in_front(line: str, *changes: tuple[str, str]) -> str:
    """A line right in front of the loop, which runs when the Trainer has the loader already."""
    return but((START, f"{START}            {line}\n"), *changes)


MOVED = {
    "set before the training": SCRIPT,
    "set in the constructor": but((BUILD, "        self.val_loader = self.train_loader = loader(9)\n")),
    "divided by": but((BUILD, "        self.train_loader = self.val_loader = loader(9)\n        self.n = 3\n"),
                      ("total /= len(self.val_loader)", "total /= self.n")),
}  # fmt: skip
KEPT = {
    "set": in_front("self.val_loader = loader(20 + 5 * epoch)"),
    "set beside another": in_front("count, self.val_loader = epoch, loader(20 + 5 * epoch)"),
    "set by a loop": in_front("for self.val_loader in [loader(20 + 5 * epoch)]: pass"),
    "set by its name": in_front("setattr(self, 'val_loader', loader(20 + 5 * epoch))"),
    "set by a name that is made": in_front("setattr(self, 'val_' + 'loader', loader(20 + 5 * epoch))"),
    "set by a method": in_front("self.build(epoch)"),
    "set by a method in a list": in_front(
        "for task in self.tasks: task(epoch)", (BUILD, f"{BUILD}        self.tasks = [self.build]\n")
    ),
    "set by a method that is found": in_front("getattr(self, 'bu' + 'ild')(epoch)"),
    "set while it is printed": in_front(
        "print(self)",
        (TRAIN, f"    def __repr__(self):\n        self.build(2)\n        return 'work'\n\n{TRAIN}"),
    ),
    "set by code out of sight": in_front(
        "partial(Work.build, self)(epoch)", ("import torch\n", "from functools import partial\n\nimport torch\n")
    ),
}  # fmt: skip


def converted(text: str) -> Converted:
    result = convert(text)
    assert isinstance(result, Converted), result.diagnostics
    return result


@pytest.mark.parametrize("name", [*MOVED, *KEPT])
def test_it_trains_the_same(name: str, runner: Runner) -> None:
    text = {**MOVED, **KEPT}[name]
    result = converted(text)
    assert ("def validation_step" in result.after) == (name in MOVED), result.after
    reasons = [note.message for note in result.diagnostics if note.code == "N102"]
    assert name in MOVED or "its loader is an attribute that may be set anew" in reasons[0], reasons
    before = runner.run(text)
    assert before.status == 0, before.error
    assert first_difference(before, runner.run(result.after)) is None
