"""Epochs that begin with `if stop: break`."""

from __future__ import annotations

import pytest

from refactorer.converter import convert_text
from refactorer.result import Converted
from tests.fixtures_harness import Runner, first_difference

SCRIPT = """
import argparse
import torch
from torch import nn

stopped = False
{functions}

def main(limit=2):
    parser = argparse.ArgumentParser()
    parser.add_argument("--dry", action="store_true")
    args = parser.parse_args()
    torch.manual_seed(0)
    model = nn.Linear(4, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    loader = [(torch.randn(8, 4), torch.randn(8, 1)) for _ in range(3)]
    best, bad = float("inf"), 0
    {before}
    for epoch in {epochs}:
        {first}
        total = 0.0
        for x, y in loader:
            optimizer.zero_grad()
            loss = (model(x) - y).square().mean()
            loss.backward()
            optimizer.step()
            total += loss.item()
        {within}
        print(epoch, total)
        if total < best - 0.01:
            best, bad = total, 0
        else:
            bad += 1
    {behind}


main()
"""


def script(first: str, functions: str = "", before: str = "pass", epochs: str = "range(9)", within: str = "pass",
           behind: str = "print(bad)") -> str:  # fmt: skip
    return SCRIPT.format(
        first=first, functions=functions, before=before, epochs=epochs, within=within, behind=behind
    )  # fmt: skip


COUNT = "\ndef count(n):\n    for i in range(n):\n        print('epoch', i)\n        yield i\n\n"
CHECK = "\ndef check(bad):\n    global stopped\n    stopped = bad == 1\n\n"
ASK = "\ndef ask(bad):\n    print('asked', bad)\n    return bad == 2\n\n"
SHOW = "\ndef show():\n    print(epoch)\n\n"
BEHIND = {
    "a number": (script("if bad == 2: break"), "if bad != 2:"),
    "a parameter": (script("if bad >= limit:\n            break  # enough"), "if not bad >= limit:"),
    "a global variable": (script("if stopped: break", CHECK, within="check(bad)"), "if not stopped:"),
    "two conditions": (script("if bad == 2: break\n        if stopped: break"), "if not stopped:"),
    "no epoch": (script("if bad == 2: break", epochs="range(0)"), "if bad != 2:"),
    "a setting that changes": (script("if args.dry: break", within="args.dry = bad == 1"), "if not args.dry:"),
    "a setting that changes by name": (
        script("if args.dry: break", within="setattr(args, 'dry', bad == 1)"), "if not args.dry:"),
    "a setting that changes in a dictionary": (
        script("if args.dry: break", within="vars(args).update(dry=bad == 1)"), "if not args.dry:"),
    "a setting that is parsed again": (
        script("if args.dry: break", within="if bad: parser.parse_args(['--dry'], args)"), "if not args.dry:"),
    "a setting that its own method sets": (
        script("if args.dry: break", within="args.__setattr__('dry', bad == 1)"), "if not args.dry:"),
}  # fmt: skip
IN_EVERY_EPOCH = {
    "another epoch": script("if epoch == 3: break"),
    "a call": script("if ask(bad): break", ASK),
    "more than that": script("if bad == 2:\n            print('stop')\n            break"),
    "otherwise": script("if bad == 2: break\n        else: print('on')"),
    "the epoch behind": script("if bad == 2: break", behind="print(epoch)"),
    "the epoch elsewhere": script("if bad == 2: break", SHOW, before="global epoch", behind="show()"),
    "other epochs": script("if bad == 2: break", COUNT, epochs="count(9)"),
    "the next epoch": script("if bad == 2: break", within="if total > 99: continue"),
    "unbound": script("if flag: break", before="if best < 0: flag = True", epochs="range(0)", behind="pass"),
    "deleted": script("if bad == 2: break", before="del bad", epochs="range(0)", behind="pass"),
}


METER = "\nclass Meter:\n    asked = 0\n\n    {}\n        self.asked += 1\n        return self.asked > 99\n\n"
FULL = "@property\n    def full(self):"


def metered(first: str, method: str) -> str:
    return script(first, METER.format(method), before="m = Meter()", behind="print(m.asked)")


ASKED_ONCE = {
    "an item of a list": script("if plan[bad]: break", before="plan = []", epochs="range(0)"),
    "an item of a dictionary": script("if plan['stop']: break", before="plan = {}", epochs="range(0)"),
    "None": script("if last > 9: break", before="last = None", epochs="range(0)", within="last = 1"),
    "None by default": script("if bad > most: break", epochs="range(0)").replace("limit=2", "most=None"),
    "a division": script("if 1 / bad > 3: break", epochs="range(0)"),
    "an empty list": script("if min(most) > 9: break", before="most = []", epochs="range(0)"),
    "a number that cannot be rounded": script(
        "if round(last) > 9: break", before="last = 1.0", within="last = float('nan') if epoch == 8 else total"
    ),
    "a format": script(
        "if '{:d}'.format(last) == '9': break", before="last = 1", within="last = 0.5 if epoch == 8 else 2"
    ),
    "an object": metered("if m: break", "def __bool__(self):"),
    "a comparison": metered("if m > 2: break", "def __gt__(self, other):"),
    "a property": metered("if m.full: break", FULL),
}


@pytest.mark.parametrize("name", ASKED_ONCE)
def test_it_is_not_asked_once_more(name: str) -> None:
    result = convert_text(ASKED_ONCE[name])
    assert isinstance(result, Converted) and "N103" in {note.code for note in result.diagnostics}


@pytest.mark.parametrize("name", BEHIND)
def test_it_is_asked_in_front_and_behind(name: str, runner: Runner) -> None:
    text, guard = BEHIND[name]
    result = convert_text(text)
    assert isinstance(result, Converted) and "N103" not in {note.code for note in result.diagnostics}
    assert f"    {guard}\n        trainer = Trainer(max_epochs=" in result.after or name == "two conditions"
    assert guard in result.after and "self.stop_training()" in result.after
    assert first_difference(runner.run(text), runner.run(result.after)) is None


def test_a_setting_is_asked_in_front_alone(runner: Runner) -> None:
    text = script("# only look\n        if args.dry:\n            break", within="print(vars(args))")
    result = convert_text(text)
    assert isinstance(result, Converted) and "stop_training" not in result.after
    assert "    # only look\n    if not args.dry:\n        trainer = Trainer(" in result.after
    assert first_difference(runner.run(text), runner.run(result.after)) is None


def test_comments_stay_with_what_they_are_about() -> None:
    alone = convert_text(script("# enough\n        if bad == 2: break"))
    both = convert_text(script("# enough\n        if bad == 2: break\n        if bad == 1: print('warned')"))
    assert isinstance(alone, Converted) and "# enough\n        if self.bad == 2:" in alone.after
    assert isinstance(both, Converted) and "# enough\n        if self.bad == 1:" in both.after


@pytest.mark.parametrize("name", IN_EVERY_EPOCH)
def test_the_loop_over_the_epochs_stays(name: str, runner: Runner) -> None:
    text = IN_EVERY_EPOCH[name]
    result = convert_text(text)
    assert isinstance(result, Converted) and "N103" in {note.code for note in result.diagnostics}
    assert first_difference(runner.run(text), runner.run(result.after)) is None
