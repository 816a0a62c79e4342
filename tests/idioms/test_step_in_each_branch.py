"""A step that both branches of a condition make: the Trainer makes it, and the rest stands in the hooks around it."""

from __future__ import annotations

import pytest

from refactorer.converter import convert_text
from refactorer.result import Converted
from tests.fixtures_harness import Runner, first_difference

SCRIPT = """
import torch
from torch import nn, optim

torch.manual_seed(0)
device = "cuda:0" if torch.cuda.is_available() else "cpu"
flags = [False]


def to_float(model):
    for p in model.parameters():
        p.data = p.data.float()
        p.grad.data = p.grad.data.float()


def turn():
    global device
    device = "cpu" if device == "meta" else "meta"


def turn_by_name():
    turn.__globals__["device"] = "cpu" if device == "meta" else "meta"


class Switch:
    def __init__(self):
        self.on = True

    def turn(self):
        self.on = not self.on


switch = Switch()
data = [(torch.randn(3, 4), torch.randn(3, 2)) for _ in range(3)]
model = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.3), nn.Linear(8, 2))
optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
total = 0
for epoch in range(3):
    for i, (x, y) in enumerate(data):
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(model(x), y)
        loss.backward()
        if {test}:
            {first}
        else:
            {second}
    print(epoch, loss.item(), total, torch.rand(1).item())
"""
HOOKED = "total = 0\noptimizer.register_step_post_hook(lambda *_: turn())"
STEP = "optimizer.step()"
BOTH = f"to_float(model)\n            {STEP}\n            model[0].weight.data.mul_(0.99)"


def script(test: str = "device == 'meta'", first: str = STEP, second: str = BOTH) -> str:
    return SCRIPT.format(test=test, first=first, second=second)


AUTOMATIC = {
    "around the second": script(),
    "around the first": script("device == 'cpu'", BOTH, STEP),
    "around both": script(
        "i % 2 == 0", BOTH, f"total += 1\n            {STEP}\n            print(total, model[0].bias.sum())"
    ),
    "around neither": script(first=STEP, second=STEP),
    "gradients that are read": script(second=f"print(model[0].bias.grad.sum())\n            {STEP}"),
    "comments": script(
        second=f"# first\n            to_float(model)  # all of it\n            {STEP}  # then\n            # last"
    ),
}  # fmt: skip
MANUAL = {
    "a condition that a branch changes": script(second=f"device = 'meta'\n            {STEP}\n            total += 1"),
    "a condition that a function changes": script(second=f"turn()\n            {STEP}\n            total += 1"),
    "a condition that the module changes": script(second=f"turn_by_name()\n            {STEP}\n            total += 1"),
    "a condition that a hook of the optimizer changes": script(second=BOTH).replace("total = 0", HOOKED),
    "a condition that a method changes": script(
        "switch.on", f"switch.turn()\n            {STEP}", f"{STEP}\n            switch.turn()\n            total += 1"
    ),
    "a condition that calls": script("flags.pop() if flags else flags.append(True)"),
    "a batch that is left": script("i % 2 == 0", f"total += 1\n            continue\n            {STEP}", BOTH),
    "two steps": script(second=f"{STEP}\n            {STEP}"),
    "gradients cleared in one": script(second=f"{STEP}\n            optimizer.zero_grad()"),
    "no step": script("i % 2 == 0", STEP, "total += 1"),
}


@pytest.mark.parametrize("text", AUTOMATIC.values(), ids=AUTOMATIC)
def test_the_trainer_steps(text: str, runner: Runner) -> None:
    after = converted(text)
    assert "automatic_optimization = False" not in after
    before = runner.run(text)
    assert not before.status, before.error
    assert first_difference(before, runner.run(after)) is None


@pytest.mark.parametrize("text", MANUAL.values(), ids=MANUAL)
def test_the_script_steps(text: str, runner: Runner) -> None:
    after = converted(text)
    assert "automatic_optimization = False" in after
    before = runner.run(text)
    assert not before.status, before.error
    assert first_difference(before, runner.run(after)) is None


def test_what_stood_around_the_step_stands_around_it() -> None:
    after = converted(AUTOMATIC["around the second"])
    assert after.count("if device != 'meta':") == 2 and "def on_before_optimizer_step(" in after


def test_comments_come_with_the_lines() -> None:
    after = converted(AUTOMATIC["comments"])
    assert all(comment in after for comment in ("# first", "# all of it", "# then", "# last"))


def converted(text: str) -> str:
    result = convert_text(text)
    assert isinstance(result, Converted), result.diagnostics
    return result.after
