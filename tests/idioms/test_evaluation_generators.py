"""Evaluations over batches that a call makes: `val_dataloader` is a generator, and everything trains the same."""

from __future__ import annotations

import re

import pytest

from refactorer import convert
from refactorer.result import Converted
from tests.fixtures_harness import Runner, first_difference

SCRIPT = """\
import random
from itertools import islice

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class Meters:
    def __init__(self):
        self.values = {}
        print("new meters", torch.rand(1).item())

    def update(self, **values):
        for name, value in values.items():
            self.values.setdefault(name, []).append(value)

    def __str__(self):
        return " ".join("{} {:.4f}".format(name, sum(v) / len(v)) for name, v in self.values.items())

    def log_every(self, batches, freq, header=""):
        print(header, "begins", torch.rand(1).item(), torch.is_grad_enabled())
        try:
            for i, batch in enumerate(batches):
                yield batch
                if i % freq == 0:
                    print(header, i, str(self))
            print(header, "total", i + 1)
        finally:
            print(header, "left", torch.rand(1).item())


class Prefetcher:
    def __init__(self, batches):
        self.batches = iter(batches)
        self.fetch()

    def fetch(self):
        print("fetches", torch.rand(1).item())
        self.next = next(self.batches, None)

    def __iter__(self):
        while self.next is not None:
            now = self.next
            self.fetch()
            yield now


def evaluate(model, criterion, data_loader, title):
    model.eval()
    meters = Meters()
    header = "Test:"
    count = 0
    with torch.no_grad():
        for image, target in meters.log_every(data_loader, 2, header):
            output = model(image)
            meters.update(loss=criterion(output, target).item())
            count += len(target)
    print(title, meters)
    return count


torch.manual_seed(0)
x = torch.randn(50, 6)
y = (x.sum(1) > 0).long()
train_loader = DataLoader(TensorDataset(x[:32], y[:32]), batch_size=8, shuffle=True)
test_loader = DataLoader(TensorDataset(x[32:], y[32:]), batch_size=5)
model = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.Dropout(0.4), nn.Linear(8, 2))
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
for epoch in range(3):
    model.train()
    for image, target in train_loader:
        optimizer.zero_grad()
        loss = criterion(model(image), target)
        loss.backward()
        optimizer.step()
    print("trained", epoch, loss.item())
    count = evaluate(model, criterion, test_loader, "epoch")
    print("counted", count)
print(torch.rand(1), random.random())
"""
LOOP = "for image, target in meters.log_every(data_loader, 2, header):"
HEADER = '    header = "Test:"\n'
CALL = '    count = evaluate(model, criterion, test_loader, "epoch")\n'
GUARD = "    with torch.no_grad():\n"
STEP = """\
            output = model(image)
            meters.update(loss=criterion(output, target).item())
            count += len(target)
"""
SEEN = """\
def seen(net, loader):
    for a, b in loader:
        print(net(a).sum().item(), net.training)
        yield a, b
"""
PIECES = """\
def pieces(points, labels, size):
    order = torch.randperm(len(points))
    for i in range(0, len(points), size):
        yield points[order[i : i + size]], labels[order[i : i + size]]
"""
ENDLESS = """\
def endless(loader):
    try:
        while True:
            yield from loader
    finally:
        print("closed")


def go_on(loader, kept={}):
    if not kept:
        kept["batches"] = endless(loader)
    return kept["batches"]
"""
DEFINITION = "def evaluate(model, criterion, data_loader, title):\n"
LEFT = (
    "            count += len(target)\n",
    "            count += len(target)\n            if count > 7:\n                break\n",
)
KEPT_BATCHES = "it iterates over the result of a call"


def but(*changes: tuple[str, str]) -> str:
    text = SCRIPT
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return text


def loop(call: str) -> tuple[str, str]:
    return LOOP, f"for image, target in {call}:"


UNGUARDED = (
    (GUARD, ""),
    (f"        {LOOP}\n{STEP}", f"    {LOOP}\n{STEP.replace(' ' * 12, ' ' * 8)}"),
)
MOVED = {
    "a generator": SCRIPT,
    "only every other epoch": but(
        (CALL, f"    if epoch % 2 == 0:\n    {CALL}"),
        ("optimizer = torch", "count = None\noptimizer = torch"),
    ),
    "in the step": but(
        (
            "        optimizer.step()\n",
            f"        optimizer.step()\n        if epoch == 1:\n        {CALL}            model.train()\n",
        ),
        (CALL + '    print("counted", count)\n', ""),
    ),
    "an object that fetches ahead": but(loop("Prefetcher(data_loader)")),
    "two loaders at once": but((LOOP, "for (image, target), (other, _) in zip(data_loader, train_loader):")),
    "counted": but(
        (LOOP, "for i, (image, target) in enumerate(meters.log_every(data_loader, 2, header), 3):"),
        ("count += len(target)", "count += i"),
    ),
    "the first ones": but(loop("islice(data_loader, 2)")),
    "none": but(("x[32:], y[32:]", "x[:0], y[:0]"), loop("Prefetcher(data_loader)")),
    "no epochs": but(("range(3)", "range(0)")),
    "a decorator": but(
        (DEFINITION, f"@torch.no_grad()\n{DEFINITION}"),
        *UNGUARDED,
    ),
    "skipped": but(
        (
            "            output = model(image)\n",
            "            if len(target) < 5:\n                continue\n            output = model(image)\n",
        )
    ),
    "its header tells the epoch": but((HEADER, '    header = "Test {}:".format(epoch)\n')),
    "its header is used again": but(("print(title, meters)", "print(title, header, meters)")),
    "its header is a global": but(
        (DEFINITION, f'header = "none"\n\n\n{DEFINITION}    global header\n'),
        ("print(torch.rand(1), ", "print(header, "),
    ),
    "a name that the training has too": but(
        (
            "    for image, target in train_loader:",
            "    meters = Meters()\n    for image, target in meters.log_every(train_loader, 3):",
        ),
        ('    print("counted", count)\n', '    print("counted", count, meters)\n'),
    ),
    "it draws in front": but((GUARD, f'    print("in front", torch.rand(1).item(), torch.is_grad_enabled())\n{GUARD}')),
    "and back": but(
        ("    print(title, meters)\n", "    model.train()\n    print(title, meters)\n"),
        ("    model.train()\n    for image", "    for image"),
    ),
    "a function that sees what is set": but(
        (
            DEFINITION,
            "def batches(loader):\n    for batch in loader:\n        print(level)\n        yield batch\n\n\n"
            f"level = 0\n\n\n{DEFINITION}    global level\n    level = torch.rand(1).item()\n",
        ),
        loop("batches(data_loader)"),
        ("count += len(target)", "count += len(target)\n            level += 1"),
    ),
    "a generator of its own data": but(
        (DEFINITION, f"{PIECES}\n\n{DEFINITION}"),
        loop("pieces(x[32:], y[32:], 4)"),
        ("    count = 0\n", "    count = 1\n"),
    ),
    "it is handed the model": but(
        (DEFINITION, f"{SEEN}\n\n{DEFINITION}"),
        loop("seen(model, data_loader)"),
    ),
    "left early": but(LEFT),
    "left early, and gone on with": but((DEFINITION, f"{ENDLESS}\n\n{DEFINITION}"), loop("go_on(data_loader)"), LEFT),
    "left early, with a name that is taken": but(
        (DEFINITION, f"batch = 4\n\n\n{PIECES}\n\n{DEFINITION}"), loop("pieces(x[32:], y[32:], batch)"), LEFT
    ),
    "with gradients": but(*UNGUARDED),
    "behind the training": but(
        (CALL, "    count = 0\n"), ("print(torch.rand(1), ", 'print(evaluate(model, criterion, test_loader, "end"), ')
    ),
    "behind the training with gradients": but(
        (CALL, "    count = 0\n"),
        ("print(torch.rand(1), ", 'print(evaluate(model, criterion, test_loader, "end"), '),
        *UNGUARDED,
    ),
}
KEPT = {
    "its first batch is fetched in front": but(
        loop("meters.log_every(data_loader, int(next(iter(data_loader))[1][0]) + 1)")
    ),
}


def converted(text: str) -> Converted:
    result = convert(text)
    assert isinstance(result, Converted), result.diagnostics
    return result


def reasons(result: Converted) -> list[str]:
    return [note.message.split(": ", 1)[1] for note in result.diagnostics if note.code == "N102"]


@pytest.mark.parametrize("name", MOVED)
def test_a_generator_makes_them(name: str, runner: Runner) -> None:
    result = converted(MOVED[name])
    assert re.search(
        r"def (?:val|test)_dataloader\(self\):\n(        .*\n)*        (yield from|for .*:\n            yield) ",
        result.after,
    )
    assert re.search("def (validation|test)_step", result.after) and not reasons(result)
    before = runner.run(MOVED[name])
    assert before.status == 0, before.error
    assert first_difference(before, runner.run(result.after)) is None


@pytest.mark.parametrize("name", KEPT)
def test_it_stays(name: str, runner: Runner) -> None:
    result = converted(KEPT[name])
    assert "def validation_step" not in result.after and "def test_step" not in result.after
    assert reasons(result) == [KEPT_BATCHES]
    assert first_difference(runner.run(KEPT[name]), runner.run(result.after)) is None
