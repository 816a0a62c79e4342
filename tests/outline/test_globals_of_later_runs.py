"""Global variables in which one run of a training leaves something for the next."""

from __future__ import annotations

import pytest

from tests.fixtures_harness import Runner
from tests.idioms.device_harness import checked, converted

SCRIPT = """
import torch
from torch import nn
torch.manual_seed(0)
model = nn.Linear(2, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
data = [(torch.randn(3, 2), torch.randn(3, 1)) for _ in range(3)]
extra = [torch.ones(1), torch.zeros(1)]
steps = 0


def train():
    {declared}
    for epoch in range(2):
        for x, y in data:
            {step}
            optimizer.zero_grad()
            loss = (model(x) - y).pow(2).mean() * (1 + steps)
            loss.backward()
            optimizer.step()
            print(loss.item(), steps)
            {behind}


{calls}
"""
TAKES = """def take():
                global waiting
                try:
                    return next(waiting)
                except Exception:
                    waiting = iter(extra)
                    return next(waiting)
            x = x + take()"""
COUNTS = {"declared": "global steps", "step": "pass", "behind": "steps += 1"}
AGAIN = [
    "train()\ntrain()",
    "for run in range(2):\n    train()",
    "def run():\n    train()\nrun()\nrun()",
    "for run in range(2):\n    if run < 5:\n        train()",
    "def twice(function):\n    function()\n    function()\ntwice(train)",
]


@pytest.mark.parametrize("calls", AGAIN)
def test_a_count_goes_on_in_the_next_run(calls: str, runner: Runner) -> None:
    text, _ = checked(SCRIPT.format(**COUNTS, calls=calls), runner)
    assert "self.steps" not in text


@pytest.mark.parametrize("calls", AGAIN)
def test_what_a_nested_function_leaves_is_there_in_the_next_run(calls: str, runner: Runner) -> None:
    declared = {"declared": "pass", "step": TAKES, "behind": "pass"}
    text, _ = checked(SCRIPT.format(**declared, calls=calls), runner)
    assert "self.waiting" not in text


def test_a_count_goes_on_behind_a_run_that_an_error_ends(runner: Runner) -> None:
    step = "if steps == 4:\n                steps += 1\n                raise KeyError(steps)"
    calls = "for run in range(3):\n    try:\n        train()\n    except KeyError as error:\n        print(error)"
    text, _ = checked(SCRIPT.format(**{**COUNTS, "step": step}, calls=calls), runner)
    assert "self.steps" not in text


def test_a_function_that_the_file_does_not_call_may_be_called_again() -> None:
    text, _ = converted(SCRIPT.format(**COUNTS, calls=""))
    assert "global steps" in text and "self.steps" not in text


def test_a_count_of_the_only_run_is_an_attribute(runner: Runner) -> None:
    text, _ = checked(SCRIPT.format(**COUNTS, calls="train()"), runner)
    assert "self.steps += 1" in text


def test_what_every_run_binds_first_is_an_attribute(runner: Runner) -> None:
    bound = {"declared": "global steps", "step": "steps = epoch", "behind": "pass"}
    text, _ = checked(SCRIPT.format(**bound, calls="train()\ntrain()"), runner)
    assert "global steps" not in text.split("class ")[1].split("def train()")[0]
