"""Conditions that a copy of a function knows to be false go, also where an attribute is asked in front of them."""

from __future__ import annotations

import pytest

from refactorer import convert
from refactorer.result import Converted
from tests.fixtures_harness import Runner, first_difference

SCRIPT = """\
import torch
from torch import nn

torch.manual_seed(0)

HEAD


class Solver(BASE):
    def __init__(self, data, model, optimizer):
        self.tr_loader = data['train']
        self.cv_loader = data['val']
        self.model = model
        self.optimizer = optimizer
        self.epochs = 3
        SET

    def train(self):
        for epoch in range(self.epochs):
            self.model.train()
            tr_avg_loss = self._run_one_epoch(epoch)
            print('train', epoch, tr_avg_loss)
            self.model.eval()
            with torch.no_grad():
                val_loss = self._run_one_epoch(epoch, cross_valid=True)
            print('val', epoch, val_loss)

    def _run_one_epoch(self, epoch, cross_valid=False):
        total_loss = 0
        MORE
        data_loader = self.tr_loader if not cross_valid else self.cv_loader
        if self.loud and not cross_valid:
            print('start of a training epoch')
        for i, (data) in enumerate(data_loader):
            x, y = data
            loss = ((self.model(x) - y) ** 2).mean()
            if not cross_valid:
                self.optimizer.zero_grad()
                loss.backward()
                self.optimizer.step()
            total_loss += loss.item()
            if self.loud and not cross_valid:
                print('step', i)
        return total_loss / (i + 1)


sets = {name: [(torch.randn(4, 3), torch.randn(4, 1)) for _ in range(3)] for name in ('train', 'val')}
model = nn.Sequential(nn.Linear(3, 3), nn.Dropout(0.2), nn.Linear(3, 1))
solver = Solver(sets, model, torch.optim.SGD(model.parameters(), lr=0.1))
solver.train()
"""
SET = "self.loud = EXTRA"
EXTRA = "EXTRA = True"
ASKED = "        print('asked')\n        return True"
SPEAKS = f"    def __bool__(self):\n{ASKED}"


def script(head: str = EXTRA, base: str = "object", line: str = SET, more: str = "pass") -> str:
    given = {"HEAD": head, "BASE": base, "SET": line, "MORE": more}
    text = SCRIPT
    for word, code in given.items():
        text = text.replace(word, code)
    return text


@pytest.mark.parametrize("base", ["object", ""])
def test_nothing_is_left_of_them(base: str, runner: Runner) -> None:
    result = convert(script(base=base))
    assert isinstance(result, Converted), result.diagnostics
    assert "def validation_step" in result.after
    assert "and False" not in result.after and result.after.count("if self.solver.loud:") == 2
    assert first_difference(runner.run(result.before), runner.run(result.after)) is None


@pytest.mark.parametrize(
    "given",
    [
        {"head": f"class Extra:\n{SPEAKS}\n\n\nEXTRA = Extra()"},
        {"head": f"{EXTRA}\n\n\nclass Base:\n    pass", "base": "Base"},
        {"line": "if EXTRA:\n            self.loud = EXTRA"},
        {"line": "self.loud = len(data)"},
        {"line": "if not data:\n            return\n        self.loud = EXTRA"},
        {"more": "self.loud = epoch < 1"},
        {"line": f"self.kept = EXTRA\n\n    @property\n    def loud(self):\n{ASKED}"},
        {"line": f"self.kept = EXTRA\n\n    def __getattr__(self, name):\n{ASKED}"},
    ],
)
def test_what_may_be_seen_is_asked(given: dict[str, str], runner: Runner) -> None:
    result = convert(script(**given))
    assert isinstance(result, Converted), result.diagnostics
    assert "and False" in result.after or "def validation_step" not in result.after
    assert first_difference(runner.run(result.before), runner.run(result.after)) is None
