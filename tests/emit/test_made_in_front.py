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
