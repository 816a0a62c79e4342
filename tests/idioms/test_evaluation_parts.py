"""Which loops evaluate, where neither an optimizer nor a switch of modes tells what the model is."""

from __future__ import annotations

import pytest

from refactorer import convert
from refactorer.result import Converted
from tests.fixtures_harness import Runner, first_difference

SCRIPT = """\
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Sequential(nn.Linear(4, 4), nn.Dropout(0.3), nn.Linear(4, 1))
        self.optimizer = torch.optim.SGD(self.parameters(), lr=0.1)

    def forward(self, x):
        return self.layer(x)


torch.manual_seed(1)
x = torch.randn(30, 4)
train_loader = DataLoader(TensorDataset(x[:20], x[:20].sum(1, True)), batch_size=5, shuffle=True)
test_loader = DataLoader(TensorDataset(x[20:], x[20:].sum(1, True)), batch_size=4)
model = Net()
optimizer = model.optimizer


def test():
    total = 0
    with torch.no_grad():
        for data, target in test_loader:
            total += (model(data) - target).abs().sum().item()
    print("total", total)


for epoch in range(3):
    for data, target in train_loader:
        optimizer.zero_grad()
        loss = (model(data) - target).square().mean()
        loss.backward()
        optimizer.step()
    print("loss", loss.item())
    test()
print(torch.rand(1))
"""
OWN_FUNCTION = (
    SCRIPT.replace("(model(data) - target).abs()", "(run_net(data) - target).abs()")
    .replace("(model(data) - target).square()", "(run_net(data) - target).square()")
    .replace(
        "def test():", "def run_net(x):\n    return x.sum(1, True) * next(model.parameters()).sum()\n\n\ndef test():"
    )
)


def converted(text: str) -> str:
    result = convert(text)
    assert isinstance(result, Converted), result.diagnostics
    return result.after


@pytest.mark.parametrize("switched", ["", "    model.eval()\n"])
def test_what_the_step_calls_by_such_a_name_is_a_model(switched: str, runner: Runner) -> None:
    text = SCRIPT.replace("    total = 0\n", f"{switched}    total = 0\n")
    after = converted(text)
    assert "def validation_step" in after
    before = runner.run(text)
    assert before.status == 0, before.error
    assert first_difference(before, runner.run(after)) is None


def test_a_function_is_none() -> None:
    assert "def validation_step" not in converted(OWN_FUNCTION)
