"""What an evaluation does beside its loop: it needs no `no_grad` of its own where gradients make no difference."""

from __future__ import annotations

import pytest

from refactorer.converter import convert_text
from refactorer.result import Converted
from tests.fixtures_harness import Runner, first_difference

NAMED = """\
class Named:
    def __init__(self, net):
        self.net, self.seen = net, []

    def __getattr__(self, name):
        self.seen.append(self.net.weight.sum())
        return 0


"""
COMPARED = """\
class Compared(Kept):
    def __lt__(self, other):
        self.seen = self.net.weight.sum()
        return True


"""
SCRIPT = """
import argparse
import logging
from collections import defaultdict
import numpy as np
import torch
from torch import nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
points = torch.randn(26, 3)
data = TensorDataset(points, (points.sum(1) > 0).long())
loader, held_out = DataLoader(data, 4, shuffle=True), DataLoader(data, 8)


class Kept:
    def __init__(self, net):
        self.net = net

    def mean(self):
        return self.net.weight.sum()


class Meter:
    def __init__(self, name="", start=0):
        self.name, self.total = name, start

    def __format__(self, spec):
        return format(self.total, spec)


class Weighing:
    def __init__(self):
        self.total = model.weight.sum()


class Asked:
    def __init__(self, net):
        self.net, self.seen = net, []

    @property
    def place(self):
        self.seen.append(self.net.weight.sum())
        return 0


def put(where, what):
    where.append(what.weight)


args = argparse.Namespace(rank=0, every=2)
logging.basicConfig(level=0, format="%(message)s")


model = nn.Linear(3, 2)
helper = nn.Linear(2, 2)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
trained = []
log = {{}}


{decorator}
def evaluate():
    model.eval()
    with torch.no_grad():
        kept, losses, outputs = [], [], []
        {front}
        for x, y in held_out:
            output = model(x)
            losses.append(F.cross_entropy(output, y).item())
            outputs.append(output)
            {inside}
        {behind}
    return found


for epoch in range(2):
    model.train()
    for x, y in loader:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        {each}
    {call}
    print(epoch, found)
print(torch.rand(1).item())
"""
EMPTY = {
    "decorator": "", "front": "pass", "inside": "pass", "behind": "found = 1", "call": "found = evaluate()",
    "each": "pass",
}  # fmt: skip
BARE = {
    "the size of the data": {"behind": "found = sum(losses) / len(held_out.dataset)"},
    "the number of batches": {"behind": "found = sum(losses) / len(held_out)"},
    "numpy": {"behind": "found = np.mean(losses)"},
    "joined outputs": {"behind": "found = torch.cat(outputs).sum()"},
    "another network is switched": {"front": "helper.eval()", "behind": "found = losses[0]"},
    "plain values": {"front": "total, names = 0, []", "behind": "found = total"},
    "a counter of Python's": {"front": "counts = defaultdict(float)", "behind": "found = counts['x']"},
    "a counter of the file": {"front": "meter = Meter('loss', start=1)", "behind": "found = f'{meter:.3f}'"},
    "a condition": {
        "behind": "if args.rank == 0 and len(losses) % args.every == 0:\n            print('it')\n        found = 1"
    },
    "a logger": {
        "behind": "logger = log['logger']\n        found = f'{losses[0]:.3f}'\n        "
        "logger.info('loss {:.3f}'.format(losses[0]))",
        "each": "log['logger'] = logging.getLogger()",
    },
    "seeds": {"behind": "torch.manual_seed(3)\n        found = 1"},
}
HELD = {
    "a list of parameters": {"inside": "kept.append(model.weight)", "behind": "found = sum(kept)"},
    "added to a list": {"inside": "kept += [model.weight]", "behind": "found = kept[0] * 2"},
    "put into a list": {"inside": "put(kept, model)", "behind": "found = kept[0] * 2"},
    "an item": {"front": "kept = {}", "inside": "kept['w'] = model.weight", "behind": "found = kept['w'] * 2"},
    "taken from the network": {"front": "kept = list(model.parameters())", "behind": "found = kept[0].sum()"},
    "joined parameters": {"inside": "kept.append(model.bias)", "behind": "found = torch.cat(kept)"},
    "a counter that weighs": {"front": "kept = Weighing()", "behind": "found = kept.total"},
    "a condition that computes": {
        "front": "kept = Asked(model)",
        "behind": "found = 0 if kept.place == 1 else kept.seen[0]",
    },
    "an attribute for every name": {
        "decorator": NAMED,
        "front": "kept = Named(model)",
        "behind": "found = 0 if kept.place == 1 else kept.seen[0]",
    },
    "a comparison that computes": {
        "decorator": COMPARED,
        "front": "kept = Compared(model)",
        "behind": "found = kept.seen if kept < 1 else 0",
    },
    "an object of the file": {"front": "kept = Kept(model)", "behind": "found = kept.mean()"},
}
INSIDE_A_FUNCTION = """
import torch
from torch import nn


def main():
    torch.manual_seed(0)
    batches = [torch.randn(4, 3) for _ in range(3)]
    model = nn.Linear(3, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

    class Weighing:
        def __init__(self):
            self.total = model.weight.sum()

    for epoch in range(2):
        model.train()
        for x in batches:
            optimizer.zero_grad()
            model(x).pow(2).sum().backward()
            optimizer.step()
        model.eval()
        with torch.no_grad():
            meter = Weighing()
            print(meter.total)
            for x in batches:
                print(model(x))


main()
"""
INLINE = """model.eval()
    with torch.no_grad():
        for x, y in held_out:
            print(model(x))
        found = {}
"""
FILLED = {
    "a list": ("trained.append(loss)", "torch.stack(trained).mean()"),
    "a sum": ("trained.append(loss)", "sum(trained)"),
    "an item": ("log['loss'] = loss", "log['loss'] * 2"),
    "a parameter": ("log['bias'] = model.bias", "log['bias'] * 2"),
}
NUMBERS = {
    "a list": ("trained.append(loss.item())", "np.mean(trained)"),
    "an item": ("log['loss'] = float(loss.detach())", "log['loss'] * 2"),
}
BESIDE = {
    "the caller computes": {"call": "found = evaluate() * model.weight.sum()"},
    "the caller hands it to a function": {"call": "found = torch.mul(evaluate(), model.weight)"},
}


def converted(parts: dict[str, str], runner: Runner) -> str:
    text = SCRIPT.format(**{**EMPTY, **parts})
    result = convert_text(text)
    assert isinstance(result, Converted), result
    before = runner.run(text)
    assert before.status == 0, before.error
    assert first_difference(before, runner.run(result.after)) is None, result.after
    return result.after


@pytest.mark.parametrize("parts", BARE.values(), ids=BARE)
def test_it_stands_without_a_guard(parts: dict[str, str], runner: Runner) -> None:
    after = converted(parts, runner)
    assert "def validation_step(" in after and "no_grad" not in after


@pytest.mark.parametrize("parts", HELD.values(), ids=HELD)
def test_what_holds_parameters_keeps_the_guard(parts: dict[str, str], runner: Runner) -> None:
    assert "no_grad" in converted(parts, runner)


def test_a_counter_that_sees_the_function_around_it_keeps_the_guard(runner: Runner) -> None:
    before = runner.run(INSIDE_A_FUNCTION)
    result = convert_text(INSIDE_A_FUNCTION)
    assert isinstance(result, Converted) and "no_grad" in result.after.split("class Lit")[1]
    assert before.status == 0 and first_difference(before, runner.run(result.after)) is None


@pytest.mark.parametrize(("each", "found"), FILLED.values(), ids=FILLED)
def test_what_the_training_fills_keeps_the_guard(each: str, found: str, runner: Runner) -> None:
    assert "no_grad" in converted({"each": each, "call": INLINE.format(found)}, runner).split("class Lit")[1]


@pytest.mark.parametrize(("each", "found"), NUMBERS.values(), ids=NUMBERS)
def test_what_the_training_fills_with_numbers_needs_none(each: str, found: str, runner: Runner) -> None:
    assert "no_grad" not in converted({"each": each, "call": INLINE.format(found)}, runner).split("class Lit")[1]


@pytest.mark.parametrize("decorator", ["@torch.no_grad()", ""])
@pytest.mark.parametrize("parts", BESIDE.values(), ids=BESIDE)
def test_the_statement_around_the_call_runs_with_gradients(
    parts: dict[str, str], decorator: str, runner: Runner
) -> None:
    converted({**parts, "decorator": decorator, "behind": "found = losses[0] * torch.ones(1)"}, runner)
