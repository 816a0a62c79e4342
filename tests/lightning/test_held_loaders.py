"""Loaders that a trainer class holds: taken where nothing but its constructor stores them."""

from __future__ import annotations

import pytest

from refactorer import convert
from refactorer.result import Converted
from tests.fixtures_harness import Runner, first_difference

SCRIPT = """\
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

class Learner:
    def __init__(self, model, loader, lr=0.1):
        self.model = model
        self.loader = loader
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=lr)

    def fit(self):
        for epoch in range(3):
            self.model.train()
            for x, y in self.loader:
                self.optimizer.zero_grad()
                loss = nn.functional.mse_loss(self.model(x), y)
                loss.backward()
                self.optimizer.step()
            print(epoch, loss.item(), len(self.loader.dataset))

torch.manual_seed(0)
x = torch.randn(20, 4)
data = TensorDataset(x, x.sum(1, keepdim=True))
learner = Learner(nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.5), nn.Linear(8, 1)), DataLoader(data, 6, True))
learner.fit()
"""


def test_a_loader_of_an_object(runner: Runner) -> None:
    result = convert(SCRIPT, target="lightning")
    assert isinstance(result, Converted), "\n".join(map(str, result.diagnostics))
    assert "def train_dataloader(self):" in result.after
    assert first_difference(runner.run(SCRIPT), runner.run(result.after)) is None


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("learner.fit()", "learner.loader = DataLoader(data, 5)\nlearner.fit()"),
        ("learner.fit()", "setattr(learner, 'loader', DataLoader(data, 5))\nlearner.fit()"),
        ("learner.fit()", "learner.__dict__['loader'] = DataLoader(data, 5)\nlearner.fit()"),
        ("learner.fit()", "learner.fit()\nother = Learner(nn.Linear(4, 1), [(x, x)])"),
        ("DataLoader(data, 6, True))", "DataLoader(data, 6, True, generator=torch.Generator()))"),
        ("            print(epoch", "            self.loader.batch_sampler.batch_size = 5\n            print(epoch"),
        ("        self.loader = loader", "        if lr:\n            self.loader = loader"),
    ],
)
def test_a_loader_that_may_be_another(old: str, new: str, runner: Runner) -> None:
    assert old in SCRIPT
    text = SCRIPT.replace(old, new)
    result = convert(text, target="lightning")
    assert isinstance(result, Converted), "\n".join(map(str, result.diagnostics))
    assert "yield from" in result.after
    assert first_difference(runner.run(text), runner.run(result.after)) is None
