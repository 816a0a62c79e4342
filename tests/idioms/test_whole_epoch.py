"""Epochs of one batch: which lines behind the optimizer's step stand in the step, and which at the end of the epoch."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import pytest

from refactorer import convert
from refactorer.result import Converted
from tests.fixtures_harness import first_difference, lost_comments

if TYPE_CHECKING:
    from tests.fixtures_harness import Runner

SCRIPT = """\
import torch
from torch import nn

torch.manual_seed(5)
x, y = torch.randn(8, 3), torch.randn(8, 1)
model = nn.Sequential(nn.Linear(3, 4), nn.Dropout(0.2), nn.Linear(4, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 2, 0.1)
best = 9.0


for epoch in range(4):
{body}
print(best, torch.rand(1))
"""
STEP = """\
model.train()
optimizer.zero_grad()
loss = nn.functional.mse_loss(model(x), y)
loss.backward()
optimizer.step()
"""
IN_THE_STEP = {
    "a print": "print(epoch, loss.item())  # tell\n",
    "under a condition": "if epoch % 2:\n    print(f'{epoch}: {loss.item():.4f}')\n# last\n",
}
AT_THE_END = {
    "the parameters": "print(model[0].bias.sum().item())\n",
    "another pass": "with torch.no_grad():\n    print(model(x).sum().item())\n",
    "the learning rate": "print(optimizer.param_groups[0]['lr'])\n",
    "a random number": "print(torch.rand(1).item())\n",
    "the loop is left": "if loss.item() < 1.4:\n    print('enough')\n    break\n",
    "the loss is changed": "loss *= 2\nprint(loss.item())\n",
    "a gradient": "print(model[0].bias.grad.sum().item())\n",
}


def converted(behind: str, runner: Runner, step: str = STEP) -> str:
    text = SCRIPT.format(body=textwrap.indent(step + behind, "    ").rstrip())
    result = convert(text)
    assert isinstance(result, Converted), result.diagnostics
    assert first_difference(runner.run(text), runner.run(result.after)) is None
    assert not lost_comments(text, result.after)
    assert "on_train_epoch_start" not in result.after
    return result.after


@pytest.mark.parametrize("behind", IN_THE_STEP.values(), ids=IN_THE_STEP)
def test_what_cannot_tell_that_the_optimizer_stepped_stands_in_the_step(behind: str, runner: Runner) -> None:
    after = converted(behind, runner)
    assert "on_train_epoch_end" not in after and "return loss" in after and "self.loss" not in after


@pytest.mark.parametrize("behind", AT_THE_END.values(), ids=AT_THE_END)
def test_what_may_tell_stands_behind_the_step(behind: str, runner: Runner) -> None:
    after = converted(behind, runner)
    assert "on_train_epoch_end" in after or "on_train_batch_end" in after or "automatic_optimization = False" in after


def test_the_trainer_steps_a_scheduler_behind_a_print(runner: Runner) -> None:
    after = converted("print(loss.item())\nscheduler.step()\n", runner)
    assert "on_train_epoch_end" not in after and "scheduler.step()" not in after


def test_a_learning_rate_that_is_printed_behind_the_scheduler_is_the_next_one(runner: Runner) -> None:
    assert "on_train_epoch_end" in converted("scheduler.step()\nprint(scheduler.get_last_lr())\n", runner)


def test_a_literal_step_is_one_hook(runner: Runner) -> None:
    """The script steps the optimizer only sometimes, so it does that itself."""
    step = STEP.replace("optimizer.step()", "if epoch != 2:\n    optimizer.step()")
    after = converted("print(loss.item(), model[0].bias.sum().item())\n", runner, step)
    assert "automatic_optimization = False" in after and "on_train_epoch_end" not in after
    assert "self.loss" not in after
