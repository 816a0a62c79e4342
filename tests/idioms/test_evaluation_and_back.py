"""Evaluations that put the model back into training mode themselves: `eval()` in front, `train()` behind the loop."""

from __future__ import annotations

import pytest

from refactorer.converter import convert_text
from refactorer.result import Converted
from tests.fixtures_harness import Runner, first_difference

SCRIPT = """
import torch
from torch import nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset


def evaluate(model, loader):
    {front}
    model.eval()
    right = 0
    with torch.no_grad():
        for x, y in loader:
            right += (model(x).argmax(1) == y).sum().item()
    {between}
    model.train()
    {behind}
    return right


def fit(model, epochs):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for epoch in range(epochs):
        {early}
        {train}
        for x, y in loader:
            optimizer.zero_grad()
            loss = F.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
        right = evaluate(model, held_out)
        {later}
        print(epoch, right)
    {after}


torch.manual_seed(0)
points = torch.randn(24, 3)
data = TensorDataset(points, (points.sum(1) > 0).long())
loader, held_out = DataLoader(data, 4, shuffle=True), DataLoader(data, 8)
model = {made}
{first}
fit(model, 3)
{last}
print(torch.rand(1).item())
"""
LOOK = "print(model(points[:5]).sum().item())"
PLAIN = "nn.Sequential(nn.Linear(3, 6), nn.Dropout(0.5), nn.Linear(6, 2))"


def script(**lines: str) -> str:
    places = ("front", "between", "behind", "early", "train", "later", "after", "first", "last")
    return SCRIPT.format(**dict.fromkeys(places, "pass") | {"made": PLAIN} | lines)


TRAINER = [
    script(),
    script(train="model.train()"),
    script(train="model.train()", early=LOOK),
    script(between=LOOK),
    script(after=LOOK),
    script(last="print(sum(p.sum().item() for p in model.parameters()))"),
    script(later="state = model.state_dict()"),
    script(first="model.double().float()"),
]
OWN = [
    script(front=LOOK),
    script(behind=LOOK),
    script(later=LOOK),
    script(train="model.train()", later=LOOK),
    script(last=LOOK),
    script(first="model.eval()"),
    script(first="model[1].eval()"),
    script(first="model[1].train(False)"),
    script(first="model.training = False"),
    script(first="kept = [model]\n[part.train(False) for part in kept]"),
    script(first="fit(model, 1)"),
    script(later="if epoch: model[1].eval()"),
    script(behind="model[1].eval()"),
    script(early="model.train(epoch > 0)"),
    script(made=PLAIN + ".eval()"),
    script(made=PLAIN + ".train(False)", train="model.train()"),
]


@pytest.mark.parametrize("text", TRAINER)
def test_the_trainer_switches(text: str, runner: Runner) -> None:
    result = convert_text(text)
    assert isinstance(result, Converted) and "def validation_step(" in result.after
    assert "automatic_modes" not in result.after and "train()" not in result.after, result.after
    assert first_difference(runner.run(text), runner.run(result.after)) is None


@pytest.mark.parametrize("text", OWN)
def test_the_script_switches(text: str, runner: Runner) -> None:
    result = convert_text(text)
    assert isinstance(result, Converted) and "model.train()" in result.after, result.after
    assert first_difference(runner.run(text), runner.run(result.after)) is None
