"""Batches that Lightning would make anew, or leave out: handed on as they are, or refused."""

from __future__ import annotations

import pytest

from refactorer import convert
from refactorer.result import Converted
from tests.fixtures_harness import Runner, first_difference

SCRIPT = """\
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset, TensorDataset

class Bag(list):
    def __init__(self, items, name):
        super().__init__(items)
        self.name = name

class Rows(Dataset):
    def __init__(self, n):
        self.rows = [{"x": torch.randn(5, 4), "seen": 0} for _ in range(n)]

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, i):
        return self.rows[i]

torch.manual_seed(0)
loader = DataLoader(Rows(4), batch_size=1, shuffle=True, collate_fn=lambda rows: rows[0])
model = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.5), nn.Linear(8, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
for epoch in range(3):
    for i, batch in enumerate(loader):
        batch["seen"] += 1
        x, seen = batch["x"], batch["seen"]
        optimizer.zero_grad()
        loss = model(x).pow(2).mean() * seen
        loss.backward()
        optimizer.step()
        print(epoch, i, seen, repr(loss.item()))
"""
LOADER = SCRIPT[SCRIPT.index("loader = ") : SCRIPT.index("model = ")]
PARTS = SCRIPT[SCRIPT.index("        batch[") : SCRIPT.index("        optimizer.zero_grad()")]

KEPT = {
    "dictionaries of the data set": [],
    "dictionaries in a list": [(LOADER, "loader = [Rows(1)[0] for _ in range(4)]\n")],
    "lists": [
        (LOADER, "loader = [[torch.randn(5, 4)] for _ in range(4)]\n"),
        (PARTS, "        batch.append(1)\n        x, seen = batch[0], len(batch)\n"),
    ],
    "lists of a class": [
        (LOADER, "loader = [Bag([torch.randn(5, 4), 2], 'bag') for _ in range(4)]\n"),
        (PARTS, "        x, seen = batch\n        print(batch.name)\n"),
    ],
    "numbers in a range": [
        (LOADER, "loader = [(torch.randn(5, 4), range(n)) for n in range(4)]\n"),
        (PARTS, "        x, seen = batch[0], len(batch[1])\n"),
    ],
}
NONE = {
    "None in a list": [
        (LOADER, "loader = [None, 2, None]\n"),
        (PARTS, "        x, seen = torch.randn(5, 4), batch or 1\n"),
    ],
    "None of a collate_fn": [
        ("rows[0])", "rows[0] if len(rows) > 1 else None)"),
        (PARTS, "        x, seen = torch.randn(5, 4), 1 if batch is None else 2\n"),
    ],
}


def edited(edits: list[tuple[str, str]]) -> str:
    text = SCRIPT
    for old, new in edits:
        assert old in text, old
        text = text.replace(old, new, 1)
    return text


@pytest.mark.parametrize("name", KEPT)
def test_kept(name: str, runner: Runner) -> None:
    text = edited(KEPT[name])
    result = convert(text, target="lightning")
    assert isinstance(result, Converted), "\n".join(map(str, result.diagnostics))
    assert "return batch  # the very object of the loader" in result.after
    assert first_difference(runner.run(text), runner.run(result.after)) is None


@pytest.mark.parametrize("name", NONE)
def test_none(name: str, runner: Runner) -> None:
    text = edited(NONE[name])
    result = convert(text, target="lightning")
    assert isinstance(result, Converted), "\n".join(map(str, result.diagnostics))
    assert "yield [batch]" in result.after
    assert "        [batch] = batch\n" in result.after
    assert first_difference(runner.run(text), runner.run(result.after)) is None


def test_batches_that_torch_makes_need_nothing() -> None:
    plain = "data = TensorDataset(torch.randn(8, 4), torch.ones(8))\nloader = DataLoader(data, batch_size=4)\n"
    text = edited([(SCRIPT[SCRIPT.index("class Bag") : SCRIPT.index("class Rows")], ""), (LOADER, plain)])
    result = convert(text.replace(PARTS, "        x, seen = batch\n").replace(" * seen", ""), target="lightning")
    assert isinstance(result, Converted), "\n".join(map(str, result.diagnostics))
    assert "transfer_batch_to_device" not in result.after
