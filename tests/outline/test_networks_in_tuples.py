"""Networks that are bound together with other values, `model, data = Net().to(device), data.to(device)`."""

from __future__ import annotations

import pytest

from refactorer import convert
from refactorer.result import Converted
from tests.fixtures_harness import Runner, first_difference

SCRIPT = """import torch
import torch.nn.functional as F


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(3, 2)
        self.params = list(self.layer.parameters())

    def forward(self, x):
        return F.dropout(self.layer(x), training=self.training)


torch.manual_seed(0)
device = torch.device("cpu")
x, y = torch.randn(8, 3), torch.randint(0, 2, (8,))
BINDING
optimizer = torch.optim.SGD(MADE_OF, lr=0.1)
for epoch in range(3):
    model.train()
    optimizer.zero_grad()
    loss = F.cross_entropy(model(x), y)
    loss.backward()
    optimizer.step()
    model.eval()
    with torch.no_grad():
        print(epoch, loss.item(), model(x).sum().item())
print(torch.rand(1))
"""
TOGETHER = "model, x, y = Net().to(device), x.to(device), y.to(device)"


def script(binding: str = TOGETHER, made_of: str = "model.parameters()") -> str:
    return SCRIPT.replace("BINDING", binding).replace("MADE_OF", made_of)


def converted(text: str) -> str:
    result = convert(text)
    assert isinstance(result, Converted), result
    return result.after


@pytest.fixture(scope="module")
def runner():
    with Runner() as runner:
        yield runner


@pytest.mark.parametrize("made_of", ["model.parameters()", "model.layer.parameters()", "model.params"])
def test_the_module_is_called_after_the_network_and_holds_it(made_of: str, runner: Runner) -> None:
    text = script(made_of=made_of)
    after = converted(text)
    assert "class LitNet(Module):" in after or made_of == "model.params"
    assert "self.model = model" in after
    assert first_difference(runner.run(text), runner.run(after)) is None


def test_its_move_and_its_modes_are_left_to_the_trainer() -> None:
    after = converted(script())
    assert "model, x, y = Net(), x.to(device), y.to(device)\n" in after
    assert ".train()" not in after
    assert ".eval()" not in after


@pytest.mark.parametrize("binding", [
    "net = Net()\nmodel, x = net.to(device), x.to(device)\nnet.eval()",
    "(model, x), y = (Net().to(device), x.to(device)), y",
    "model, *rest = Net().to(device), x.to(device), y",
    "[model, x] = Net().to(device), x.to(device)",
    "model, x = [Net().to(device), x.to(device)]",
    "net = Net()\nmodel, other = net, 1\nother = net.layer",
])  # fmt: skip
def test_other_ways_to_bind_it_train_the_same(binding: str, runner: Runner) -> None:
    text = script(binding)
    after = converted(text)
    assert first_difference(runner.run(text), runner.run(after)) is None


def test_a_move_that_another_value_needs_stays() -> None:
    after = converted(script("net = Net()\nmodel, x = net.to(device), x.to(device)"))
    assert "model, x = net.to(device), x.to(device)\n" in after
