"""Names that one branch binds: handed to the module as they are where a line in front of the training has read them."""

from __future__ import annotations

import pytest

from refactorer import convert
from refactorer.result import Converted
from tests.fixtures_harness import Runner, first_difference

SCRIPT = """\
import torch
from torch import nn

torch.manual_seed(0)
KIND, EPOCHS = "linear", 2


def main():
    if KIND == "linear":
        model = nn.Linear(3, 1)
    elif KIND == "deep":
        model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 1))
    READ
    optimizer = torch.optim.SGD(nn.Linear(3, 1).parameters(), lr=0.1)
    for epoch in range(EPOCHS):
        for x in [torch.randn(4, 3)] * 3:
            optimizer.zero_grad()
            loss = model(x).mean()
            loss.backward()
            optimizer.step()
            print(epoch, loss.item())


try:
    main()
except NameError as error:
    print(error)
"""
READ = [
    "print(model)",
    "assert KIND; kept = [model for _ in range(2)]; print(model)",
    "if model.in_features > 5 and EPOCHS:\n        print('wide')",
    "if 2 < len(list(model.parameters())) < EPOCHS:\n        print('deep')",
]
NOT_READ = [
    "assert model",
    "if EPOCHS > 5:\n        print(model)",
    "if EPOCHS > 5 and model.in_features:\n        print('wide')",
    "shown = model if EPOCHS > 5 else None",
    "look = lambda: print(model)",
    "def look():\n        print(model)",
    "shown = [model for _ in range(EPOCHS)]",
    "try:\n        print(model)\n    except NameError:\n        print('none')",
    "if 2 > EPOCHS > len(list(model.parameters())):\n        print('deep')",
    "print(model)\n    if KIND == 'no':\n        del model",
]


def of(read: str) -> str:
    return SCRIPT.replace("READ", read)


OTHERS = [("linear", 2), ("none", 2), ("none", 0)]


def alike(before: str, after: str, runner: Runner) -> bool:
    """Whether both train and stop alike with a network, without one, and without one in no epochs."""
    return all(
        first_difference(*(runner.run(text.replace('"linear", 2', f'"{kind}", {epochs}')) for text in (before, after)))
        is None
        for kind, epochs in OTHERS
    )


@pytest.mark.parametrize("read", READ)
def test_it_has_a_value(read: str, runner: Runner) -> None:
    result = convert(of(read))
    assert isinstance(result, Converted), result.diagnostics
    assert "model = None\n" not in result.after
    assert alike(result.before, result.after, runner)


@pytest.mark.parametrize("read", NOT_READ)
def test_it_may_have_none(read: str) -> None:
    result = convert(of(read))
    assert isinstance(result, Converted), result.diagnostics
    assert "    model = None\n" in result.after
