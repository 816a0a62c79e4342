"""Conditions for the device of other forms: comparisons, settings that an object holds, and losses without tensors."""

from __future__ import annotations

import pytest

from tests.fixtures_harness import Runner
from tests.idioms.device_harness import checked, script, step_of

MOVES = "if {test}:\n    x, y = x.cuda(), y.cuda()"


@pytest.mark.parametrize(
    ("test", "settings"),
    [
        ("args.cpu == False", "cpu=True"),
        ("args.gpu is not None", "gpu=None"),
        ("args.gpu >= 0", "gpu=-1"),
        ("args.gpus and args.gpus[:1] != 'x'", None),
        ("args.cuda and args.gpu >= 0", "cuda=True, gpu=-1"),
        ("args.device == 'cuda'", "device='cpu'"),
    ],
)
def test_a_comparison_chooses(test: str, settings: str | None, runner: Runner) -> None:
    front = f"args = argparse.Namespace({settings or 'gpus=None'})\nif {test}:\n    model.cuda()"
    text, notes = checked(script(MOVES.format(test=test), front), runner)
    chosen = f"device='cuda' if {test} else 'cpu'" in text
    assert chosen == (settings is not None) and ("N105" in notes) != chosen and ("cuda" in step_of(text)) != chosen


@pytest.mark.parametrize(
    ("front", "test"),
    [
        ("args = argparse.Namespace(gpu=-1)\nif args.gpu >= 0:\n    model.cuda()", "args.gpu > 0"),
        ("args = argparse.Namespace(gpu=-1)\nif args.gpu >= 0:\n    model.cuda()", "args.gpu >= 0 and y.sum() > 1e9"),
        ("args = argparse.Namespace(cpu=True)", "len(list(loader)) < 0"),
    ],
)
def test_other_comparisons_keep_the_moves(front: str, test: str, runner: Runner) -> None:
    text, notes = checked(script(MOVES.format(test=test), front), runner)
    assert ".cuda()" in step_of(text) and "N105" in notes


def test_a_setting_that_changes_chooses_nothing(runner: Runner) -> None:
    front = "args = argparse.Namespace(gpu=-1)\nif args.gpu >= 0:\n    model.cuda()"
    body = MOVES.format(test="args.gpu >= 0") + "\nargs.gpu = -2"
    text, notes = checked(script(body, front), runner)
    assert ".cuda()" in step_of(text) and "N105" in notes


def test_a_context_means_another_device(runner: Runner) -> None:
    front = "gpu = -1\nif gpu >= 0:\n    with torch.cuda.device(gpu):\n        model.cuda()"
    text, _ = checked(script(MOVES.format(test="gpu >= 0"), front), runner)
    assert "device='cuda'" not in text


@pytest.mark.parametrize(
    ("loss", "known"),
    [
        ("criterion = nn.MSELoss().cuda()", True),
        ("criterion = nn.MSELoss()\ncriterion = criterion.cuda()", True),
        ("criterion.cuda()", True),
        ("other = nn.BCEWithLogitsLoss(pos_weight=None)", True),
        (
            "try:\n    nn.BCELoss(weight=torch.ones(1)).cuda()\nexcept (AssertionError, RuntimeError):\n    pass",
            False,
        ),
        ("try:\n    nn.Linear(1, 1).cuda()\nexcept (AssertionError, RuntimeError):\n    pass", False),
    ],
)
def test_a_loss_without_tensors_needs_no_cuda(loss: str, known: bool, runner: Runner) -> None:
    front = f"args = argparse.Namespace(cuda=False)\nif args.cuda:\n    model.cuda()\n{loss}"
    text, _ = checked(script(MOVES.format(test="args.cuda"), front), runner)
    assert ("device='cuda' if args.cuda else 'cpu'" in text) == known


AGENT = """
import argparse
import torch
from torch import nn
torch.manual_seed(0)
loader = [(torch.randn(4, 2), torch.randn(4, 1)), (torch.randn(4, 2), torch.randn(4, 1))]


class Writer:
    def __init__(self, args):
        self.args = args.copy()
        self.device = 'nowhere'


class Agent:
    def __init__(self, args, gpu_id=0):
        self.args = args
        self.gpu_id = gpu_id
        self.model = nn.Linear(2, 1)
        {made}
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=0.1)

    {method}

    def train(self):
        for epoch in range(2):
            for x, y in loader:
                {moves}
                self.optimizer.zero_grad()
                loss = (self.model(x) - y).pow(2).mean()
                loss.backward()
                self.optimizer.step()
                print(loss.item())


agent = Agent(argparse.Namespace(cuda=False))
{behind}
agent.train()
"""
NO_METHOD = "def nothing(self):\n        pass"
GUARDED = "if self.args.cuda:\n                    x, y = x.cuda(), y.cuda()"


def agent(made: str = "", method: str = NO_METHOD, moves: str = GUARDED, behind: str = "") -> str:
    return AGENT.format(made=made, method=method, moves=moves, behind=behind)


def test_a_setting_of_the_object_that_trains(runner: Runner) -> None:
    text, notes = checked(agent(), runner)
    assert "device='cuda' if self.args.cuda else 'cpu'" in text and "N105" not in notes


@pytest.mark.parametrize(
    "changed",
    [
        {"method": "def change(self):\n        self.args = argparse.Namespace(cuda=False)"},
        {"behind": "agent.__init__(agent.args)"},
        {"behind": "agent.args.cuda = False", "moves": GUARDED + "\n                self.args.cuda = False"},
        {"made": "if args.cuda:\n            self.args = args"},
    ],
)
def test_a_setting_that_may_change(changed: dict[str, str], runner: Runner) -> None:
    text, notes = checked(agent(**changed), runner)
    assert "device='cuda'" not in text and "N105" in notes


STAYS = """
def stays(self, *place, **settings):
    return self
torch.Tensor.to = nn.Module.to = stays
class Writer"""
BY_NUMBER = "x, y = x.to(self.gpu_id), y.to(self.gpu_id)"


@pytest.mark.parametrize("made", ["self.model = self.model.to(gpu_id)", "self.model.to(self.gpu_id)"])
def test_the_number_that_an_object_keeps(made: str, runner: Runner) -> None:
    before = agent(made, moves=BY_NUMBER).replace("\nclass Writer", STAYS)
    text, notes = checked(before, runner)
    assert "device=next(self.model.parameters()).device" in text and made in text and "N105" not in notes


@pytest.mark.parametrize(
    "changed",
    [
        {"made": "self.model.to(gpu_id + 1)"},
        {"made": "other = nn.Linear(1, 1).to(gpu_id)"},
        {"made": "gpu_id = 1\n        self.model.to(gpu_id)"},
        {"made": "if args.cuda:\n            self.model.to(gpu_id)"},
        {"made": "self.model.to(gpu_id)", "method": "def renew(self):\n        self.model = nn.Linear(2, 1)"},
        {"made": "self.model.to(gpu_id)", "method": "def move(self):\n        self.gpu_id = 1"},
    ],
)
def test_a_number_that_is_not_surely_that_of_the_model(changed: dict[str, str], runner: Runner) -> None:
    before = agent(moves=BY_NUMBER, **changed).replace("\nclass Writer", STAYS)
    text, notes = checked(before, runner)
    assert "device=next" not in text and "N105" in notes
