"""Networks that an object holds are registered with the module, unless attributes may be set in ways unseen."""

from __future__ import annotations

import pytest

from refactorer.converter import convert_text
from refactorer.result import Converted
from tests.fixtures_harness import Runner, first_difference

SCRIPT = """
import argparse, json
import torch
from torch import nn, optim

torch.manual_seed(0)
loader = [(torch.randn(2, 2), torch.randn(2, 1)) for _ in range(3)]


def renew(attributes):
    attributes["model"] = nn.Linear(2, 1)


class Instructor:
    def __init__(self, opt):
        self.opt = opt
        self.model = nn.Linear(2, 1)
        MADE

    def train(self):
        optimizer = optim.SGD(self.model.parameters(), lr=self.opt.lr)
        for epoch in range(2):
            for x, y in loader:
                optimizer.zero_grad()
                loss = (self.model(x) - y).pow(2).mean()
                loss.backward()
                optimizer.step()
                print(loss.item())
            BEHIND


Instructor(argparse.Namespace(lr=0.1)).train()
"""
LOOKING = [
    "for name in vars(self.opt): print(name, getattr(self.opt, name))",
    "print(*(f'{k}={v}' for k, v in sorted(vars(opt).items())), 'lr' in vars(opt), vars(opt).get('lr'))",
    "print(json.dumps(vars(self.opt)), len(vars(opt)), [name for name in vars(opt)], f'{vars(opt)}')",
    "kept = dict(vars(self)); kept['model'] = None",
    "print(dict(**vars(opt)))",
]
SETTING = [
    "vars(self)['model'] = nn.Linear(2, 1)",
    "vars(self).update(model=nn.Linear(2, 1))",
    "attributes = vars(self); attributes['model'] = nn.Linear(2, 1)",
    "renew(vars(self))",
    "vars(self).setdefault('model', None)",
    "[vars(self)][0]['model'] = nn.Linear(2, 1)",
    "for name in list(vars(self)): setattr(self, name, getattr(self, name))",
]


@pytest.mark.parametrize("line", LOOKING)
def test_looking_at_attributes_sets_none(line: str, runner: Runner) -> None:
    assert "self.model = instructor.model\n" in _compared(
        SCRIPT.replace("MADE", line).replace("BEHIND", "pass"), runner
    )


@pytest.mark.parametrize("line", SETTING)
def test_an_attribute_may_be_set(line: str, runner: Runner) -> None:
    after = _compared(SCRIPT.replace("MADE", "pass").replace("BEHIND", line), runner)
    assert "instructor.model\n" not in after and "self.instructor.model(x)" in after


def _compared(text: str, runner: Runner) -> str:
    result = convert_text(text)
    assert isinstance(result, Converted), result.diagnostics
    before = runner.run(text)
    assert not before.status, before.error
    assert first_difference(before, runner.run(result.after)) is None
    return result.after
