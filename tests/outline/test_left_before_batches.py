"""Epochs that are left or skipped in front of their batches."""

from __future__ import annotations

import pytest

from refactorer.converter import convert_text
from refactorer.options import Options
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
    model = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.5), nn.Linear(8, 1))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 1, 0.5)
    data = torch.utils.data.TensorDataset(torch.randn(20, 4), torch.randn(20, 1))
    loader = torch.utils.data.DataLoader(data, batch_size=8, shuffle=True)
    best, bad = float("inf"), 0
    {before}
    for epoch in {epochs}:
        {first}
        model.train()
        total = 0.0
        for x, y in loader:
            optimizer.zero_grad()
            loss = (model(x) - y).square().mean()
            loss.backward()
            optimizer.step()
            total += loss.item()
        {within}
        model.eval()
        with torch.no_grad():
            error = sum(((model(x) - y) ** 2).sum().item() for x, y in loader)
        print(epoch, total, error, scheduler.get_last_lr())
        if total < best - 0.01:
            best, bad = total, 0
        else:
            bad += 1
        scheduler.step()
    {behind}
    print(torch.rand(1))


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
METER = "\nclass Meter:\n    asked = 0\n\n    {}\n        self.asked += 1\n        return self.asked > 2\n\n"
FULL = "@property\n    def full(self):"


def metered(first: str, method: str) -> str:
    return script(first, METER.format(method), before="m = Meter()", behind="print(m.asked)")


LEFT = {
    "a number": script("if bad == 2: break"),
    "a parameter": script("if bad >= limit:\n            break  # enough"),
    "a global variable": script("if stopped: break", CHECK, within="check(bad)"),
    "two conditions": script("if bad == 2: break\n        if stopped: break"),
    "a setting": script("# only look\n        if args.dry:\n            break", within="print(vars(args))"),
    "a setting that changes": script("if args.dry: break", within="args.dry = bad == 1"),
    "no epoch": script("if bad == 2: break", epochs="range(0)"),
    "an epoch": script("if epoch == 3: break"),
    "a call": script("if ask(bad): break", ASK),
    "an item": script("if plan[bad]: break", before="plan = [False, False, True]"),
    "a division": script("if bad and 1 / bad < 1: break"),
    "more than that": script("if bad == 2:\n            print('stop')\n            break"),
    "otherwise": script("if bad == 2: break\n        else: print('on')"),
    "the epoch behind": script("if bad == 2: break", behind="print(epoch)"),
    "the epoch elsewhere": script("if bad == 2: break", SHOW, before="global epoch", behind="show()"),
    "other epochs": script("if bad == 2: break", COUNT, epochs="count(9)"),
    "the next epoch": script("if bad == 2: break", within="if total > 9: continue"),
    "a loop that ends": script("if bad == 2: break", behind="else:\n        print('all')"),
    "a loop that is left": script("if epoch == 2: break", behind="else:\n        print('all')"),
    "an object": metered("if m: break", "def __bool__(self):"),
    "a comparison": metered("if m > 2: break", "def __gt__(self, other):"),
    "a property": metered("if m.full: break", FULL),
    "a return": script("if bad == 2: return print('enough', epoch)"),
}  # fmt: skip
SKIPPED = {
    "the first": script("if epoch < 2: continue"),
    "the last": script("if epoch >= limit: continue", behind="print(epoch, bad)"),
    "all": script("if epoch >= 0: continue", behind="print(epoch, bad, torch.rand(1))"),
    "some": script("if epoch % 2:\n            print('not', epoch)\n            continue"),
    "nested": script("if epoch:\n            if epoch < 5:\n                continue"),
    "in a branch": script("if epoch == 1:\n            continue\n        elif epoch == 4:\n            break"),
    "otherwise": script("if epoch != 1: print('on')\n        else: continue"),
    "by a draw": script("if torch.rand(1) < 0.5: continue"),
    "schedulers": script("if epoch < 3:\n            scheduler.step()\n            continue"),
    "in another mode": script("if epoch in (1, 4):\n            print(model(torch.ones(2, 4)).sum().item())\n"
                              "            continue"),
    "modes behind": script("if epoch > 3: continue", behind="print(model.training)"),
    "from one": script("if epoch <= limit: continue", epochs="range(1, 7)"),
    "other epochs": script("if epoch == 1: continue", COUNT, epochs="count(4)", behind="print(epoch)"),
    "items": script("if epoch == 'b': continue", epochs="'abc'", behind="print(epoch)"),
    "pairs": script("if flag: continue", epochs="(epoch for epoch in range(5))", before="flag = False",
                    within="flag = not flag"),
    "a loop with an else": script("if epoch == 1: continue", behind="else:\n        print('all', epoch)"),
    "kept over epochs": script("if epoch % 3 == 1: continue\n        seen += 1", before="seen = 0",
                               behind="print(seen)"),
    "bound in front": script("note = f'at {epoch}'\n        if epoch < 2: continue", within="print(note)",
                             behind="print(note)"),
    "bound behind": script("if epoch == 0: print('none')\n        if epoch < 2: continue\n        if epoch > 2:\n"
                           "            print(last)", within="last = total", behind="print(last)"),
    "also behind the batches": script("if epoch < 1: continue", within="if total > 6: continue"),
    "a break as well": script("if epoch < 1: continue\n        if bad == 2: break", behind="print(epoch)"),
    "an inner loop": script("for i in range(3):\n            if i == 1: break\n        if i == epoch: continue",
                            behind="print(i)"),
    "a deletion": script("if epoch == 2:\n            del gone\n            continue", before="gone = 1",
                         within="gone = epoch"),
    "an error": script("if epoch < 2: continue\n        if epoch == 4: raise SystemExit(3)"),
}  # fmt: skip
HELD_UP = {
    "a manager": script("with torch.no_grad():\n            if epoch < 2: continue"),
    "a last word": script("try:\n            if epoch < 2: continue\n        finally:\n            print('so', epoch)"),
    "a second thought": script("try:\n            if epoch < 2: break\n        finally:\n"
                               "            if epoch < 1: continue"),
    "an objection": script("try:\n            try:\n                if epoch < 2: continue\n            finally:\n"
                           "                print(1 / epoch)\n        except ZeroDivisionError: pass"),
}  # fmt: skip


def same(text: str, runner: Runner) -> Converted:
    result = convert_text(text)
    assert isinstance(result, Converted)
    assert first_difference(runner.run(text), runner.run(result.after)) is None
    return result


@pytest.mark.parametrize("name", LEFT)
def test_the_training_is_stopped(name: str, runner: Runner) -> None:
    result = same(LEFT[name], runner)
    assert "N103" not in {note.code for note in result.diagnostics}
    assert "self.stop_training()" in result.after and "skip_epoch" not in result.after


@pytest.mark.parametrize("name", SKIPPED)
def test_the_epoch_is_skipped(name: str, runner: Runner) -> None:
    result = same(SKIPPED[name], runner)
    assert "N103" not in {note.code for note in result.diagnostics}
    assert "self.skip_epoch()" in result.after


@pytest.mark.parametrize("name", HELD_UP)
def test_the_loop_over_the_epochs_stays(name: str, runner: Runner) -> None:
    result = same(HELD_UP[name], runner)
    assert "N103" in {note.code for note in result.diagnostics}
    assert "skip_epoch" not in result.after and "stop_training" not in result.after


def test_a_jump_at_the_end_of_the_hook_needs_no_return() -> None:
    result = convert_text(script("if epoch < 2: continue").replace("        model.train()\n        total = 0.0\n", ""))
    assert isinstance(result, Converted) and "\n            self.skip_epoch()\n\n    def " in result.after


def test_a_jump_may_stand_beside_other_statements() -> None:
    result = convert_text(script("if epoch < 2: print('not yet'); continue"))
    assert isinstance(result, Converted)
    assert "print('not yet')\n            self.skip_epoch()\n            return\n" in result.after


@pytest.mark.parametrize("first", ["if epoch < 2: continue", "if bad == 2: break"])
def test_lightnings_own_trainer_trains_every_epoch(first: str) -> None:
    result = convert_text(script(first), options=Options(target="lightning"))
    assert not isinstance(result, Converted) or "skip_epoch" not in result.after
