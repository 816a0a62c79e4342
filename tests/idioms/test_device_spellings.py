"""One device, or one condition, that a script spells in several ways."""

from __future__ import annotations

import pytest

from tests.fixtures_harness import Runner
from tests.idioms.device_harness import checked, script, step_of

PARSED = """
parser = argparse.ArgumentParser()
parser.add_argument('--cuda', action='store_true')
args = parser.parse_args([])
{set}
use = args.cuda
if use:
    model.cuda()
"""
MOVES = "if {test}:\n    x, y = x.cuda(), y.cuda()"


@pytest.mark.parametrize(
    ("line", "test", "same"),
    [
        ("", "args.cuda", True),
        ("", "use", True),
        ("", "not args.cuda", False),
        ("args.cuda = False", "args.cuda", False),
        ("setattr(args, 'cuda', False)", "args.cuda", False),
    ],
)
def test_a_variable_that_holds_a_setting(line: str, test: str, same: bool, runner: Runner) -> None:
    before = script(MOVES.format(test=test), PARSED.format(set=line))
    if test.startswith("not"):
        before = before.replace("x.cuda(), y.cuda()", "x + 0, y.to('cuda') if args.cuda else y")
    text, notes = checked(before, runner)
    assert ("device='cuda' if args.cuda else 'cpu'" in text) is same and ("N105" in notes) is not same


@pytest.mark.parametrize(
    ("front", "test", "chosen"),
    [
        ("", "args.cuda and torch.cuda.is_available()", True),
        ("", "torch.cuda.is_available() and not args.cpu", True),
        ("", "args.cuda and torch.cuda.is_available() and torch.cuda.device_count()", False),
        ("import torch as T", "args.cuda and T.cuda.is_available()", False),
    ],
)
def test_a_setting_and_whether_there_is_cuda(front: str, test: str, chosen: bool, runner: Runner) -> None:
    settings = "args = argparse.Namespace(cuda=False, cpu=True)\n" + front
    before = script(MOVES.format(test=test), f"{settings}\nif {test}:\n    model.cuda()")
    text, notes = checked(before, runner)
    assert (f"device='cuda' if {test} else 'cpu'" in text) is chosen and ("N105" in notes) is not chosen


NUMBERS = [
    ("model.cuda(0)", "x, y = x.cuda(0), y.to('cuda:0')", "'cuda:0'"),
    ("model.to('cuda:1')", "x, y = x.cuda(device=1), y.to(torch.device('cuda:1'), non_blocking=True)", "'cuda:1'"),
    ("model.cuda()", "x, y = x.cuda(0), y.cuda(0)", "'cuda'"),
    ("model.cuda(0)", "x, y = x.cuda(), y.to('cuda')", "'cuda'"),
    ("model.cuda(1)", "x, y = x.cuda(0), y.cuda(0)", None),
    ("model.cuda()", "x, y = x.cuda(1), y.cuda(1)", None),
    ("torch.cuda.set_device(1)\n    model.cuda()", "x, y = x.cuda(0), y.cuda(0)", None),
    ("model.to('mps')", "x, y = x.to('mps'), y.to('mps')", None),
    ("model.cuda(gpus[0])", "x, y = x.cuda(gpus[0]), y.cuda(gpus[0])", None),
]


@pytest.mark.parametrize(("front", "body", "device"), NUMBERS)
def test_a_device_by_its_number(front: str, body: str, device: str | None, runner: Runner) -> None:
    guard = "if torch.cuda.is_available():\n    "
    text, notes = checked(script(guard + body, f"gpus = [0]\n{guard}{front}"), runner)
    assert (f"device={device} if torch.cuda.is_available() else 'cpu'" in text) is (device is not None)
    assert ("N105" in notes) is (device is None) and ("cuda" in step_of(text) or "mps" in step_of(text)) is (not device)


def test_what_a_step_makes_follows_a_number(runner: Runner) -> None:
    body = "if torch.cuda.is_available():\n    x, y = x.cuda(0), y.cuda(0)\nz = torch.ones(2)\n"
    body += "if torch.cuda.is_available():\n    z = z.to('cuda:0')\nprint(z.sum())"
    text, notes = checked(script(body, "if torch.cuda.is_available():\n    model.cuda(0)"), runner)
    assert "z = z.to(self.device)" in step_of(text) and "N105" not in notes


AGENT = """
import argparse
import torch
from torch import nn
torch.manual_seed(0)
loader = [(torch.ones(2, 2), torch.ones(2, 1)), (torch.zeros(2, 2), torch.ones(2, 1))]

def parse():
    parser = argparse.ArgumentParser()
    parser.add_argument('--lr', type=float, default=0.1)
    args = parser.parse_args([])
    return args

class Agent:
    def __init__(self, args):
        self.device = torch.device(args.device)
        self.model = nn.Linear(2, 1).to(self.device)
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=args.lr)

    def train(self):
        for epoch in range(2):
            for x, y in loader:
                x, y = x.to(self.device), y.to(self.device)
                self.optimizer.zero_grad()
                loss = (self.model(x) - y).pow(2).mean()
                loss.backward()
                self.optimizer.step()
                print(loss.item())

args = {made}
if torch.cuda.is_available():
    args.device = 'cuda'
else:
    args.device = 'cpu'
agent = Agent(args)
{behind}
agent.train()
"""


@pytest.mark.parametrize(
    ("made", "behind", "known"),
    [
        ("parse()", "", True),
        ("parse()", "agent.device = torch.device('cpu')", False),
        ("type('Other', (Agent,), {'__init__': lambda self: None, 'lr': 0.1})()", "", False),
    ],
)
def test_settings_of_the_same_name_are_no_devices_of_the_object(
    made: str, behind: str, known: bool, runner: Runner
) -> None:  # fmt: skip
    text, notes = checked(AGENT.format(made=made, behind=behind), runner)
    assert ("device=self.device)" in text and "transfer_batch_to_device" not in text) is known
    assert ("N105" in notes) is not known
