"""Epochs that are a method of an object: `trainer.train(epoch)` in a loop, and what else may be that method."""

from __future__ import annotations

import pytest

from refactorer import convert
from refactorer.result import Converted

SCRIPT = """
import torch
from torch import nn

class Trainer:
    def __init__(self, loader):
        self.model = nn.Linear(2, 1)
        self.loader = loader
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=0.1)

    def train(self, epoch):
        self.model.train()
        for x, y in self.loader:
            self.optimizer.zero_grad()
            loss = (self.model(x) - y).square().mean()
            loss.backward()
            self.optimizer.step()

    def test(self, epoch):
        self.model.eval()
        with torch.no_grad():
            for x, y in self.loader:
                print(epoch, self.model(x).sum().item())

def main():
    trainer = Trainer([(torch.ones(4, 2), torch.ones(4, 1))])
    for epoch in range(3):
        trainer.train(epoch)
        trainer.test(epoch)

main()
"""
_LOOP = "    for epoch in range(3):\n"
_END = "        trainer.test(epoch)\n"
_MAKING = "    trainer = Trainer("


def _converted(text: str) -> str:
    result = convert(text)
    assert isinstance(result, Converted), result.diagnostics
    return result.after


def test_an_epoch_and_its_evaluation_are_entered() -> None:
    text = _converted(SCRIPT)
    assert "def train(" not in text
    assert "def training_step(" in text
    assert "def validation_step(" in text
    assert "Trainer(max_epochs=3)" in text


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("(self, epoch):\n        self.model.train()", "(self):\n        self.model.train()"),
        ("def main", 'names = {"train": 1}\n\ndef main'),
        ("def main", "def made(name):\n    return getattr(nn, name)()\n\ndef main"),
        ("def main", "def shown(made):\n    print(vars(made))\n\ndef main"),
        ("nn.Linear(2, 1)", "nn.DataParallel(nn.Linear(2, 1)).to('cpu')"),
        ("nn.Linear(2, 1)", "self.build()\n\n    def build(self):\n        return nn.Linear(2, 1)"),
    ],
)  # fmt: skip
def test_other_uses_of_the_name_are_no_obstacle(old: str, new: str) -> None:
    assert SCRIPT.count(old) == 1, old
    text = SCRIPT.replace(old, new)
    if "(self):\n        self.model.train()" in text:
        text = text.replace("trainer.train(epoch)", "trainer.train()")
    assert "Trainer(max_epochs=3)" in _converted(text)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (_LOOP, "    trainer.train = print\n" + _LOOP),
        (_LOOP, "    setattr(trainer, 'train', print)\n" + _LOOP),
        (_LOOP, "    getattr(trainer, 'train')(7)\n" + _LOOP),
        (_LOOP, "    find = getattr\n    find(trainer, 'train')(7)\n" + _LOOP),
        (_LOOP, "    Trainer.__dict__['train'](trainer, 7)\n" + _LOOP),
        (_LOOP, "    vars(trainer).update(train=print)\n" + _LOOP),
        (_LOOP, "    trainer.__dict__.update(train=print)\n" + _LOOP),
        (_LOOP, "    import operator\n    operator.methodcaller('train', 7)(trainer)\n" + _LOOP),
        (_LOOP, "    trainer.train(7)\n" + _LOOP),
        (_LOOP, "    for one in [trainer]:\n        one.train(7)\n" + _LOOP),
        (_LOOP, "    Trainer.train(trainer, 7)\n" + _LOOP),
        (_MAKING, "    trainer = None\n" + _MAKING),
        ("def main", "class Other(Trainer):\n    def train(self, epoch):\n        print(epoch)\n\ndef main"),
        ("class Trainer:", "class Trainer(Base):"),
    ],
)  # fmt: skip
def test_what_may_be_another_method_stays(old: str, new: str) -> None:
    assert SCRIPT.count(old) == 1, old
    assert "def train(self, epoch):" in _converted(SCRIPT.replace(old, new))


@pytest.mark.parametrize(
    "making",
    [
        "Trainer(loader)",
        "[Trainer(loader)][0]",
        "torch.load('trainer.pt')",
        "wrapped(Trainer(loader))",
        "kept or Trainer(loader)",
    ],
)
def test_an_attribute_may_hold_an_object_of_the_class(making: str) -> None:
    text = SCRIPT.replace("(self, epoch):\n        self.model.train()", "(self):\n        self.model.train()")
    text = text.replace("trainer.train(epoch)", "trainer.train()")
    text = text.replace("def main", f"def renewed(trainer, loader):\n    trainer.model = {making}\n\ndef main")
    assert "def train(self):" in _converted(text)


def test_a_constructor_knows_its_own_object() -> None:
    text = SCRIPT.replace("lr=0.1)\n", "lr=0.1)\n        self.train(7)\n", 1)
    assert "def train(self, epoch):" in _converted(text)


def test_nothing_is_known_of_what_nobody_gives() -> None:
    text = SCRIPT.replace(
        "self, loader):\n        self.model = nn.Linear(2, 1)", "self, loader, model):\n        self.model = model"
    )
    text = text.replace("(self, epoch):\n        self.model.train()", "(self):\n        self.model.train()")
    text = (
        text.split("def main")[0]
        + """def main(trainer):
    for epoch in range(3):
        trainer.train()
"""
    )
    assert "def train(self):" in _converted(text)


def test_a_method_of_what_the_loop_goes_through_is_a_training_of_its_own() -> None:
    text = _converted(
        """
import torch

class Layer(torch.nn.Linear):
    def __init__(self):
        super().__init__(2, 2)
        self.optimizer = torch.optim.SGD(self.parameters(), lr=0.1)

    def fit(self, x):
        for i in range(5):
            loss = self.forward(x).square().mean()
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
        return self.forward(x).detach()

class Net:
    def __init__(self):
        self.layers = [Layer(), Layer()]

    def fit(self, x):
        for layer in self.layers:
            x = layer.fit(x)
        return x

print(Net().fit(torch.ones(3, 2)))
"""
    )
    assert "for layer in self.layers:\n            x = layer.fit(x)" in text
    assert "automatic_optimization" not in text
