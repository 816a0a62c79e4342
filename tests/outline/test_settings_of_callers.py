"""Settings that a caller hands to the function that trains are asked for where they are used."""

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

torch.manual_seed(3)
loader = [(torch.randn(4, 2), torch.randn(4, 1)) for _ in range(3)]


def parse():
    parser = argparse.ArgumentParser()
    parser.add_argument('--scale', type=float, default=2.0)
    PARSED


def train(model, optimizer, scale):
    for x, y in loader:
        optimizer.zero_grad()
        loss = scale * (model(x) - y).square().mean()
        loss.backward()
        optimizer.step()
        print(loss.item())
        BEHIND


def run(args):
    model = torch.nn.Linear(2, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for epoch in range(2):
        train(model, optimizer, args.scale)


def main():
    args = parse()
    CALL


main()
"""


def script(parsed: str = "return parser.parse_args()", behind: str = "pass", call: str = "run(args)") -> str:
    return SCRIPT.replace("PARSED", parsed).replace("BEHIND", behind).replace("CALL", call)


@pytest.mark.parametrize(
    "parsed", ["return parser.parse_args()", "args = parser.parse_args()\n    print(args.scale)\n    return args"]
)
def test_a_setting_is_asked_for_in_the_step(parsed: str, runner: Runner) -> None:
    before = script(parsed)
    result = convert(before)
    assert isinstance(result, Converted)
    assert "self.args.scale * (self.model(x)" in result.after
    assert first_difference(runner.run(before), runner.run(result.after)) is None


OTHERS = [
    script(behind="settings.scale = 0.5").replace(
        "def main():\n    args", "def main():\n    global settings\n    settings = args"
    ),
    script(behind="setattr(settings, 'scale', 0.5)").replace(
        "def main():\n    args", "def main():\n    global settings\n    settings = args"
    ),
    script(call="run(argparse.Namespace(**vars(args)))"),
    script(call="run(args)\n    run(argparse.Namespace(scale=0.1))"),
    script(call="for runs in [run]:\n        runs(args)"),
    script(parsed="args = parser.parse_args()\n    if args.scale > 9:\n        return None\n    return args"),
]


@pytest.mark.parametrize("before", OTHERS)
def test_what_may_change_is_asked_for_once(before: str, runner: Runner) -> None:
    result = convert(before)
    assert isinstance(result, Converted)
    assert "self.scale = self.args.scale" in result.after
    assert first_difference(runner.run(before), runner.run(result.after)) is None
