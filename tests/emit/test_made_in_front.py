"""Objects that are made of nothing else directly in front of the training: the constructor makes them, in order."""

from __future__ import annotations

import pytest

from tests.fixtures_harness import Runner
from tests.idioms.device_harness import checked

SCRIPT = """
import argparse
import time
import collections
import torch
from torch import nn
torch.manual_seed(0)
args = argparse.Namespace(epochs=2)
loader = [(torch.randn(4, 2), torch.randn(4, 1)), (torch.randn(4, 2), torch.randn(4, 1))]


class Meter:
    made = 0

    def __init__(self, name='meter', first=None):
        Meter.made += 1
        self.values = [] if first is None else [first]
        print('a new', name, torch.rand(1).item())

    def update(self, value):
        self.values.append(value)
        print(sum(self.values), len(self.values))


class Forgetful(Meter):
    def __init__(self):
        global args
        super().__init__()
        args = argparse.Namespace(epochs=1)


def epochs():
    print('how many?')
    return range(2)


def train(model, {parameters}):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
{front}
    for epoch in {epochs}:
        for x, y in loader:
            optimizer.zero_grad()
            loss = (model(x) - y).pow(2).mean()
            loss.backward()
            optimizer.step()
            {use}
{behind}


train(nn.Linear(2, 1))
print(Meter.made, torch.rand(1).item())
"""
UPDATE = "losses.update(loss.item())"
MADE = "losses = Meter()"


def script(front: str = MADE, use: str = UPDATE, epochs: str = "range(args.epochs)", behind: str = "    pass",
           parameters: str = "") -> str:  # fmt: skip
    lines = "\n".join("    " + line for line in front.splitlines())
    return SCRIPT.format(front=lines, use=use, epochs=epochs, behind=behind, parameters=parameters)


@pytest.mark.parametrize(
    ("front", "use"),
    [
        (MADE, UPDATE),
        ("losses = Meter('losses', first=1.0)", UPDATE),
        ("losses = Meter('first')\nothers = Meter('second')", UPDATE + "; others.update(epoch)"),
        (
            "others = Meter('first')\nseen = []\nlosses = Meter('second')",
            UPDATE + "; others.update(epoch); seen.append(1)",
        ),
        ("losses = collections.defaultdict(list)", "losses[epoch].append(loss.item()); print(dict(losses))"),
        ("start = time.time()", "print(time.time() - start < 1e5)"),
    ],
)
def test_the_constructor_makes_them(front: str, use: str, runner: Runner) -> None:
    text, _ = checked(script(front, use), runner)
    lines = [f"        self.{line}" for line in front.splitlines()]
    assert all(line in text for line in lines) and ", model):" in text
    assert [text.index(line) for line in lines] == sorted(text.index(line) for line in lines)


@pytest.mark.parametrize(
    "arguments",
    [
        {"front": MADE + "\nprint('go')"},
        {"front": MADE + "\nmodel.train()"},
        {"front": "losses = Meter(args.epochs)"},
        {"front": "losses = Meter(str(1))"},
        {"front": "losses = Forgetful()"},
        {"behind": "    print(losses.values)"},
        {"epochs": "epochs()"},
        {"parameters": "Meter=Meter"},
        {"front": "if len(loader):\n    losses = Meter()"},
        {"front": MADE + "\nlosses = losses"},
    ],
)
def test_they_stay_where_they_are(arguments: dict[str, str], runner: Runner) -> None:
    text, _ = checked(script(**arguments), runner)
    assert "self.losses = losses" in text or "self.losses" not in text


@pytest.mark.parametrize(
    "change",
    [
        "args.epochs = 1",
        "setattr(args, 'epochs', 1)",
        "known = args\n        known.epochs = 1",
        "vars(args).update(epochs=1)",
        "args.__dict__.update(epochs=1)",
        "change()",
        "self.limit = 1",
        "for args.epochs in range(2):\n            pass",
    ],
)
def test_what_changes_more_than_itself_stays_where_it_is(change: str, runner: Runner) -> None:
    kind = f"""
class Changing(Meter):
    def __init__(self):
        super().__init__()
        {change}

    @property
    def limit(self):
        return args.epochs

    @limit.setter
    def limit(self, number):
        args.epochs = number


def change():
    global args
    args = argparse.Namespace(epochs=1)


def Changed():
    return Changing()


class Inherited(Changing):
    pass
"""
    for name in ("Changing", "Changed", "Inherited"):
        text, _ = checked(script(f"losses = {name}()").replace("\ndef epochs", f"{kind}\n\ndef epochs"), runner)
        assert "self.losses = losses" in text


def test_what_the_trainer_is_told_may_print(runner: Runner) -> None:
    kind = "class Settings:\n    @property\n    def number(self):\n        print('how many?')\n        return 2\n\n\n"
    before = script(epochs="range(settings.number)").replace(
        "def epochs", f"{kind}settings = Settings()\n\n\ndef epochs"
    )
    assert "self.losses = losses" in checked(before, runner)[0]
