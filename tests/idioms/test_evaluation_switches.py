"""Modes and gradients that a script switches in other words than `model.eval()` and `no_grad()`."""

from __future__ import annotations

import pytest

from refactorer import convert
from refactorer.result import Converted
from tests.fixtures_harness import Runner, first_difference

SCRIPT = """
import torch
from torch import nn, optim
from torch.utils.data import DataLoader, TensorDataset
from tqdm import tqdm

torch.manual_seed(1)
x = torch.randn(22, 5)
y = (x[:, 0] > 0).long()
train_loader = DataLoader(TensorDataset(x, y), batch_size=4, shuffle=True)
val_loader = DataLoader(TensorDataset(x[:9], y[:9]), batch_size=4, shuffle=True)
criterion = nn.CrossEntropyLoss()
kept = []


def evaluate(net, loader):
    net.eval()
    total = 0
    for n, (a, b) in enumerate(loader):
        total += criterion(net(a), b).item()
    print('evaluated', torch.is_grad_enabled(), net.training)
    return total


net = nn.Sequential(nn.Linear(5, 6), nn.BatchNorm1d(6), nn.Dropout(0.4), nn.Linear(6, 2))
optimizer = optim.SGD(net.parameters(), lr=0.1, momentum=0.5)
for epoch in range(3):
    net = net.train()
    for a, b in train_loader:
        optimizer.zero_grad()
        loss = criterion(net(a), b)
        loss.backward()
        optimizer.step()
    val_loss = evaluate(net, val_loader)
    print(epoch, val_loss)
print(net.training, torch.rand(1), sum(kept))
"""
EVAL = "    net.eval()\n    total = 0\n"
CALL = "    val_loss = evaluate(net, val_loader)\n"
LOOP = "    for n, (a, b) in enumerate(loader):\n"
BODY = LOOP + "        total += criterion(net(a), b).item()\n"
SUMS = "total += criterion(net(a), b).item()\n"
SILENT = "    with torch.set_grad_enabled(False):\n" + "".join(f"    {line}\n" for line in BODY.splitlines())


def but(*changes: tuple[str, str]) -> str:
    text = SCRIPT
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return text


TRAINED = {
    "bound again": but((EVAL, "    net = net.eval()\n    total = 0\n")),
    "inside the loop": but((EVAL, "    total = 0\n"), (LOOP, LOOP + "        net = net.eval()\n")),
    "behind the first batch": but((EVAL, "    total = 0\n"), (SUMS, SUMS + "        net.eval()\n")),
    "train(False) around the call": but(
        (EVAL, "    total = 0\n"), (CALL, f"    net.train(False)\n{CALL}    net.train(True)\n")
    ),
    "gradients switched off": but((BODY, SILENT)),
    "an iterator": but((LOOP, LOOP.replace("(loader)", "(iter(loader))"))),
    "a bar around the counted": but((LOOP, LOOP.replace("enumerate(loader)", "tqdm(enumerate(loader))"))),
    "a bar of the script, in the step": but(
        (LOOP, LOOP.replace("enumerate(loader)", "tqdm(enumerate(loader), total=len(loader))")),
        (CALL, ""),
        ("print(epoch, val_loss)", "print(epoch)"),
        (
            "        optimizer.step()\n",
            "        optimizer.step()\n        if epoch:\n"
            "            evaluate(net, val_loader)\n            net.train()\n",
        ),
    ),
    "parts of a batch": but((BODY, LOOP + "        for c, d in zip(a.split(2), b.split(2)):\n            " + SUMS)),
    "behind the training": but(
        (CALL, ""),
        ("print(epoch, val_loss)", "print(epoch)"),
        (
            "print(net.training",
            "total = 0\nfor a, b in val_loader:\n    net = net.eval()\n    "
            + SUMS
            + "print(total)\nprint(net.training",
        ),
    ),
    "without the name of torch": but(
        ("import torch\n", "from torch import is_grad_enabled, manual_seed, rand, randn\n"),
        ("torch.is_", "is_"),
        ("torch.manual", "manual"),
        ("torch.rand", "rand"),
        (SUMS, "kept.append(criterion(net(a), b))\n"),
    ),
}
STAYS = {
    "a loader for each task": but(
        (BODY, "    for part in [loader]:\n        for a, b in part:\n            " + SUMS),
    ),
    "loaders by name": but(
        (BODY, "    for name in loaders:\n        for a, b in loaders[name]:\n            " + SUMS),
        ("kept = []", "kept = []\nloaders = {'a': val_loader, 'b': train_loader}"),
    ),
    "loaders in a list": but(
        (BODY, "    for data in loaders:\n        for a, b in data:\n            " + SUMS),
        ("kept = []", "kept = []\nloaders = [val_loader, train_loader]"),
    ),
    "gradients by chance": but((BODY, SILENT.replace("False", "len(kept) > 9"))),
    "in training mode": but((EVAL, "    total = 0\n"), (CALL, f"    net.train(True)\n{CALL}")),
    "as the epoch says": but((EVAL, "    total = 0\n"), (CALL, f"    net.train(epoch > 1)\n{CALL}")),
    "a decorator that switches when it is made": but(("def evaluate", "@torch.set_grad_enabled(False)\ndef evaluate")),
    "another enable_grad": but(
        ("import torch\n", "from torch import is_grad_enabled, manual_seed, rand, randn\n"),
        ("torch.is_", "is_"),
        ("torch.manual", "manual"),
        ("torch.rand", "rand"),
        ("kept = []", "kept = []\nenable_grad = 3"),
        (SUMS, "kept.append(criterion(net(a), b))\n"),
    ),
}


@pytest.mark.parametrize("name", TRAINED)
def test_they_become_an_evaluation_of_the_trainer(name: str, runner: Runner) -> None:
    result = convert(TRAINED[name])
    assert isinstance(result, Converted), result.diagnostics
    assert "def validation_step(" in result.after or "def test_step(" in result.after
    assert not [note for note in result.diagnostics if note.code == "N102"]
    before = runner.run(TRAINED[name])
    assert before.status == 0, before.error
    assert first_difference(before, runner.run(result.after)) is None


@pytest.mark.parametrize("name", STAYS)
def test_what_is_not_known_to_be_one_stays(name: str) -> None:
    result = convert(STAYS[name])
    assert isinstance(result, Converted), result.diagnostics
    assert "def validation_step(" not in result.after and "def test_step(" not in result.after


def test_the_import_stands_once() -> None:
    result = convert(TRAINED["without the name of torch"])
    assert isinstance(result, Converted)
    assert result.after.count("from torch import enable_grad\n") == 1
    assert "    @enable_grad()\n    def validation_step" in result.after
