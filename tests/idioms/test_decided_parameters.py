"""Conditions on parameters that the only call gives True or False: one branch is left."""

from __future__ import annotations

import textwrap

import pytest

from refactorer.converter import convert_text
from refactorer.result import Converted
from tests.fixtures_harness import Runner, first_difference

SCRIPT = """
import torch
from torch import nn
torch.manual_seed(0)
loader = [(torch.randn(4, 2), torch.randn(4, 1)), (torch.randn(4, 2), torch.randn(4, 1))]
model = nn.Linear(2, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)


def train(epoch, {parameters}):
    total = 0
    for x, y in loader:
        optimizer.zero_grad()
        loss = (model(x) - y).square().mean()
        loss.backward()
        optimizer.step()
        total += loss.item()
{behind}


for epoch in range(2):
    train(epoch{given})
"""


def converted(parameters: str, given: str, behind: str, runner: Runner) -> str:
    text = SCRIPT.format(parameters=parameters, given=given, behind=textwrap.indent(behind, "    "))
    result = convert_text(text)
    assert isinstance(result, Converted), result
    before = runner.run(text)
    assert before.status == 0, before.error
    assert first_difference(before, runner.run(result.after)) is None, result.after
    return result.after.split("class Lit")[1].split("def configure_optimizers")[0]


@pytest.mark.parametrize(
    ("parameters", "given", "behind", "left"),
    [
        ("verbose=True", "", "if verbose:\n    print(total)", "self.print(self.total)"),
        ("verbose=False", ", True", "if verbose:\n    # the sum\n    print(total)", "# the sum"),
        ("verbose=True", "", "if not verbose:\n    print('no')\nelse:\n    print(total)", "self.print(self.total)"),
        ("verbose", ", verbose=False", "if verbose:\n    print('no')\nprint(total)", "self.print(self.total)"),
        ("verbose=False", "", "if verbose:\n    print('no')\nelif total > 0:\n    print(total)", "if self.total > 0:"),
        ("verbose=True", "", "if verbose is True:\n    print(total)", "self.print(self.total)"),
        ("verbose=False", "", "if verbose and total[0]:\n    print('no')\nprint(total)", "self.print(self.total)"),
        ("v=True", "", "if v or total[0]:\n    print(total)", "self.print(self.total)"),
        ("verbose=True", "", "if verbose == True:\n    print(total)", "self.print(self.total)"),
        ("verbose=True", "", "if verbose is not False:\n    print(total)", "self.print(self.total)"),
        ("verbose=False", "", "if verbose is True:\n    print('no')\nprint(total)", "self.print(self.total)"),
        ("verbose=True", "", "if verbose is None:\n    print('no')\nprint(total)", "self.print(self.total)"),
        ("verbose=True", "", "if verbose and total > 0:\n    print(total)", "if self.total > 0:"),
        ("verbose=True", "", "if epoch == 0 and verbose is True:\n    print(total)", "if self.current_epoch == 0:"),
        ("v=False", "", "if total < 0 or v or epoch:\n    print(total)", "if self.total < 0 or self.current_epoch:"),
        ("v=True", "", "if epoch:\n    print(1)\nelif v and total:\n    print(total)", "elif self.total:"),
        ("v=True", "", "if v and epoch:\n    if v and total:\n        print(total)", "if self.total:"),
    ],
)
def test_one_branch_is_left(parameters: str, given: str, behind: str, left: str, runner: Runner) -> None:
    after = converted(parameters, given, behind, runner)
    assert left in after and "True" not in after and "False" not in after and "'no'" not in after


@pytest.mark.parametrize(
    ("parameters", "behind"),
    [
        ("verbose=False", "if verbose:\n    # for later\n    print(total)"),
        ("verbose=False", "if verbose:\n    total = 0\nprint(total)"),
        ("verbose=False", "if verbose:\n    for total in range(3):\n        pass\nprint(total)"),
        ("verbose=1", "if verbose:\n    print(total)"),
        ("verbose=1", "if verbose and total > 0:\n    print(total)"),
        ("verbose=None", "if verbose is None:\n    print(total)"),
        ("verbose=True", "if total > 0:\n    print(total)\nelif verbose:\n    print(epoch)"),
    ],
)
def test_a_condition_stays(parameters: str, behind: str, runner: Runner) -> None:
    assert "if " in converted(parameters, "", behind, runner)


@pytest.mark.parametrize(
    ("condition", "asked"),
    [
        ("total and verbose", "self.total and False"),
        ("verbose is epoch", "False is self"),
        ("True is True", "True is True"),
    ],
)
def test_a_condition_that_is_still_asked(condition: str, asked: str, runner: Runner) -> None:
    """Of the first, `total` may have effects when it is asked."""
    assert f"if {asked}" in converted("verbose=False", "", f"if {condition}:\n    print(1)", runner)


def test_a_parameter_that_is_assigned_is_no_word(runner: Runner) -> None:
    behind = "if verbose:\n    print(total)\nverbose = total > 1"
    assert "if " in converted("verbose=True", "", behind, runner)
