"""Several trainings in a file: each is converted, and what is said about them refers to the lines of the original."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from refactorer import analyze, convert
from refactorer.result import Converted, Refused, Unchanged
from tests.fixtures_harness import first_difference

if TYPE_CHECKING:
    from tests.fixtures_harness import Runner

HEAD = """\
import torch

torch.manual_seed(4)
loader = [(torch.randn(4, 2), torch.randn(4, 1)) for _ in range(3)]
first_epoch = 1
"""
EPOCHS = """

model_{k} = torch.nn.Linear(2, 1)
optimizer_{k} = torch.optim.SGD(model_{k}.parameters(), lr=0.1)
for epoch in range(3):
    for x, y in loader:
        optimizer_{k}.zero_grad()
        loss = (model_{k}(x) - y).square().mean()
        loss.backward()
        optimizer_{k}.step()
    print({k}, epoch)
"""
SKIPPED = """

def skipping_{k}():
    model = torch.nn.Linear(2, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for epoch in range(3):
        with torch.no_grad():
            if epoch < first_epoch:
                continue  # <-- N103
        for x, y in loader:
            optimizer.zero_grad()
            loss = (model(x) - y).square().mean()
            loss.backward()
            optimizer.step()
        print({k}, epoch)


skipping_{k}()
"""
STEPS = """

def steps_{k}():
    model = torch.nn.Linear(2, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for x, y in loader:
        optimizer.zero_grad()
        loss = (model(x) - y).square().mean()
        return_now = loss.item() < 0
        if return_now:
            return  # <-- N101
        loss.backward()
        optimizer.step()
        print({k}, model.weight.sum().item())


steps_{k}()
"""
FUNCTION = """

def train_{k}(model, optimizer, scheduler):
    for x, y in loader:
        optimizer.zero_grad()
        loss = (model(x) - y).square().mean()
        loss.backward()
        if loss.item() < 0:
            continue  # <-- N101
        optimizer.step()
        scheduler.step()


def main_{k}():
    model = torch.nn.Linear(2, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.9)
    for epoch in range(3):
        train_{k}(model, optimizer, scheduler)
        print({k}, epoch)


main_{k}()
"""
REFUSED = """

def evaluated_{k}(formula):
    model = torch.nn.Linear(2, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for x, y in loader:
        optimizer.zero_grad()
        loss = eval(formula)  # <-- R401
        loss.backward()
        optimizer.step()


evaluated_{k}("(model(x) - y).abs().mean()")
"""
CELL = """

model = torch.nn.Linear(2, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for epoch in range(3):
    with torch.no_grad():
        if epoch < first_epoch:
            continue  # <-- N103
    for x, y in loader:
        optimizer.zero_grad()
        loss = (model(x) - y).square().mean()
        loss.backward()
        optimizer.step()
    print(epoch)
"""


def script(*parts: str) -> str:
    return HEAD + "".join(part.replace("{k}", str(index)) for index, part in enumerate(parts))


def marked(text: str) -> list[tuple[str, int]]:
    """The codes that a script expects, and on which lines."""
    found = (re.search(r"# <-- ([RN]\d{3})$", line) for line in text.splitlines())
    return [(match[1], number) for number, match in enumerate(found, 1) if match]


def loops(text: str) -> list[int]:
    """The lines of the loops over epochs, batches and steps."""
    return [number for number, line in enumerate(text.splitlines(), 1) if re.match(r" *for .* in .*:", line)]


MIXTURES = {
    "two": (EPOCHS, SKIPPED),
    "two with notes": (SKIPPED, STEPS),
    "functions": (FUNCTION, FUNCTION),
    "function between": (STEPS, FUNCTION, SKIPPED),
    "four": (FUNCTION, EPOCHS, STEPS, SKIPPED),
}


@pytest.mark.parametrize("name", MIXTURES)
def test_notes_refer_to_the_original(name: str) -> None:
    text = script(*MIXTURES[name])
    result = convert(text)
    assert isinstance(result, Converted)
    assert [(found.code, found.line) for found in result.diagnostics] == marked(text)


def test_columns_too() -> None:
    text = script(EPOCHS, SKIPPED)
    (note,) = convert(text).diagnostics
    line = text.splitlines()[note.line - 1]
    assert line[note.column - 1 :].startswith("continue")


def test_findings_refer_to_the_original() -> None:
    text = script(FUNCTION, EPOCHS, STEPS)
    assert sorted(found.line for found in analyze(text).findings) == loops(text)


def test_trainings_with_the_same_text() -> None:
    """As in exported notebooks, where the same cell stands twice."""
    text = script(CELL, CELL, CELL)
    result = convert(text)
    assert len(marked(text)) == 3
    assert [found.line for found in result.diagnostics if found.code == "N103"] == [line for _, line in marked(text)]


@pytest.mark.parametrize("name", MIXTURES)
def test_every_training_is_converted(name: str, runner: Runner) -> None:
    text = script(*MIXTURES[name])
    result = convert(text)
    assert isinstance(result, Converted)
    assert result.after.count("(Module):") == len(MIXTURES[name])
    assert "backward()" not in result.after
    assert isinstance(convert(result.after), Unchanged)
    before = runner.run(text)
    assert before.status == 0, before.error
    assert before.steps
    assert first_difference(before, runner.run(result.after)) is None


@pytest.mark.parametrize("parts", [(REFUSED, EPOCHS), (EPOCHS, REFUSED), (FUNCTION, STEPS, REFUSED)])
def test_one_that_is_refused_leaves_the_file_as_it_is(parts: tuple[str, ...]) -> None:
    """All or nothing; the refusal refers to the original too, and no note of the others is given."""
    text = script(*parts)
    result = convert(text)
    assert isinstance(result, Refused)
    assert [(found.code, found.line) for found in result.diagnostics] == [
        pair for pair in marked(text) if pair[0].startswith("R")
    ]


def test_the_names_of_the_modules_differ() -> None:
    result = convert(script(EPOCHS, EPOCHS, STEPS))
    assert isinstance(result, Converted)
    names = re.findall(r"class (\w+)\(Module\)", result.after)
    assert len(set(names)) == 3
    assert result.after.count("from runtime import Module, Trainer") == 1
