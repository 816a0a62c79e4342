"""Evaluations that are methods of the class whose method trains: `self.evaluate(self.val_loader)`."""

from __future__ import annotations

import pytest

from refactorer.converter import convert_text
from refactorer.result import Converted
from tests.fixtures_harness import Runner, first_difference

SCRIPT = """
import random, torch
from torch import nn, optim
from torch.utils.data import DataLoader, TensorDataset


class Trainer:
    def __init__(self, epochs):
        x = torch.randn(14, 3)
        data = TensorDataset(x, x.sum(1, keepdim=True))
        self.model = nn.Sequential(nn.Linear(3, 4), nn.Dropout(0.3), nn.Linear(4, 1))
        self.optimizer = optim.SGD(self.model.parameters(), lr=0.1)
        self.loader = DataLoader(data, batch_size=4, shuffle=True)
        self.val_loader = DataLoader(data, batch_size=5, shuffle=True)
        self.epochs = epochs
        self.best = None

    def distance(self, x, y):
        return (self.model(x) - y).abs().sum().item()

    def evaluate(self, loader):
        \"\"\"The mean distance.\"\"\"
        # switch the layers that drop out
        self.model.eval()
        total = 0
        with torch.no_grad():
            for x, y in loader:
                total += (self.model(x) - y).abs().sum().item()
        return total / len(loader.dataset)

    def train(self):
        for epoch in range(self.epochs):
            self.model.train()
            for x, y in self.loader:
                self.optimizer.zero_grad()
                loss = (self.model(x) - y).pow(2).mean()
                loss.backward()
                self.optimizer.step()
            found = self.evaluate(self.val_loader)
            print(epoch, found, loss.item(), self.model.training)
            if self.best is None or found < self.best:
                self.best = found
        return self.best


torch.manual_seed(0)
trainer = Trainer(3)
print(trainer.train(), torch.rand(1), trainer.model.training)
"""
CALL = "found = self.evaluate(self.val_loader)"
SWITCH = "        self.model.eval()\n"
LOOP = "            for x, y in loader:\n"
SUM = "total += (self.model(x) - y).abs().sum().item()"
TRAINED = "    def train(self):\n"
MADE = "trainer = Trainer(3)\n"

MOVED = {
    "as_it_is": SCRIPT,
    "the_loader_by_name": SCRIPT.replace("self.evaluate(self.val_loader)", "self.evaluate(loader=self.val_loader)"),
    "used_behind_it_too": SCRIPT + "print(trainer.evaluate(trainer.val_loader))\n",
    "used_before_it_too": SCRIPT.replace(MADE, MADE + "print(trainer.evaluate(trainer.val_loader))\n"),
    "trained_twice": SCRIPT + "print(trainer.train(), torch.rand(1))\n",
    "no_epochs": SCRIPT.replace("Trainer(3)", "Trainer(0)"),
    "a_decorator": SCRIPT.replace("    def evaluate", "    @torch.no_grad()\n    def evaluate"),
    "other_names_of_the_object": SCRIPT.replace(
        "    def evaluate(self, loader):", "    def evaluate(this, loader):"
    ).replace(SWITCH, "        self = 0\n        this.model.eval()\n").replace(SUM, SUM.replace("self", "this")),
    "a_loader_set_anew": SCRIPT.replace(CALL, "self.val_loader = DataLoader(self.loader.dataset, batch_size=7)\n" + 12 * " " + CALL),
    "a_loader_made_in_the_call": SCRIPT.replace("self.evaluate(self.val_loader)", "self.evaluate(DataLoader(self.loader.dataset, batch_size=3))"),
    "a_property_that_draws": SCRIPT.replace("self.val_loader = ", "self._val_loader = ").replace(
        "    def distance", "    @property\n    def val_loader(self):\n        print('asked', random.random())\n"
        "        return self._val_loader\n\n    def distance"),
    "every_second_epoch": SCRIPT.replace(CALL, "found = 1 if self.best is None else self.best\n            if epoch % 2:\n                " + CALL),
    "a_save_in_front_of_it": SCRIPT.replace(CALL, "torch.save(self.model.state_dict(), 'a.pt')\n            " + CALL),
    "a_class_above_it": SCRIPT.replace("class Trainer:", "class Base:\n    def evaluate(self, loader):\n        return 5\n\n\nclass Trainer(Base):"),
    "the_same_name_in_another_class": SCRIPT.replace("class Trainer:", "class Other:\n    def evaluate(self, loader):\n        return 5\n\n\nclass Trainer:"),
    "another_object_of_the_class": SCRIPT.replace(MADE, MADE + "other = Trainer(1)\nprint(other.train(), other.evaluate(trainer.val_loader))\n"),
    "a_value_by_default": SCRIPT.replace("(self, loader):", "(self, loader, most=2):").replace(
        LOOP, LOOP.replace("x, y in loader", "i, (x, y) in enumerate(loader)") + "                if i == most:\n                    continue\n"),
    "in_the_middle": SCRIPT.replace("                self.optimizer.step()\n", "                self.optimizer.step()\n"
        "                if len(x) == 2:\n                    print(self.evaluate(self.val_loader), self.model.training)\n                    self.model.train()\n"
        ).replace(CALL, "found = 3"),
}  # fmt: skip
STAYS = {
    "a_class_below_it": SCRIPT.replace(MADE, "class Other(Trainer):\n    def evaluate(self, loader):\n        print('other')\n"
        "        return super().evaluate(loader) + 1\n\n\ntrainer = Other(3)\n"),
    "set_for_the_object": SCRIPT.replace(MADE, MADE + "trainer.evaluate = lambda loader: 3\n"),
    "set_for_the_class": SCRIPT.replace(MADE, "Trainer.evaluate = lambda self, loader: 3\n" + MADE),
    "set_by_name": SCRIPT.replace(MADE, MADE + "setattr(trainer, 'evaluate', lambda loader: 3)\n"),
    "set_with_others": SCRIPT.replace(MADE, MADE + "trainer.evaluate, a = (lambda loader: 3), 4\n"),
    "wrapped_in_the_class": SCRIPT.replace(TRAINED, "    def counted(call):\n        return lambda self, loader: call(self, loader) + 1\n\n"
        "    evaluate = counted(evaluate)\n\n" + TRAINED),
    "looked_up_otherwise": SCRIPT.replace(TRAINED, "    def __getattribute__(self, name):\n        if name == 'evaluate':\n            print('asked')\n"
        "        return super().__getattribute__(name)\n\n" + TRAINED),
    "asks_the_class_above": SCRIPT.replace("class Trainer:", "class Base:\n    def scale(self):\n        return 2\n\n\nclass Trainer(Base):").replace(
        "len(loader.dataset)", "super().scale()"),
    "asks_for_its_class": SCRIPT.replace("len(loader.dataset)", "len(__class__.__name__)"),
    "another_object_under_its_name": SCRIPT.replace(SWITCH, "        self = random.choice([self])\n" + SWITCH),
    "of_the_class": SCRIPT.replace("    def evaluate(self, loader):", "    @classmethod\n    def evaluate(cls, loader):\n        self = trainer"),
    "of_no_object": SCRIPT.replace("    def evaluate(self, loader):", "    @staticmethod\n    def evaluate(loader):\n        self = trainer"),
    "a_decorator_of_the_script": SCRIPT.replace("    def evaluate", "    @staticmethod(lambda f: lambda *a: f(*a) + 1).__func__\n    def evaluate"),
    "left_early": SCRIPT.replace(SWITCH, "        if self.best is not None and self.best > 1000:\n            return 3\n" + SWITCH),
    "it_calls_itself": SCRIPT.replace(SWITCH, "        if len(loader.dataset) == 3:\n            self.evaluate(loader)\n" + SWITCH),
    "a_decorator_of_the_class": SCRIPT.replace("class Trainer:", "def same(kind):\n    return kind\n\n\n@same\nclass Trainer:"),
    "a_private_name": SCRIPT.replace("self.best", "self.__best").replace("total = 0\n", "total = self.__best or 0\n"),
}  # fmt: skip


@pytest.mark.parametrize("name", MOVED)
def test_it_becomes_a_loop_of_the_trainer(name: str, runner: Runner) -> None:
    result = convert_text(MOVED[name])
    assert isinstance(result, Converted) and "def validation_step(" in result.after
    assert first_difference(runner.run(MOVED[name]), runner.run(result.after)) is None


@pytest.mark.parametrize("name", STAYS)
def test_it_stays(name: str, runner: Runner) -> None:
    result = convert_text(STAYS[name])
    assert isinstance(result, Converted) and "def validation_step(" not in result.after
    assert "N102" in {note.code for note in result.diagnostics}
    assert first_difference(runner.run(STAYS[name]), runner.run(result.after)) is None


def test_the_method_goes_where_nothing_else_can_ask_for_it() -> None:
    assert "def evaluate(" not in _after(MOVED["as_it_is"])
    assert "def evaluate(" in _after(MOVED["used_behind_it_too"])
    library = SCRIPT[: SCRIPT.index("torch.manual_seed")]
    assert "def evaluate(" in _after(library)
    assert "def _evaluate(" not in _after(library.replace("evaluate", "_evaluate"))
    assert "def evaluate(" in _after(SCRIPT + "print(getattr(trainer, 'evalu' + 'ate'), 'evaluate')\n")


def _after(text: str) -> str:
    result = convert_text(text)
    assert isinstance(result, Converted)
    return result.after
