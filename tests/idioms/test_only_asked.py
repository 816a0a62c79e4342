"""What the script asks a model, or a part of it, between the making of the optimizer and the training."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from refactorer import convert
from refactorer.result import Converted
from tests.fixtures_harness import first_difference

if TYPE_CHECKING:
    from tests.fixtures_harness import Runner

SCRIPT = """\
import argparse
import torch
from torch import nn, optim

parser = argparse.ArgumentParser()
parser.add_argument('--width', type=int, default=3)
args, rest = parser.parse_known_args()
torch.manual_seed(0)


class Loud(nn.Linear):
    @property
    def renewed(self):
        self.weight = nn.Parameter(torch.ones(3, 2))
        return True


class Other:
    def __eq__(self, layer):
        layer.weight = nn.Parameter(torch.ones(3, 2))
        return False


class Net(nn.Module):
    def __init__(self, encoder, options):
        super().__init__()
        self.encoder = encoder
        self.layers = [encoder]
        self.last = nn.Linear(options.width, 1)

    def forward(self, x):
        return self.last(self.encoder(x))


encoder = Loud(2, 3)
model = Net(encoder, args)
loader = [(torch.randn(2, 2), torch.randn(2, 1)) for _ in range(3)]
optimizer = optim.SGD(model.parameters(), lr=0.1)
BETWEEN
for epoch in range(2):
    for x, y in loader:
        optimizer.zero_grad()
        loss = (model(x) - y).pow(2).mean()
        loss.backward()
        optimizer.step()
    print(loss.item())
"""
ASKS = [
    "if encoder.bias is None: print('none')",
    "print(f'{encoder.weight.shape} {model.last.weight.shape}', args.width)",
    "print('{}'.format(model.encoder.in_features))",
    "noise = torch.randn(2, encoder.in_features)",
    "name = model.__class__.__name__ + '.log'",
    "assert encoder.bias is not None and not (model.layers == [])",
    "size = args.width",
]
CHANGES = [
    "if encoder.renewed: print('new')",
    "print(f'{model.encoder.renewed}')",
    "layers = model.layers * 2; layers[0].weight = nn.Parameter(torch.ones(3, 2))",
    "part = model.encoder; part.weight = nn.Parameter(torch.ones(3, 2))",
    "part = False or model.encoder; part.weight = nn.Parameter(torch.ones(3, 2))",
    "if (part := model.layers): part[0].weight = nn.Parameter(torch.ones(3, 2))",
    "if model.encoder == Other(): print('same')",
    "if encoder == Other(): print('same')",
]


def _checked(between: str, runner: Runner) -> str:
    text = SCRIPT.replace("BETWEEN", between)
    result = convert(text)
    assert isinstance(result, Converted), result
    before, after = runner.run(text), runner.run(result.after)
    assert before.status == 0 and len(before.events) == 12
    assert first_difference(before, after) is None
    return result.after


@pytest.mark.parametrize("between", ASKS)
def test_the_module_makes_the_optimizer(between: str, runner: Runner) -> None:
    assert "return optim.SGD(" in _checked(between, runner)


@pytest.mark.parametrize("between", CHANGES)
def test_the_script_goes_on_making_it(between: str, runner: Runner) -> None:
    assert "return self.optimizer" in _checked(between, runner)


def test_a_warm_up_of_transformers_is_made_there_too() -> None:
    text = SCRIPT.replace(
        "import argparse\n", "import argparse\nfrom transformers import get_linear_schedule_with_warmup\n"
    )
    result = convert(
        text.replace("BETWEEN", "scheduler = get_linear_schedule_with_warmup(optimizer, 1, 6)").replace(
            "        optimizer.step()\n", "        optimizer.step()\n        scheduler.step()\n"
        )
    )
    assert isinstance(result, Converted) and "scheduler.step()" not in result.after
    assert "scheduler = get_linear_schedule_with_warmup(optimizer, 1, 6)\n        return " in result.after
