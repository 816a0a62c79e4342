"""Devices that an object chose for itself when it was made."""

from __future__ import annotations

import textwrap

import pytest

from tests.fixtures_harness import Runner, first_difference
from tests.idioms.device_harness import converted, step_of

SCRIPT = """
import torch
from torch import nn
torch.manual_seed(0)
loader = [(torch.randn(4, 2), torch.randn(4, 1)), (torch.randn(4, 2), torch.randn(4, 1))]


class Agent:
    def __init__(self, wanted):
        self.model = nn.Linear(2, 1)
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=0.1)
{chosen}

    def run(self):
        for epoch in range(2):
            self.train()

    def train(self):
        for x, y in loader:
            x, y = x.to(self.device), y.to(self.device)
            self.optimizer.zero_grad()
            loss = (self.model(x) - y).pow(2).mean()
            loss.backward()
            self.optimizer.step()
            print(loss.item())


agent = Agent(torch.cuda.is_available())
{changed}
agent.run()
"""
BRANCHES = "if wanted:\n    self.device = torch.device('cuda')\nelse:\n    self.device = torch.device('cpu')"
NESTED = f"for once in 'a':\n{textwrap.indent(BRANCHES, '    ')}"


def agent(chosen: str, changed: str = "") -> str:
    return SCRIPT.format(chosen=textwrap.indent(chosen, " " * 8), changed=changed)


@pytest.mark.parametrize("chosen", [BRANCHES, "self.device = torch.device('cuda' if wanted else 'cpu')"])
def test_the_device_is_known(chosen: str, runner: Runner) -> None:
    before = agent(chosen)
    text, notes = converted(before)
    assert "device=self.device)" in text and "N105" not in notes and ".to(" not in step_of(text)
    assert first_difference(runner.run(before), runner.run(text)) is None


@pytest.mark.parametrize(
    ("chosen", "changed"),
    [
        (NESTED, ""),
        (BRANCHES, "agent.device = torch.device('cpu')"),
        ("if not wanted:\n    self.device = torch.device('cpu')\n" + BRANCHES, ""),
        (BRANCHES.replace("else:", "if not wanted:"), ""),
    ],
)
def test_the_device_is_not_known(chosen: str, changed: str, runner: Runner) -> None:
    before = agent(chosen, changed)
    text, notes = converted(before)
    assert "N105" in notes and ".to(" in step_of(text)
    assert first_difference(runner.run(before), runner.run(text)) is None
