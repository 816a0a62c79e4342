"""Names that code in front of the training takes away again: the module is not handed what has no value any more."""

from __future__ import annotations

import pytest

from refactorer import convert
from refactorer.result import Converted, Refused
from tests.fixtures_harness import Runner, first_difference

SCRIPT = """\
import random

import torch
from torch import nn

torch.manual_seed(0)
random.seed(0)
data = [(torch.randn(4, 3), torch.randn(4, 1)) for _ in range(3)]
EPOCHS = 2
FRONT
model = nn.Linear(3, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for number in range(EPOCHS):
    for x, y in data:
        optimizer.zero_grad()
        loss = ((model(x) - y) ** 2).mean()
        loss.backward()
        optimizer.step()
    print(number, loss.item())
if EPOCHS:
    print(number, x.shape, loss)
"""
FOLDS = """\
import random

import torch
from torch import nn

torch.manual_seed(0)
random.seed(0)
data = [(torch.randn(4, 3), torch.randn(4, 1)) for _ in range(3)]


def report():
    print(last)


for fold in range(4):
    model = nn.Linear(3, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for epoch in range(2):
        for x, y in data:
            optimizer.zero_grad()
            loss = ((model(x) - y) ** 2).mean()
            loss.backward()
            optimizer.step()
            if fold == 0 or random.random() > 0.9:
                last = loss.item()
    report()
    print(x.shape)
    BEHIND
"""
FRONT = [
    "x, y = next(iter(data))\nprint(x.shape)\ndel x, y",
    "x = loss = 3\nif EPOCHS:\n    del x",
    "x = 3\nif EPOCHS:\n    print(x)\n    del x; loss = 4",
    "try:\n    import no_such_module\nexcept ImportError as number:\n    print(number)",
    "for number in range(2):\n    pass\nwith torch.no_grad():\n    del number",
]
BOUND = [
    "x, y = next(iter(data))\nprint(x.shape)\ndel x, y\nx = 3\nprint(x)",
    "x = [3]\ndel x[0]\nprint(x)",
    "x = 3\ndel x; x = 4; print(x)",
    "x = data[0]\nprint(x)\nclass Kept:\n    x = 1\n    del x",
    "x = 3\nwith open(__file__) as file:\n    print(x)\ndel file",
]


def in_function(text: str) -> str:
    head, rest = text.split("EPOCHS = 2\n")
    return (
        head + "EPOCHS = 2\n\n\ndef main():\n" + "".join(f"    {line}\n" for line in rest.splitlines()) + "\nmain()\n"
    )


def equal(text: str, runner: Runner) -> bool:
    result = convert(text)
    assert isinstance(result, Converted), result.diagnostics
    return first_difference(runner.run(text), runner.run(result.after)) is None


@pytest.mark.parametrize("epochs", [2, 0])
@pytest.mark.parametrize("front", FRONT)
def test_none_stands_behind_the_line_that_takes_it_away(front: str, epochs: int, runner: Runner) -> None:
    text = SCRIPT.replace("FRONT", front).replace("EPOCHS = 2", f"EPOCHS = {epochs}")
    assert equal(text, runner)
    assert epochs == 0 or equal(in_function(text), runner)


def test_what_it_looks_like() -> None:
    result = convert(SCRIPT.replace("FRONT", FRONT[0]))
    assert isinstance(result, Converted), result.diagnostics
    assert "print(x.shape)\ndel x, y\nx = None\nmodel = nn.Linear(3, 1)\n" in result.after
    assert result.after.count("x = None") == 1


@pytest.mark.parametrize("front", BOUND)
def test_no_line_is_needed(front: str, runner: Runner) -> None:
    text = SCRIPT.replace("FRONT", front)
    result = convert(text)
    assert isinstance(result, Converted), result.diagnostics
    assert "x = None\n" not in result.after
    assert equal(text, runner)


def test_the_name_of_an_exception_may_still_have_a_value() -> None:
    front = "loss = 5\ntry:\n    import no_such_module\nexcept ImportError as loss:\n    print(loss)"
    result = convert(SCRIPT.replace("FRONT", front))
    assert isinstance(result, Refused)
    assert [found.code for found in result.diagnostics] == ["R403"]


@pytest.mark.parametrize(
    "behind", ["pass", "del model, optimizer", "del x, y", "if fold:\n        del x, loss", "del loss"]
)
def test_trainings_one_after_the_other(behind: str, runner: Runner) -> None:
    assert equal(FOLDS.replace("BEHIND", behind), runner)


@pytest.mark.parametrize("handed", ["del aux", "if fold == 0:\n        del aux", "del aux; aux = fold"])
def test_what_a_round_takes_away_the_next_one_binds(handed: str, runner: Runner) -> None:
    text = FOLDS.replace("    for epoch in", "    if fold in (0, 2):\n        aux = fold\n    for epoch in")
    text = text.replace("last = loss.item()", "last = loss.item() + (aux if fold in (0, 2) else 0)")
    assert equal(text.replace("BEHIND", f"if fold in (0, 2):\n        {handed.replace('    ', '        ')}"), runner)


def test_a_global_keeps_what_the_training_before_has_left(runner: Runner) -> None:
    text = """\
import random

import torch
from torch import nn

torch.manual_seed(0)
random.seed(0)
data = [(torch.randn(4, 3), torch.randn(4, 1)) for _ in range(3)]
model = nn.Linear(3, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
later = (best for _ in range(2))
for epoch in range(4):
    for x, y in data:
        optimizer.zero_grad()
        loss = ((model(x) - y) ** 2).mean()
        loss.backward()
        optimizer.step()
        if random.random() > 0.6:
            best = loss.item()
    print(epoch, best)
print(list(later))
"""
    assert equal(text, runner)
