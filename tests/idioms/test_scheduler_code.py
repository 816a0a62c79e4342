"""Functions that a scheduler calls, and the lines around its step."""

from __future__ import annotations

import pytest

from refactorer import convert
from refactorer.result import Converted
from tests.fixtures_harness import Runner, first_difference

SCRIPT = """
import math
import random
from types import SimpleNamespace

import torch
import torch.nn.functional as F
from torch.optim.lr_scheduler import LambdaLR
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
random.seed(0)
loader = DataLoader(TensorDataset(torch.randn(12, 4), torch.randn(12, 1)), 4, shuffle=True)
rate = 1.0
seen = 0
best = 9.0
kept = []
warm = 3
settings = {{}}


{functions}


model = torch.nn.Linear(4, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
scheduler = LambdaLR(optimizer, {called})
for epoch in range(2):
    for i, (x, y) in enumerate(loader):
        optimizer.zero_grad()
        loss = F.mse_loss(model(x), y)
        loss.backward()
        optimizer.step()
        {behind_the_batch}
    {behind_the_epoch}
print(optimizer.param_groups[0]['lr'], rate, seen, best, kept, random.random())
"""
COSINE = """
def factor(step):
    if step < warm:
        return step / warm
    return max(0.0, 0.5 * (1 + math.cos(step / 10)))
"""
BINDS = "def factor(step):\n    global rate\n    rate = 0.9**step\n    return rate"
CALLS = f"{BINDS}\n\n\ndef outer(step):\n    return factor(step)"
PRINTS = "def factor(step):\n    print('asked', step)\n    return 0.9**step"
DRAWS = "def factor(step):\n    return random.random()"
STORES = "def factor(step):\n    settings['last'] = step\n    return 0.9**step"
READS = "def factor(step):\n    return 1 / (1 + seen)"
OBJECT = "class Factor:\n    def __call__(self, step):\n        return 1 / (1 + seen)"
INNER = "def now():\n    return 1 / (1 + seen)\n\n\ndef factor(step):\n    return now()"
COUNTS = "class Kept(list):\n    def __len__(self):\n        print('asked')\n        return 3\n\n\nkept = Kept()"
DIVIDES = (
    "class Kept(list):\n    def __rtruediv__(self, by):\n        print('asked')\n        return 3\n\n\nkept = Kept()"
)
DEFAULT = "def factor(step, most=3):\n    return min(1.0, step / most)"
HELPER = "def part(step, most):\n    return min(1.0, (step + 1) / most)"
NOTICED = [
    (INNER, "factor", "seen += 1"),
    (COUNTS, "lambda step: step / len(kept)", "print(loss.item())"),
    (DIVIDES, "lambda step: step / kept", "print(loss.item())"),
    (BINDS, "factor", "print(loss.item(), rate)"),
    (BINDS, "[factor]", "print(loss.item(), rate)"),
    (CALLS, "outer", "print(loss.item(), rate)"),
    (PRINTS, "factor", "print(loss.item())"),
    (DRAWS, "factor", "print(loss.item())"),
    (STORES, "factor", "print(loss.item())"),
    (READS, "factor", "seen += 1"),
    (OBJECT, "Factor()", "seen += 1"),
    ("", "lambda step: 1 / (1 + seen)", "seen += 1"),
    ("", "lambda step: 0.5 if best < 1 else 1.0", "best = min(best, loss.item())"),
    ("", "lambda step: 1 / (1 + len(kept))", "kept.append(loss.item())"),
    ("", "lambda step: kept.append(step) or 0.9**step", "print(loss.item())"),
]
UNNOTICED = [
    (DEFAULT, "factor", "print(loss.item())"),
    (HELPER, "lambda step: part(step, warm)", "print(loss.item())"),
    (COSINE, "factor", "print(loss.item())"),
    (COSINE, "factor", "if i % warm == 0: print(loss.item(), warm)"),
    (COSINE, "factor", "seen += 1"),
    ("", "lambda step: 0.9**step", "print(loss.item())"),
    ("", "lambda step: min(1.0, step / warm)", "seen += 1"),
]


def script(functions: str, called: str, by_batch: str, by_epoch: str = "print(epoch)") -> str:
    lines = {"behind_the_batch": by_batch.replace("\n", "\n" + " " * 8)}
    lines["behind_the_epoch"] = by_epoch.replace("\n", "\n" + " " * 4)
    return SCRIPT.format(functions=functions.strip(), called=called, **lines)


def converted(text: str, runner: Runner) -> str:
    """The conversion of a script, which trains like it."""
    result = convert(text, path="script.py")
    assert isinstance(result, Converted)
    assert first_difference(runner.run(text), runner.run(result.after)) is None
    return result.after


@pytest.mark.parametrize(("functions", "called", "line"), NOTICED)
def test_lines_stay_behind_a_step_that_they_may_notice(functions: str, called: str, line: str, runner: Runner) -> None:
    after = converted(script(functions, called, f"scheduler.step()\n{line}"), runner)
    step = after.split("def training_step")[1].split("\n    def ")[0]
    assert line.split("(")[0] not in step and "def on_train_batch_end" in after


@pytest.mark.parametrize(("functions", "called", "line"), UNNOTICED)
def test_other_lines_stand_in_the_training_step(functions: str, called: str, line: str, runner: Runner) -> None:
    after = converted(script(functions, called, f"scheduler.step()\n{line}"), runner)
    assert "scheduler.step()" not in after and "on_train_batch_end" not in after


@pytest.mark.parametrize(("functions", "called", "line"), NOTICED[:4] + [NOTICED[6], NOTICED[9], NOTICED[13]])
def test_at_the_end_of_an_epoch_the_call_stays(functions: str, called: str, line: str, runner: Runner) -> None:
    after = converted(script(functions, called, "pass", f"scheduler.step()\n{line}"), runner)
    assert "scheduler.step()" in after


def test_at_the_end_of_an_epoch_the_trainer_steps_if_nothing_can_tell(runner: Runner) -> None:
    after = converted(script(COSINE, "factor", "pass", "scheduler.step()\nprint(epoch, loss.item())"), runner)
    assert "scheduler.step()" not in after


@pytest.mark.parametrize(
    ("functions", "made", "behind"),
    [
        (PRINTS, "SequentialLR(optimizer, [inner, LambdaLR(optimizer, lambda step: 1.0)], [9])", "print(loss.item())"),
        (READS, "ChainedScheduler([inner])", "seen += 1"),
        (PRINTS, "LambdaLR(optimizer, abs)\nscheduler.get_lr = lambda: [factor(1)]", "print(loss.item())"),
    ],
)
def test_functions_may_hide_behind_another_scheduler(functions: str, made: str, behind: str, runner: Runner) -> None:
    text = script(functions, "factor", f"scheduler.step()\n{behind}")
    text = text.replace(
        "scheduler = LambdaLR(optimizer, factor)", f"inner = LambdaLR(optimizer, factor)\nscheduler = {made}"
    )
    text = text.replace("import LambdaLR", "import ChainedScheduler, LambdaLR, SequentialLR")
    assert "scheduler.step()" not in converted(text, runner).split("def training_step")[1].split("return loss")[0]


def test_a_setting_that_is_set_by_its_name_is_noticed(runner: Runner) -> None:
    text = script(
        "settings = SimpleNamespace(warm=3)",
        "lambda step: 1 / settings.warm",
        "pass",
        "scheduler.step()\nsetattr(settings, 'warm', 5)",
    )
    assert "scheduler.step()" in converted(text, runner)
