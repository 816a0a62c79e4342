"""Evaluations that nothing moves: the reader learns why, and is told nothing about loops that evaluate nothing."""

from __future__ import annotations

import pytest

from refactorer.converter import convert_text
from refactorer.result import Converted

SCRIPT = """
import torch
from torch import nn, optim
from torch.utils.data import DataLoader
from measures import count, evaluate, report, shuffled
{functions}
model = nn.Linear(2, 1)
optimizer = optim.SGD(model.parameters(), lr=0.1)
for epoch in range(2):
    model.train()
    for x, y in loader:
        optimizer.zero_grad()
        loss = (model(x) - y).pow(2).mean()
        loss.backward()
        optimizer.step()
{end}
"""
WINDOWS = """
def test(data):
    model.eval()
    total = 0
    for i in range(0, count(data), 4):
        total += model(data[i:i + 4]).sum().item()
    return total
"""
BY_HAND = """
def test(count, batches=None):
    model.eval()
    batches = iter(val_loader)
    for i in range(count):
        print(model(next(batches)[0]))
"""
OTHERS = """
class Other:
    def test(self, val_loader):
        model.eval()
        for x, y in val_loader:
            print(model(x))
"""
CHOSEN = """
def test(cached):
    model.eval()
    for x, y in cached if cached else val_loader:
        print(model(x))
"""
OF_A_METHOD = """
def test(data):
    model.eval()
    for x, y in data.one_epoch():
        print(model(x))
"""
HANDED = """
def test(val_loader):
    model.eval()
    for batch in val_loader:
        count(batch, model)
"""
SAMPLES = """
def sample(count):
    model.eval()
    with torch.no_grad():
        x = torch.zeros(1, 2)
        for i in range(count):
            x = model(x) + x
    return x
"""
WHOLE = """
def test(x):
    model.eval()
    return model(x)
"""
REASONS = {
    "windows": (WINDOWS, "    print(test(points))", "it fetches its batches by itself"),
    "next": (BY_HAND, "    test(3)", "it fetches its batches by itself"),
    "chosen": (CHOSEN, "    test(None)", "a condition chooses what it iterates over"),
    "what a method makes": (OF_A_METHOD, "    test(points)", "it iterates over the result of a call"),
    "handed on": (HANDED, "    test(val_loader)", "it runs the model in another function"),
    "another file": ("", "    print(evaluate(model, val_loader))", "evaluate() stands in another file"),
    "a method of another file": (
        "import metrics",
        "    print(metrics.eval_all(model, val_loader))",
        "eval_all() stands in another file",
    ),
    "a module of measures": (
        "import evaluating",
        "    print(evaluating.compute(model, val_loader))",
        "compute() stands in another file",
    ),
    "a method that nobody calls": (OTHERS, "    print(epoch)", "nothing in this file calls test()"),
}
SILENT = {
    "samples": (SAMPLES, "    print(sample(3))"),
    "everything at once": (WHOLE, "    print(test(points))"),
    "a report": ("", "    report(val_loader)"),
    "a report of the model": ("", "    report(model, epoch)"),
    "something of torch": ("", "    print(torch.testing.assert_close(model, val_loader))"),
    "nothing": ("", "    print(epoch)"),
}


def notes(functions: str, end: str) -> list[str]:
    result = convert_text(SCRIPT.format(functions=functions, end=end))
    assert isinstance(result, Converted)
    return [note.message for note in result.diagnostics if note.code == "N102"]


@pytest.mark.parametrize("name", REASONS)
def test_the_reader_learns_why(name: str) -> None:
    functions, end, reason = REASONS[name]
    assert notes(functions, end) == [f"the evaluation stays where it is: {reason}"]


@pytest.mark.parametrize("name", SILENT)
def test_nothing_is_said_of_what_does_not_evaluate(name: str) -> None:
    assert notes(*SILENT[name]) == []


BOTH = """
def run(data, optimizer):
    model.train() if optimizer is not None else model.eval()
    for x, y in data:
        loss = (model(x) - y).pow(2).mean()
        if optimizer is not None:
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()


for epoch in range(2):
    run(loader, optimizer)
    run(val_loader, None if epoch < 9 else optimizer)
"""


def test_a_loop_that_trains_and_evaluates_is_named() -> None:
    head = SCRIPT[: SCRIPT.index("for epoch")].format(functions="")
    result = convert_text(head + BOTH)
    assert "the evaluation stays where it is: the loop of run() trains too" in [
        note.message for note in result.diagnostics
    ]


LOOKED_UP = """
def look(data, title):
    model.eval()
    total = 0.0
    with torch.no_grad():
        for x, y in data:
            total += model(x).sum().item()
    print("{title} {total}".format(**locals()))


for epoch in range(2):
    model.train()
    for x, y in loader:
        optimizer.zero_grad()
        loss = (model(x) - y).pow(2).mean()
        loss.backward()
        optimizer.step()
    look(val_loader, "of the epoch")
"""


def test_variables_that_are_looked_up_by_name_stay_in_their_function() -> None:
    head = SCRIPT[: SCRIPT.index("for epoch")].format(functions="")
    result = convert_text(head + LOOKED_UP)
    assert isinstance(result, Converted) and "**locals()" in result.after.split("class Lit")[0]
    reasons = [note.message for note in result.diagnostics if note.code == "N102"]
    assert len(reasons) == 1 and reasons[0].endswith("the variables of look() are looked up by name")


TWO_TRAININGS = """
import torch
from torch import nn
model = nn.Linear(2, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
def profile(loader):
    for x, y in loader:
        optimizer.zero_grad()
        (model(x) - y).pow(2).mean().backward()
        optimizer.step()
def train(loader):
    model.train()
    for x, y in loader:
        optimizer.zero_grad()
        loss = (model(x) - y).pow(2).mean()
        loss.backward()
        optimizer.step()
def validate(loader):
    model.eval()
    total = 0
    with torch.no_grad():
        for x, y in loader:
            total += (model(x) - y).pow(2).sum().item()
    return total
def main(loader, val_loader, profiles):
    if profiles:
        profile(loader)
    for epoch in range(2):
        train(loader)
        {end}
    if not profiles:
        print({behind})
"""


def test_a_later_training_that_takes_an_evaluation_leaves_nothing_to_say() -> None:
    """Of the first one alone, `validate()` would only look like an evaluation that is called elsewhere."""
    result = convert_text(TWO_TRAININGS.format(end="print(validate(val_loader))", behind=0))
    assert isinstance(result, Converted) and "def validation_step(" in result.after
    assert result.after.count("(Module):") == 2
    assert not [note for note in result.diagnostics if note.code == "N102"]


def test_an_evaluation_that_no_training_takes_is_named_once() -> None:
    shown = "def show(loader):\n    return validate(loader)\n"
    result = convert_text(TWO_TRAININGS.format(end="pass", behind="show(val_loader)") + shown)
    assert isinstance(result, Converted) and result.after.count("(Module):") == 2
    notes = [note for note in result.diagnostics if note.code == "N102"]
    assert ["validate()" in note.message for note in notes] == [True]


SHARED = """
import torch
from torch import nn
from base import Base
class Worker(Base):
    def __init__(self, model):
        self.model = model
        self.optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    def run_epoch(self, phase, data):
        self.model.train() if phase == "train" else self.model.eval()
        for x, y in data:
            loss = (self.model(x) - y).pow(2).mean()
            if phase == "train":
                self.optimizer.zero_grad()
                loss.backward()
                self.optimizer.step()
    def train(self, data):
        self.run_epoch("train", data)
    def test(self, data):
        self.run_epoch("test", data)
"""


def test_a_loop_that_methods_share_is_named() -> None:
    """No loop of the file calls them: other files do."""
    result = convert_text(SHARED)
    assert isinstance(result, Converted)
    notes = [note.message for note in result.diagnostics if note.code == "N102"]
    assert notes == ["the evaluation stays where it is: the loop of run_epoch() trains too"]
