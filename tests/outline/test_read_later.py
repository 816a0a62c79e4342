"""Variables of a training inside other blocks of a loop: what is read later lives on, the rest is local to a hook."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import pytest

from refactorer import convert
from refactorer.result import Converted
from tests.fixtures_harness import first_difference

if TYPE_CHECKING:
    from tests.fixtures_harness import Runner

HEAD = """\
import contextlib
import torch

torch.manual_seed(4)
loader = [(torch.randn(4, 2), torch.randn(4, 1)) for _ in range(3)]


def run():
    model = torch.nn.Linear(2, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    norm, seen = 0.0, 0
    for epoch in range(3):
"""
STEP = """\
for x, y in loader:
    y_hat = model(x)
    loss = (y_hat - y).square().mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    norm = loss.detach() * 2
    print(norm)
"""


def script(body: str) -> str:
    lines = []
    for line in body.splitlines():
        indent = line[: len(line) - len(line.lstrip())]
        lines.append(textwrap.indent(STEP, indent) if line.strip() == "STEP" else line + "\n")
    return HEAD + textwrap.indent("".join(lines), " " * 8) + "    return model.bias.sum().item()\n\n\nprint(run())\n"


LOCAL = {
    "an if": "if epoch != 1:\n    STEP\n",
    "a with": "with contextlib.suppress(ValueError):\n    STEP\n",
    "other names in its header": "if epoch + seen < 5:\n    STEP\n    seen += 1\nprint(seen)\n",
}
LIVE = {
    "behind the loop": ("if epoch != 1:\n    STEP\n    print(loss.item())\n", "loss"),
    "in the header": ("if norm < 100:\n    STEP\n", "norm"),
    "in the next round": ("if epoch != 1:\n    print(norm)\n    STEP\n", "norm"),
    "in the other branch": ("if epoch != 1:\n    STEP\nelse:\n    print(y_hat.sum())\n", "y_hat"),
}


def check(text: str, runner: Runner) -> str:
    result = convert(text)
    assert isinstance(result, Converted), result.diagnostics
    assert first_difference(runner.run(text), runner.run(result.after)) is None
    return result.after


@pytest.mark.parametrize("body", LOCAL.values(), ids=LOCAL)
def test_what_only_a_step_uses_is_local_to_it(body: str, runner: Runner) -> None:
    after = check(script(body), runner)
    assert "self.loss" not in after and "self.y_hat" not in after and "hasattr" not in after


@pytest.mark.parametrize(("body", "name"), LIVE.values(), ids=LIVE)
def test_what_is_read_later_is_read_back(body: str, name: str, runner: Runner) -> None:
    assert f"module.{name}" in check(script(body), runner)
