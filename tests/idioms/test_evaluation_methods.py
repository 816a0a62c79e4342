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
HEADER = "    def evaluate(self, loader):"
TRAINED = "    def train(self):\n"
STEPPED = "                self.optimizer.step()\n"
MADE = "trainer = Trainer(3)\n"
CLASS = "class Trainer:"


def but(old: str, new: str, text: str = SCRIPT) -> str:
    """The script with one thing in another form."""
    assert old in text
    return text.replace(old, new)


ANEW = "self.val_loader = DataLoader(self.loader.dataset, batch_size=7)\n            "
SOME = "found = 1 if self.best is None else self.best\n            if epoch % 2:\n                "
OTHER = "class Other:\n    def evaluate(self, loader):\n        return 5\n\n\n"
PROPERTY = """    @property
    def val_loader(self):
        print('asked', random.random())
        return self._val_loader

"""
MIDDLE = """                if len(x) == 2:
                    print(self.evaluate(self.val_loader), self.model.training)
                    self.model.train()
"""
FIRST_TWO = """            for i, (x, y) in enumerate(loader):
                if i == most:
                    continue
"""
BELOW = """class Other(Trainer):
    def evaluate(self, loader):
        print('other')
        return super().evaluate(loader) + 1


trainer = Other(3)
"""
COUNTED = """    def counted(call):
        return lambda self, loader: call(self, loader) + 1

    evaluate = counted(evaluate)

"""
LOOKED_UP = """    def __getattribute__(self, name):
        if name == 'evaluate':
            print('asked')
        return super().__getattribute__(name)

"""
ABOVE = "class Base:\n    def scale(self):\n        return 2\n\n\nclass Trainer(Base):"
DECORATED = "def same(kind):\n    return kind\n\n\n@same\nclass Trainer:"
EARLY = "        if self.best is not None and self.best > 1000:\n            return 3\n"
ITSELF = "        if len(loader.dataset) == 3:\n            self.evaluate(loader)\n"
MORE = "    @staticmethod(lambda f: lambda *a: f(*a) + 1).__func__\n"

OPTIONS = (
    "    def options(self, **given):\n        for name in given:\n            setattr(self, name, given[name])\n\n"
)
MOVED = {
    "as_it_is": SCRIPT,
    "the_loader_by_name": but("evaluate(self.val_loader)", "evaluate(loader=self.val_loader)"),
    "used_behind_it_too": SCRIPT + "print(trainer.evaluate(trainer.val_loader))\n",
    "used_before_it_too": but(MADE, MADE + "print(trainer.evaluate(trainer.val_loader))\n"),
    "trained_twice": SCRIPT + "print(trainer.train(), torch.rand(1))\n",
    "no_epochs": but("Trainer(3)", "Trainer(0)"),
    "a_decorator": but(HEADER, "    @torch.no_grad()\n" + HEADER),
    "other_names_of_the_object": but(
        SWITCH, "        self = 0\n        this.model.eval()\n", but(SUM, SUM.replace("self", "this"))
    ).replace(HEADER, HEADER.replace("self", "this")),
    "a_loader_set_anew": but(CALL, ANEW + CALL),
    "a_loader_made_in_the_call": but("evaluate(self.val_loader)", "evaluate(DataLoader(self.loader.dataset, 3))"),
    "a_property_that_draws": but("self.val_loader = ", "self._val_loader = ").replace(HEADER, PROPERTY + HEADER),
    "every_second_epoch": but(CALL, SOME + CALL),
    "a_save_in_front_of_it": but(CALL, "torch.save(self.model.state_dict(), 'a.pt')\n            " + CALL),
    "a_class_above_it": but(CLASS, OTHER + "class Trainer(Other):"),
    "the_same_name_in_another_class": but(CLASS, OTHER + CLASS),
    "another_object_of_the_class": but(
        MADE, MADE + "other = Trainer(1)\nprint(other.train(), other.evaluate(trainer.val_loader))\n"
    ),
    "a_value_by_default": but("(self, loader):", "(self, loader, most=2):", but(LOOP, FIRST_TWO)),
    "in_the_middle": but(STEPPED, STEPPED + MIDDLE, but(CALL, "found = 3")),
}
STAYS = {
    "a_class_below_it": but(MADE, BELOW),
    "set_for_the_object": but(MADE, MADE + "trainer.evaluate = lambda loader: 3\n"),
    "set_for_the_class": but(MADE, "Trainer.evaluate = lambda self, loader: 3\n" + MADE),
    "set_by_name": but(MADE, MADE + "setattr(trainer, 'evaluate', lambda loader: 3)\n"),
    "set_by_a_name_worked_out": but(MADE, MADE + "setattr(trainer, 'eval' + 'uate', lambda loader: 3)\n"),
    "set_by_any_name": but(TRAINED, OPTIONS + TRAINED),
    "set_among_all": but(MADE, MADE + "trainer.__dict__.update(evaluate=lambda loader: 3)\n"),
    "set_with_others": but(MADE, MADE + "trainer.evaluate, a = (lambda loader: 3), 4\n"),
    "wrapped_in_the_class": but(TRAINED, COUNTED + TRAINED),
    "looked_up_otherwise": but(TRAINED, LOOKED_UP + TRAINED),
    "asks_the_class_above": but(CLASS, ABOVE, but("len(loader.dataset)", "super().scale()")),
    "asks_for_its_class": but("len(loader.dataset)", "len(__class__.__name__)"),
    "another_object_under_its_name": but(SWITCH, "        self = random.choice([self])\n" + SWITCH),
    "of_the_class": but(HEADER, "    @classmethod\n    def evaluate(cls, loader):\n        self = trainer"),
    "of_no_object": but(HEADER, "    @staticmethod\n    def evaluate(loader):\n        self = trainer"),
    "a_decorator_of_the_script": but(HEADER, MORE + HEADER),
    "left_early": but(SWITCH, EARLY + SWITCH),
    "it_calls_itself": but(SWITCH, ITSELF + SWITCH),
    "a_decorator_of_the_class": but(CLASS, DECORATED),
    "a_private_name": but("self.best", "self.__best").replace("total = 0\n", "total = self.__best or 0\n"),
}


@pytest.mark.parametrize("name", MOVED)
def test_it_becomes_a_loop_of_the_trainer(name: str, runner: Runner) -> None:
    result = convert_text(MOVED[name])
    assert isinstance(result, Converted) and "def validation_step(" in result.after
    assert first_difference(runner.run(MOVED[name]), runner.run(result.after)) is None


@pytest.mark.parametrize("other", ["args = ArgumentParser().parse_args([])\n", "args = Namespace()\n"])
def test_settings_may_have_any_name(other: str) -> None:
    lines = f"from argparse import ArgumentParser, Namespace\n{other}for k in 'ab':\n    setattr(args, k, 1)\n"
    result = convert_text(but(MADE, lines + MADE))
    assert isinstance(result, Converted) and "def validation_step(" in result.after


@pytest.mark.parametrize("name", STAYS)
def test_it_stays(name: str) -> None:
    result = convert_text(STAYS[name])
    assert isinstance(result, Converted) and "def validation_step(" not in result.after
    assert "N102" in {note.code for note in result.diagnostics}


def test_the_note_gives_the_reason_that_a_function_outside_of_the_class_would_not_change() -> None:
    reasons = {name: [note.message for note in convert_text(STAYS[name]).diagnostics] for name in STAYS}
    assert (
        "the evaluation stays in on_train_epoch_end: `return` leaves evaluate() before its end"
        in (reasons["left_early"])
    )
    assert (
        "the evaluation stays where it is: evaluate() may be another method for some objects"
        in (reasons["a_class_below_it"])
    )


def test_the_method_goes_where_nothing_else_can_ask_for_it() -> None:
    assert "def evaluate(" not in _after(MOVED["as_it_is"])
    assert "def evaluate(" in _after(MOVED["used_behind_it_too"])
    library = SCRIPT[: SCRIPT.index("torch.manual_seed")]
    assert "def evaluate(" in _after(library)
    assert "def _evaluate(" not in _after(library.replace("evaluate", "_evaluate"))
    assert "def evaluate(" in _after(SCRIPT + "print('evaluate')\n")
    assert "def evaluate(" in _after(SCRIPT + "print(getattr(trainer, 'evalu' + 'ate'))\n")
    assert "def evaluate(" not in _after(SCRIPT + "print(getattr(trainer, 'last_' + trainer.name, None))\n")


def test_a_docstring_keeps_its_depth() -> None:
    text = SCRIPT.replace('The mean distance."""', 'The mean distance.\n\n        Of all.\n        """')
    assert '        """The mean distance.\n\n        Of all.\n        """\n' in _after(text)


def _after(text: str) -> str:
    result = convert_text(text)
    assert isinstance(result, Converted)
    return result.after


EPOCHS = SCRIPT.replace("""    def train(self):
        for epoch in range(self.epochs):
            self.model.train()
""", """    def train_epoch(self, epoch):
        self.model.train()
        if True:
""").replace("""            found = self.evaluate(self.val_loader)
            print(epoch, found, loss.item(), self.model.training)
            if self.best is None or found < self.best:
                self.best = found
        return self.best
""", """        print(epoch, loss.item())
        log = {'epoch': epoch}
        {call}
        return log

    def train(self):
        for epoch in range(self.epochs):
            log = self.train_epoch(epoch)
            print(log, self.model.training)
            self.best = log
        return self.best
""").replace("        if True:\n            for", "        for").replace(
    """                self.optimizer.zero_grad()
                loss = (self.model(x) - y).pow(2).mean()
                loss.backward()
                self.optimizer.step()
""", """            self.optimizer.zero_grad()
            loss = (self.model(x) - y).pow(2).mean()
            loss.backward()
            self.optimizer.step()
""")  # fmt: skip


@pytest.mark.parametrize(
    ("call", "midway"),
    [
        ("log['found'] = self.evaluate(self.val_loader)", False),
        ("if epoch != 1:\n            log['found'] = self.evaluate(self.val_loader)", True),
        ("found = self.evaluate(self.val_loader)\n        log.update(found=found, mode=self.model.training)", False),
    ],
)
def test_the_method_for_an_epoch_calls_it(call: str, midway: bool, runner: Runner) -> None:
    text = EPOCHS.replace("{call}", call)
    result = convert_text(text)
    assert isinstance(result, Converted), result.diagnostics
    assert "def validation_step(" in result.after and ("self.validate()" in result.after) is midway
    assert "def evaluate(" not in result.after and "def train_epoch(" not in result.after
    before = runner.run(text)
    assert before.status == 0, before.error
    assert first_difference(before, runner.run(result.after)) is None


def test_a_method_for_an_epoch_that_calls_another_one_for_some_objects(runner: Runner) -> None:
    text = EPOCHS.replace("{call}", CALL).replace(
        "trainer = ", "class Silent(Trainer):\n    def evaluate(self, loader):\n        return 0\n\n\ntrainer = "
    )
    result = convert_text(text)
    assert isinstance(result, Converted) and "def validation_step(" not in result.after
    assert any("may be another method for some objects" in note.message for note in result.diagnostics)
    assert first_difference(runner.run(text), runner.run(result.after)) is None
