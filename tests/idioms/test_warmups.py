"""Loops of the kind of Hugging Face's examples, with the optimizers and warm-ups of its library."""

from __future__ import annotations

import pytest

from refactorer import convert
from refactorer.result import Converted
from tests.fixtures_harness import Runner, first_difference

STAND_IN = """
import sys, types
import torch
library = types.ModuleType("transformers")
library.AdamW = torch.optim.AdamW
library.get_linear_schedule_with_warmup = lambda optimizer, num_warmup_steps, num_training_steps: (
    torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 / (1 + step)))
sys.modules["transformers"] = library
"""
SCRIPT = """
from torch import nn
from transformers import AdamW, get_linear_schedule_with_warmup


class Trainer:
    def __init__(self, steps):
        self.steps = steps
        self.model = nn.Sequential(nn.Linear(4, 6), nn.Dropout(0.2), nn.Linear(6, 1))
        self.data = [(torch.randn(4, 4), torch.randn(4, 1)) for _ in range(7)]

    def train(self):
        optimizer = AdamW(self.model.parameters(), lr=0.01)
        scheduler = get_linear_schedule_with_warmup(optimizer, num_warmup_steps=2, num_training_steps=9)
        global_step = 0
        self.model.zero_grad()
        for epoch in range(3):
            for step, (x, y) in enumerate(self.data):
                self.model.train()
                loss = (self.model(x) - y).square().mean()
                loss.backward()
                if (step + 1) % self.steps == 0:
                    torch.nn.utils.clip_grad_norm_(self.model.parameters(), 0.5)
                    optimizer.step()
                    scheduler.step()  # Update learning rate schedule
                    self.model.zero_grad()
                    global_step += 1
                    {behind}
        return global_step

    def evaluate(self, name):
        self.model.eval()
        total = 0.0
        for x, y in self.data:
            with torch.no_grad():
                total += (self.model(x) - y).square().mean().item()
        print(name, total)

    def load(self):
        self.model = nn.Linear(4, 1)


torch.manual_seed(0)
trainer = Trainer(2)
print(trainer.train(), torch.rand(1))
{again}
"""


def _text(behind: str = "if global_step % 2 == 0: self.evaluate('now')", again: str = "") -> str:
    return STAND_IN + SCRIPT.format(behind=behind, again=again)


def _after(text: str) -> str:
    result = convert(text)
    assert isinstance(result, Converted), result
    return result.after


@pytest.mark.parametrize("again", ["", "print(trainer.train())", "trainer.load()\nprint(trainer.train())"])
def test_the_trainer_counts_steps_and_warms_up(again: str, runner: Runner) -> None:
    text = _text(again=again)
    after = _after(text)
    assert "automatic_optimization" not in after and '"interval": "step"' in after
    assert "accumulate_grad_batches=self.steps" in after and "Update learning rate" not in after
    assert first_difference(runner.run(text), runner.run(after)) is None


def test_a_schedule_that_looks_at_gradients_is_stepped_by_the_script() -> None:
    after = _after(_text().replace("get_linear_schedule_with_warmup", "get_adafactor_schedule"))
    assert "scheduler.step()" in after and '"interval"' not in after


def test_a_number_that_the_training_may_set_again_is_not_fixed() -> None:
    after = _after(_text("self.steps = 3"))
    assert "automatic_optimization = False" in after


def test_a_network_that_the_training_may_replace_is_not_cleared_later(runner: Runner) -> None:
    text = _text("if global_step == 4: self.load()")
    after = _after(text)
    assert "def optimizer_zero_grad(self, epoch, batch_idx, optimizer):\n        self.model.zero_grad()" not in after
    assert first_difference(runner.run(text), runner.run(after)) is None
