"""`return` from inside the training: what the module keeps of it, and that the script goes on as before."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import libcst as cst
import pytest

from refactorer import convert
from refactorer.analysis.program import Program
from refactorer.analysis.walk import find
from refactorer.outline.build import build
from refactorer.outline.control import returns
from refactorer.outline.functions.returning import return_behind, stop_instead
from refactorer.outline.outline import EPOCH_END, STEP, Outline, Returning
from refactorer.outline.training.site import candidates
from refactorer.result import Converted
from tests.fixtures_harness import first_difference

if TYPE_CHECKING:
    from tests.fixtures_harness import Runner

SCRIPT = """\
import torch

torch.manual_seed(3)
loader = [(torch.randn(4, 2), torch.randn(4, 1)) for _ in range(3)]


def train(model, optimizer, limit):
    for epoch in range(4):
        for x, y in loader:
            optimizer.zero_grad()
            loss = (model(x) - y).square().mean()
            loss.backward()
            optimizer.step()
{in_step}
{in_epoch}
{behind}

for limit in (1, 2, 99):
    model = torch.nn.Linear(2, 1)
    print(limit, train(model, torch.optim.SGD(model.parameters(), lr=0.1), limit), model.weight.tolist())
"""


def script(in_step: str = "", in_epoch: str = "", behind: str = "") -> str:
    """A function that trains, with more lines in the step, at the end of the epoch, and behind the training."""
    indented = {"in_step": textwrap.indent(in_step, " " * 12), "in_epoch": textwrap.indent(in_epoch, " " * 8)}
    return SCRIPT.format(**indented, behind=textwrap.indent(behind, " " * 4))


def outline_of(text: str) -> Outline:
    """The outline of the first view."""
    program = Program(cst.parse_module(text))
    return build(program, candidates(program)[0])


def stopped(text: str) -> tuple[Returning | None, Outline]:
    outline = outline_of(text)
    return stop_instead(outline), outline


def code(outline: Outline, hook: str) -> str:
    return cst.Module(outline.hooks[hook]).code  # type: ignore[arg-type]


def test_no_return_keeps_nothing() -> None:
    returning, outline = stopped(script(in_epoch="print(epoch)", behind="return 1"))
    assert returning is None
    assert "stop_training" not in code(outline, EPOCH_END)


def test_a_bare_return_at_the_end_of_the_function_needs_no_flag() -> None:
    """Stopping the training is all it does: nothing stands behind `fit`."""
    returning, outline = stopped(script(in_epoch="if epoch == limit:\n    return"))
    assert returning == Returning(None, None)
    assert code(outline, EPOCH_END).endswith("    self.stop_training()\n    return\n")
    assert return_behind(returning, "module") is None


@pytest.mark.parametrize(
    ("script_text", "flag", "value"),
    [
        (script(in_epoch="if epoch == limit:\n    return", behind="print('all epochs')"), True, False),
        (script(in_epoch="if epoch == limit:\n    return epoch"), True, True),
        (script(in_epoch="if epoch == limit:\n    return\nif epoch > limit:\n    return epoch"), True, True),
        (script(in_step="if loss < 0.1:\n    return loss.item()", behind="return None"), True, True),
        (script(in_epoch="if epoch == limit:\n    return None"), True, True),
    ],
    ids=["code behind", "value", "value and bare", "in the step", "None"],
)
def test_flag_and_value(script_text: str, flag: bool, value: bool) -> None:
    returning, _ = stopped(script_text)
    assert returning == Returning("returned" if flag else None, "result" if value else None)


def test_a_bare_return_beside_one_with_a_value_returns_none() -> None:
    body = "if epoch == limit:\n    return\nif epoch > limit:\n    return epoch"
    _, outline = stopped(script(in_epoch=body))
    assert "self.result = None" in code(outline, EPOCH_END)
    assert "self.result = epoch" in code(outline, EPOCH_END)


def test_an_else_of_the_loop_stands_behind_it() -> None:
    program = Program(
        cst.parse_module(script(in_epoch="if epoch == limit:\n    return", behind="else:\n    print('all')"))
    )
    alone = candidates(program)[-1]
    assert alone.epoch_loop.orelse is not None
    assert stop_instead(build(program, alone)) == Returning("returned", None)


def test_the_end_of_a_branch_is_not_the_end_of_the_function() -> None:
    """Behind a loop that ends a branch the function may go on."""
    text = script(in_epoch="if epoch == limit:\n    return")
    head, function = text.split("def train", 1)
    branch = f"{head}def train{function}".replace("    for epoch", "    if limit:\n      for epoch")
    assert stopped(branch)[0] == Returning("returned", None)


def test_names_that_the_script_uses_are_left_to_it() -> None:
    text = script(in_epoch="result = returned = epoch\nif epoch == limit:\n    return result")
    assert stopped(text)[0] == Returning("returned_", "result_")


def test_returns_of_nested_functions_are_theirs() -> None:
    text = script(in_step="def scaled():\n    return 2 * loss\nprint(scaled().item(), (lambda: loss.item())())")
    returning, outline = stopped(text)
    assert returning is None
    assert [node for line in outline.hooks[STEP] for node in find(cst.Return, line)]
    assert not returns(outline.hooks[STEP])


def test_what_stands_behind_fit() -> None:
    def behind(returning: Returning) -> str:
        node = return_behind(returning, "module")
        assert isinstance(node, cst.BaseStatement)
        return cst.Module([node]).code

    assert behind(Returning("returned", "result")) == "if module.returned:\n    return module.result\n"
    assert behind(Returning("returned", None)) == "if module.returned:\n    return\n"


SCRIPTS = {
    "bare, at the end": script(in_epoch="if epoch == limit:\n    return"),
    "bare, code behind": script(in_epoch="if epoch == limit:\n    return", behind="print('all epochs')\nreturn 'done'"),
    "value of the epoch": script(in_epoch="if epoch == limit:\n    return epoch, loss.item()", behind="return 'done'"),
    "value of the step": script(in_step="if loss < 0.5 * limit:\n    return loss.item()", behind="return 'done'"),
    "first batch": script(in_step="return limit"),
    "in a try": script(in_epoch="try:\n    if epoch == limit:\n        return epoch\nfinally:\n    print(epoch)"),
    "in an inner loop": script(in_epoch="for i in range(3):\n    if i > limit:\n        return i", behind="return 7"),
    "a name that is taken": script(in_epoch="returned = epoch\nif epoch == limit:\n    return returned"),
    "state behind": script(in_epoch="best = loss.item()\nif epoch == limit:\n    return best", behind="return -best"),
}


@pytest.mark.parametrize("name", SCRIPTS)
def test_trains_and_returns_the_same(name: str, runner: Runner) -> None:
    result = convert(SCRIPTS[name])
    assert isinstance(result, Converted), result.diagnostics
    before = runner.run(SCRIPTS[name])
    assert before.status == 0, before.error
    assert before.steps
    assert first_difference(before, runner.run(result.after)) is None
