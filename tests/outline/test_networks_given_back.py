"""Lines that give a network back to its own name, as `net = net.to(device)`."""

from __future__ import annotations

import pytest

from refactorer.converter import convert_text
from refactorer.result import Converted
from tests.fixtures_harness import Runner, first_difference

SCRIPT = """
import torch
from torch import nn

device = torch.device('cpu')


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer, self.drop, self.moved = nn.Linear(4, 1), nn.Dropout(0.4), 0

    def forward(self, x):
        return self.drop(self.layer(x))

    METHOD


torch.manual_seed(0)
loader = [(torch.randn(8, 4), torch.randn(8, 1)) for _ in range(3)]
scale = nn.Parameter(torch.ones(1))
net = Net()
optimizer = torch.optim.SGD([*net.parameters(), scale], lr=0.1)
for epoch in range(3):
    for x, y in loader:
        optimizer.zero_grad()
        loss = (net(x) * scale - y).square().mean()
        loss.backward()
        optimizer.step()
    BEHIND
    print(epoch, loss.item(), scale.item(), net.moved)
print(net.training, next(net.parameters()).dtype, torch.rand(1), isinstance(scale, nn.Parameter))
"""
GIVEN_BACK = [
    "net = net.to(device)",
    "net = net.cpu()",
    "net = net.double().float()",
    "net = net.to(torch.device('cpu')).eval().train()",
    "if epoch == 1: net = net.eval().to('cpu', torch.float32)",
]
OTHERWISE = {
    "a method of its own": (
        "net = net.to(device)",
        "def to(self, *args):\n        self.moved += 1\n        return Net()",
    ),
    "a parameter": ("scale = scale.to(device)", "pass"),
    "a parameter of another kind": ("scale = scale.double().float()", "pass"),
    "another network": ("old = net; net = net.drop if epoch < 0 else old.to(device)", "pass"),
    "a part of it": ("net = net.to(device) if epoch else net", "pass"),
}


def script(behind: str, method: str = "pass") -> str:
    return SCRIPT.replace("METHOD", method).replace("BEHIND", behind)


@pytest.mark.parametrize("behind", GIVEN_BACK)
def test_the_epochs_are_the_trainers(behind: str, runner: Runner) -> None:
    result = convert_text(script(behind))
    assert isinstance(result, Converted) and "Trainer(max_epochs=3" in result.after
    assert first_difference(runner.run(script(behind)), runner.run(result.after)) is None


@pytest.mark.parametrize("name", OTHERWISE)
def test_something_else_may_be_bound(name: str, runner: Runner) -> None:
    text = script(*OTHERWISE[name])
    result = convert_text(text)
    assert not isinstance(result, Converted) or "Trainer(max_epochs=3" not in result.after
    if isinstance(result, Converted):
        assert first_difference(runner.run(text), runner.run(result.after)) is None
