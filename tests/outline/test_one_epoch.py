"""Functions that train for one epoch, which they are told the number of: the Trainer tells the module."""

from __future__ import annotations

import textwrap

import pytest

from refactorer.converter import convert_text
from refactorer.options import Options
from tests.fixtures_harness import Runner
from tests.idioms.device_harness import checked

SCRIPT = """
import torch
from torch import nn
torch.manual_seed(0)
loader = [(torch.randn(4, 2), torch.randn(4, 1)), (torch.randn(4, 2), torch.randn(4, 1))]
model = nn.Linear(2, 1)
{made}


def train(model, loader, epoch{more}):
{front}
    for i, (x, y) in enumerate(loader):
{step}
        optimizer.zero_grad()
        loss = (model(x) - y).pow(2).mean()
        loss.backward()
        optimizer.step()
    {behind}
    return loss.item()


number = 1
print(train(model, loader, {given}))
for number in range(2, 4):
    print(train(model, loader, {given}))
"""
OUTSIDE = "optimizer = torch.optim.SGD(model.parameters(), lr=0.1)"


def script(
    step: str, front: str = "pass", behind: str = "pass", made: str = OUTSIDE, more: str = "", given: str = "number"
) -> str:
    lines = textwrap.indent(step, " " * 8)
    return SCRIPT.format(
        step=lines, front=textwrap.indent(front, " " * 4), behind=behind, made=made, more=more, given=given
    )


@pytest.mark.parametrize(
    "arguments",
    [
        {"step": "print(epoch, i)"},
        {"step": "if epoch == 2 and i == 0:\n    continue"},
        {"step": "if epoch > 2 and i > 0:\n    break"},
        {"step": "y = y * epoch", "behind": "print('epoch', epoch)"},
        {"step": "print(epoch)", "more": "=None", "given": "epoch=None"},
        {"step": "print(epoch, sum(epoch for _ in x))"},
        {"step": "print(epoch)", "front": "print(epoch)", "given": "'first' if number == 1 else [number]"},
    ],
)
def test_the_trainer_tells_the_epoch(arguments: dict[str, str], runner: Runner) -> None:
    text, _ = checked(script(**arguments), runner)
    assert "Trainer(epochs=[epoch]" in text and "self.epoch" in text and "self.epoch_" not in text


@pytest.mark.parametrize(
    "arguments",
    [
        {"step": "epoch += 1\nprint(epoch)"},
        {"step": "kept.append(lambda: epoch)\nprint(kept[0]())", "front": "kept = []"},
        {"step": "print(epoch)", "front": "epoch = epoch + 1"},
        {
            "step": "print(epoch)",
            "front": "optimizer = torch.optim.SGD(model.parameters(), lr=0.1 / epoch)",
            "made": "",
        },
        {"step": "print(i)"},
    ],
)
def test_the_epoch_is_handed_over(arguments: dict[str, str], runner: Runner) -> None:
    text, _ = checked(script(**arguments), runner)
    assert "epochs=[epoch]" not in text


def test_lightning_counts_epochs_only() -> None:
    result = convert_text(script("print(epoch, i)"), options=Options(target="lightning"))
    assert "epochs=[epoch]" not in getattr(result, "after", "")
