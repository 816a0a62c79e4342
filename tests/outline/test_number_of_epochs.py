"""A number of epochs that is only written or compared is asked of the Trainer, not handed to the module."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from refactorer import Converted, convert
from tests.fixtures_harness import first_difference

if TYPE_CHECKING:
    from tests.fixtures_harness import Runner

_SCRIPT = """
import numpy
import torch
from torch import nn

torch.manual_seed(0)
loader = [(torch.randn(4, 2), torch.randn(4, 1)) for _ in range(3)]
settings = {{}}


def fit(model, epochs, before=0):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    {front}
    for epoch in {loop}:
        for x, y in loader:
            optimizer.zero_grad()
            loss = nn.functional.mse_loss(model(x), y)
            loss.backward()
            optimizer.step()
        {told}
    {behind}
    return epochs


print(fit(nn.Linear(2, 1), {number}), settings, torch.rand(1))
"""
ASKED = [
    "print('epoch', epoch, 'of', epochs)",
    "print('%d/%d' % (epoch + 1, epochs), loss.item())",
    "print('{}/{}'.format(epoch + 1, epochs))",
    "print(f'{epoch}/{epochs}')",
    "print('last' if epoch == epochs - 1 else epochs / 2)",
    "print([i * epochs for i in range(2)], (lambda: epochs + 1)())",
]
GIVEN = [
    "settings['epochs'] = epochs",
    "print([epochs])",
    "print(f'{epochs!r}')",
    "print(str(epochs))",
    "settings.update(n=epochs)",
    "epochs = epochs + 0\n        print(epochs)",
]


def _checked(runner: Runner, told: str, **parts: str) -> str:
    given = {"front": "pass", "loop": "range(epochs)", "behind": "pass", "number": "2", **parts}
    before = _SCRIPT.format(told=told, **given)
    result = convert(before)
    assert isinstance(result, Converted)
    assert first_difference(runner.run(before), runner.run(result.after)) is None
    return result.after


@pytest.mark.parametrize("told", ASKED)
@pytest.mark.parametrize("number", ["2", "0", "numpy.int64(2)", "True"])
def test_the_trainer_knows_it(told: str, number: str, runner: Runner) -> None:
    assert "self.trainer.max_epochs" in _checked(runner, told, number=number)


@pytest.mark.parametrize("told", GIVEN)
def test_it_is_handed_on(told: str, runner: Runner) -> None:
    assert "max_epochs)" not in _checked(runner, told, number="numpy.int64(2)")


def test_the_first_epoch_has_another_number(runner: Runner) -> None:
    assert "self.trainer.max_epochs" in _checked(runner, ASKED[0], loop="range(1, epochs + 1)")
    assert "self.trainer.max_epochs" not in _checked(runner, ASKED[0], loop="range(before, epochs)")


def test_what_is_no_number_of_epochs_is_handed_on(runner: Runner) -> None:
    front = "total, epochs = epochs, 5"
    assert "self.trainer.max_epochs" not in _checked(runner, ASKED[0], front=front, loop="range(total)")
    assert "self.trainer.max_epochs" not in _checked(runner, ASKED[0], loop="range(epochs * 2)")


def test_a_function_may_count_on() -> None:
    front = "def more():\n        nonlocal epochs\n        epochs += 1"
    result = convert(_SCRIPT.format(told="more()\n        print(epochs)", front=front, loop="range(epochs)",
                                    behind="pass", number="2"))  # fmt: skip
    assert "max_epochs)" not in getattr(result, "after", "")
