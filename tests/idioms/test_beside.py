"""Optimizers that are made in front of the block that trains."""

from __future__ import annotations

import textwrap

import pytest

from refactorer.converter import convert_text
from refactorer.result import Converted
from tests.fixtures_harness import Runner, first_difference

HEAD = """
import contextlib, sys
import torch
from torch import nn, optim
torch.manual_seed(0)
model = nn.Linear(2, 1)
loader = [(torch.ones(2, 2), torch.ones(2, 1))]
optimizer = optim.SGD(model.parameters(), lr=0.1)
"""
LOOP = """
for epoch in range(2):
    for x, y in loader:
        optimizer.zero_grad()
        loss = (model(x) - y).pow(2).mean()
        loss.backward()
        optimizer.step()
        print(loss.item())
"""


def within(header: str, footer: str = "") -> str:
    return HEAD + header + ":" + textwrap.indent(LOOP, "    ") + footer


MOVED = [
    within("if __name__ == '__main__'"),
    within("with contextlib.nullcontext()"),
    within("try", "except KeyboardInterrupt:\n    print('left')\n"),
    within("try", "except KeyboardInterrupt:\n    print('left')\nfinally:\n    print('done')\n"),
    within("if len(sys.argv) < 5"),
    within("if len(sys.argv) > 5:\n    print('asked')\nelif loader"),
    within("if __name__ != '__main__':\n    print('imported')\nelse"),
    within("if len(sys.argv) > 5", "print('over')\n"),
    HEAD + "if __name__ == '__main__':\n    with contextlib.nullcontext():" + textwrap.indent(LOOP, " " * 8),
]
STAYS = [
    within("for run in range(2)"),
    within("if model(torch.ones(1, 2)).item() < 9"),
    within("if len(sys.argv) < 5", "print(optimizer.param_groups[0]['lr'])\n"),
    within("if len(sys.argv) > 5:\n    optimizer.param_groups[0]['lr'] = 0.2\nelse"),
    within("if (rate := 0.1) < 5"),
    within("try", "except ValueError:\n    print('left')\n"),
    within("try", "except:\n    print('left')\n"),
    within("try", "except (KeyboardInterrupt, RuntimeError):\n    print('left')\n"),
    within("try:\n    pass\nfinally"),
    within("try", "except KeyboardInterrupt:\n    print(optimizer.param_groups[0]['lr'])\n"),
    within("with contextlib.nullcontext(optimizer) as kept"),
]


@pytest.mark.parametrize("text", MOVED)
def test_it_is_made_by_the_module(text: str, runner: Runner) -> None:
    result = convert_text(text)
    assert isinstance(result, Converted) and "return optim.SGD(self.model.parameters(), lr=0.1)" in result.after
    assert first_difference(runner.run(text), runner.run(result.after)) is None


@pytest.mark.parametrize("text", STAYS)
def test_it_is_made_by_the_script(text: str, runner: Runner) -> None:
    result = convert_text(text)
    assert isinstance(result, Converted) and "\noptimizer = optim.SGD(model.parameters(), lr=0.1)" in result.after
    assert first_difference(runner.run(text), runner.run(result.after)) is None
