"""Files that compute gradients, and hold no loop that leads to them: nothing to convert, and a note that says so."""

from __future__ import annotations

import pytest

from refactorer import convert
from refactorer.result import Converted, Refused, Unchanged
from tests.outline.views_harness import script

ONE_STEP = """
def one_step(x, y):
    STEP
"""
AGENT = """
class Agent:
    def update_critic(self, x, y):
        STEP
    def train(self, memory):
        self.update_critic(*memory.sample())
"""
LOOP = "for x, y in loader:\n    "


def said(body: str) -> list[tuple[str, str, str]]:
    """The notes on a script that is left as it is: code, message and the line that they point at."""
    text = script(body)
    result = convert(text, path="steps.py")
    assert isinstance(result, Unchanged), result
    lines = text.splitlines()
    return [(note.code, note.message, lines[note.line - 1].strip()) for note in result.diagnostics]


def note(name: str) -> list[tuple[str, str, str]]:
    message = f"{name}() computes gradients, but no loop of this file is known to lead to it"
    return [("N110", message, "loss.backward()")]


@pytest.mark.parametrize(
    "rest",
    [
        "",
        LOOP + "print(x)",
        LOOP + "model(x)",
        "one_step(x, y)",
        "import torch.multiprocessing as mp\nmp.spawn(one_step, nprocs=2)",
        "runner = Runner(one_step)\n" + LOOP + "print(float(x))",
    ],
    ids=["library", "other loop", "loop of a model", "single step", "handed on", "handed on beside a loop"],
)
def test_a_step_without_a_loop(rest: str) -> None:
    assert said(ONE_STEP + rest) == note("one_step")


def test_the_outermost_function_is_named() -> None:
    assert said(AGENT) == note("train")
    assert said(AGENT + "agent = Agent()\nagent.train(memory)") == note("update_critic")


def test_a_single_step_at_the_top_of_a_file() -> None:
    message = "this backward() stands in no loop: there is nothing to convert"
    assert said("x, y = next(iter(loader))\nSTEP") == [("N110", message, "loss.backward()")]


@pytest.mark.parametrize(
    "text",
    [
        "def saliency(x):\n    model(x).sum().backward()\n    return x.grad",
        "class Plugin:\n    def backward(self, loss):\n        loss.backward()\noptimizer.step()",
        "import pytorch_lightning" + ONE_STEP,
    ],
    ids=["nothing steps", "called by a framework", "another tool"],
)
def test_nothing_is_said_where_nothing_trains_by_hand(text: str) -> None:
    assert said(text) == []


def test_a_step_beside_a_training_is_no_reason_to_refuse() -> None:
    result = convert(script(ONE_STEP + LOOP + "\n    STEP"), path="steps.py")
    assert isinstance(result, Converted)
    assert "N110" not in {note.code for note in result.diagnostics}


@pytest.mark.parametrize(
    "rest",
    [
        "step = {'one': one_step}[kind]\n" + LOOP + "step(x, y)",
        "def run(step):\n    while True:\n        step(*batch())\nrun(one_step)",
        "steps = {'one': one_step}\n" + LOOP + "steps['one'](x, y)",
    ],
    ids=["looked up", "handed on", "in a table"],
)
def test_a_loop_that_may_call_it_by_another_name(rest: str) -> None:
    result = convert(script(ONE_STEP + rest), path="steps.py")
    assert isinstance(result, Refused)
    assert [found.code for found in result.diagnostics] == ["R108"]
