"""Networks whose layers a base class makes, or a class that they are given: their modes matter as well."""

from __future__ import annotations

import pytest

from refactorer import convert
from refactorer.result import Converted
from tests.fixtures_harness import Runner, first_difference

SCRIPT = """
import torch
from torch import nn
import torch.nn.functional as F


class Noise(nn.Dropout):
    pass


class Stack(nn.Module):
    def __init__(self, kind):
        super().__init__()
        self.kind = kind
        self.layers = nn.ModuleList([self.kind(), self.kind()])

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
        return x


class Base(nn.Module):
    def __init__(self):
        super().__init__()
        self.hidden, self.drop = nn.Linear(3, 6), LAYER

    def forward(self, x):
        return self.last(self.drop(self.hidden(x)))


class Net(Base):
    def __init__(self):
        super().__init__()
        self.last = nn.Linear(6, 2)


torch.manual_seed(0)
points = torch.randn(24, 3)
loader = list(zip(points.split(6), (points.sum(1) > 0).long().split(6)))
model = Net()
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for epoch in range(3):
    for x, y in loader:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
    right = 0
    model.eval()  # for good
    with torch.no_grad():
        for x, y in loader:
            right += (model(x).argmax(1) == y).sum().item()
    print(epoch, right)
"""


@pytest.mark.parametrize("layer", ["nn.Dropout(0.5)", "Stack(Noise)", "nn.Identity()", "Stack(nn.Identity)"])
def test_layers_of_a_base_class(layer: str, runner: Runner) -> None:
    text = SCRIPT.replace("LAYER", layer)
    result = convert(text)
    assert isinstance(result, Converted)
    assert ("self.model.eval()" in result.after) == ("Identity" not in layer)
    before, after = runner.run(text), runner.run(result.after)
    assert before.steps == 12 and first_difference(before, after) is None
