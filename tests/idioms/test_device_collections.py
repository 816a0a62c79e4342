"""Moves of each item of a batch, and of parts that may be None, joined or converted."""

from __future__ import annotations

import pytest

from tests.fixtures_harness import Runner, first_difference
from tests.idioms.device_harness import A_LIST, converted, script, step_of

DEVICE = 'device = torch.device("cuda" if torch.cuda.is_available() else "cpu")\nmodel.to(device)'
FLAG = "use_cuda = torch.cuda.is_available()\nif use_cuda:\n    model.cuda()"
DICTS = "[{'x': torch.ones(2, 2), 'y': torch.ones(2, 1)}, {'x': torch.zeros(2, 2), 'y': torch.ones(2, 1)}]"
NESTED = "[(torch.ones(2, 2), [{'y': torch.ones(2, 1), 'name': 'a'}])] * 2"
DOUBLES = "[(torch.ones(2, 2, dtype=torch.long), torch.ones(2, 1, dtype=torch.double))] * 2"
ITEMS = [
    # what the script changes, or keeps under another name, is a copy
    (A_LIST, "batch = [t.to(device) for t in batch]\nbatch.append(1)\nx, y, _ = batch", "batch = list(batch)"),
    (A_LIST, "batch = tuple(t.to(device) for t in batch)\nx, y = batch + ()", "batch = tuple(batch)"),
    (A_LIST, "moved = [t.to(device) for t in batch]\nmoved.reverse()\ny, x = moved", "moved = list(batch)"),
    (DICTS, "moved = {k: v.to(device) for k, v in batch.items()}\nx, y = moved.values()", "dict(batch.items())"),
    (DICTS, "x, y = dict(**{k: v.to(device) for k, v in batch.items()}).values()", "dict(**batch)"),
    (A_LIST, "x, y = (lambda *a: a)(*[t.to(device) for t in batch])", "(*batch)"),
    # a generator is none of the built-in collections
    (A_LIST, "g = (t.to(device) for t in batch)\nprint(type(g).__name__)\nx, y = g", "(t for t in batch)"),
    (
        A_LIST,
        "list = len\nbatch = [t.to(device) for t in batch]\nprint(list(batch))\nx, y = batch",
        "[t for t in batch]",
    ),
    # more than a move
    (A_LIST, "x, y = [t.float().to(device) for t in batch]", "[t.float() for t in batch]"),
    (A_LIST, "batch = [t.to(device) for t in batch if t.dim() > 1]\nx, y = batch", "[t for t in batch if t.dim() > 1]"),
    (A_LIST, "n = [len(t) for t in batch]\nprint(n)\nx, y = [t.to(device) for t in batch]", "[len(t) for t in batch]"),
    (A_LIST, "x, y = [t.to(device) if t is not None else None for t in batch]", "x, y = batch"),
]


@pytest.mark.parametrize(("loader", "body", "after"), ITEMS)
def test_the_items_are_where_they_belong(loader: str, body: str, after: str, runner: Runner) -> None:
    before = script(body, DEVICE, "batch", loader)
    text, notes = converted(before)
    assert after in text and ".to(" not in step_of(text) and "N105" not in notes
    assert first_difference(runner.run(before), runner.run(text)) is None


PARTS = [
    (NESTED, "y = [{k: v.to(device) if torch.is_tensor(v) else v for k, v in t.items()} for t in y]\ny[0]['y'] += 1\n"
     "x = x.to(device)\ny = y[0]['y']", "y = [dict(t.items()) for t in y]"),
    (A_LIST, "x = torch.cat([x[:1], x[1:]], dim=0)\nx, y = x.to(device), y.to(device)", "torch.cat([x[:1]"),
    (A_LIST, "x = torch.stack((x, x)).to(device)[0]\ny = y.to(device)", "torch.stack((x, x))[0]"),
    (A_LIST, "pair = (x, y)\nx, y = [t.to(device) for t in pair]", "x, y = pair"),
    (DOUBLES, "x = x.type(torch.FloatTensor).to(device)\ny = y.to(torch.float32).to(device)", "x = x.float()"),
    (DOUBLES, "x = x.to(device).float()\ny = y.type(torch.FloatTensor)\ny = y.to(device)", "y = y.float()"),
    (DOUBLES, "x = x.to(device=device, dtype=torch.float, memory_format=torch.contiguous_format)\n"
     "y = y.to(device, torch.float)", "x = x.to(dtype=torch.float, memory_format=torch.contiguous_format)"),
    (A_LIST, "x = x.to(device)\ny = y.to(device) if y is not None else None", ""),
    (A_LIST, "x = x.to(device)\nif y is not None:\n    y = y.to(device)", ""),
    (A_LIST, "if epoch:\n    x = x.to(device) + 1\n    x = x * 2\nx, y = x.to(device), y.to(device)", "x = x + 1"),
    (A_LIST, "x = x.to(device)\nif y is None:\n    y = torch.ones(2, 1).to(device)\nelse:\n    y = y.to(device)",
     "if y is None:"),
    (A_LIST, "if y is None:\n    y = torch.ones(2, 1).to(device)\nx, y = x.to(device), y.to(device)", "1).to(self."),
    (A_LIST, "y = y if len(y) > 1 else None\nx = x.to(device)\nif y is not None:\n    y = y.to(device)", "else None"),
    (A_LIST, "if epoch:\n    x, y = x[:1], y[:1]\nelse:\n    y = y.float()\nx, y = x.to(device), y.to(device)", ""),
]  # fmt: skip


@pytest.mark.parametrize(("loader", "body", "after"), PARTS)
def test_parts_are_where_they_belong(loader: str, body: str, after: str, runner: Runner) -> None:
    before = script(body, DEVICE, "x, y", loader)
    text, notes = converted(before)
    assert after in step_of(text) and "N105" not in notes
    assert "x.to(device" not in step_of(text) and "y.to(self" not in step_of(text)
    assert first_difference(runner.run(before), runner.run(text)) is None


STAYING = [
    (A_LIST, "batch", "s = [t.sum().item() for t in batch]\nprint(s)\nx, y = [t.to(device) for t in batch]"),
    (A_LIST, "batch", "moved = [t.to(device) for t in batch]\nprint(moved is batch)\nx, y = moved"),
    (A_LIST, "batch", "moved = [t.to(device) for t in batch]\nprint(len(str(batch)))\nx, y = moved"),
    (A_LIST, "x, y", "x = torch.cat([x, torch.zeros(1, 2)])[:2].to(device)\ny = y.to(device)"),
    (A_LIST, "x, y", "x = x.type('torch.FloatTensor').to(device)\ny = y.to(device)"),
    (A_LIST, "x, y", "z = None\nif epoch:\n    z = x\nx, y = x.to(device), y.to(device)\nprint(z is None)"),
    (A_LIST, "x, y", "if isinstance(x, torch.FloatTensor):\n    print(1)\nx, y = x.to(device), y.to(device)"),
    (A_LIST, "x, y", "if y is None:\n    y = y.to(device)\nx = x.to(device)"),
    (A_LIST, "x, y", "if y is None:\n    y = torch.ones(2, 1)\nx, y = x.to(device), y.to(device)"),
    (A_LIST, "x, y", "if epoch:\n    x = torch.ones(2, 2)\nx, y = x.to(device), y.to(device)"),
    (A_LIST, "x, y", "for _ in range(1):\n    x = torch.ones(2, 2)\nx, y = x.to(device), y.to(device)"),
]


@pytest.mark.parametrize(("loader", "target", "body"), STAYING)
def test_the_moves_stay(loader: str, target: str, body: str, runner: Runner) -> None:
    before = script(body, DEVICE, target, loader)
    text, notes = converted(before)
    assert ".to(self.device)" in step_of(text) and "N105" in notes
    assert first_difference(runner.run(before), runner.run(text)) is None


def test_a_condition_for_cuda_keeps_what_it_does_besides(runner: Runner) -> None:
    """On the CPU the list stays a list."""
    loader = "[([torch.ones(2, 2)], torch.ones(2, 1))] * 2"
    body = "if use_cuda:\n    x = tuple(t.cuda() for t in x)\n    y = y.cuda()\nprint(type(x))\nx = x[0]"
    before = script(body, FLAG + "\nx = torch.cuda.is_available()", loader=loader)
    text, notes = converted(before)
    assert "if use_cuda:\n            x = tuple(x)\n" in text and "N105" not in notes
    assert first_difference(runner.run(before), runner.run(text)) is None


def test_items_with_a_to_of_their_own(runner: Runner) -> None:
    front = DEVICE + "\nclass Item:\n    def to(self, device):\n        print('moved')\n        return torch.ones(2, 1)"
    front += "\nloader = [[Item(), Item()]]"
    before = script("x, y = [t.to(device) for t in batch]\nx = torch.ones(2, 2)", front, "batch", A_LIST)
    text, notes = converted(before)
    assert "t.to(self.device) for t in batch" in text and "N105" in notes
    assert first_difference(runner.run(before), runner.run(text)) is None


GRAPHS = """
import torch
from torch_geometric.datasets import Planetoid
from torch_geometric.loader import NeighborLoader
from tqdm import tqdm
from model import Net
{front}
loader = NeighborLoader(data, batch_size=2)
device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
model = Net().to(device)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
bar = tqdm(enumerate(loader))
for epoch in range(2):
    for i, batch in {iterable}:
        batch = batch.to(device)
        optimizer.zero_grad()
        loss = model(batch.x).sum() + i
        loss.backward()
        optimizer.step()
"""
TQDM = "from tqdm import tqdm\n"
KNOWN = "data = Planetoid('data', 'Cora')[0]"


@pytest.mark.parametrize(
    ("front", "iterable", "stays"),
    [
        (KNOWN, "enumerate(loader)", False),
        (KNOWN, "bar", False),
        ("from helpers import data", "enumerate(loader)", True),
        ("from helpers import data", "bar", True),
        ("from helpers import load\n" + KNOWN + "\ndata = load(data)", "enumerate(loader)", True),
    ],
)
def test_batches_of_known_loaders(front: str, iterable: str, stays: bool) -> None:
    text, notes = converted(GRAPHS.format(front=front, iterable=iterable))
    assert ("batch.to(self.device)" in step_of(text)) == stays == ("N105" in notes)


def test_the_number_in_front_of_the_batch_is_not_moved(runner: Runner) -> None:
    body = "batch = {k: v.to(device) for k, v in batch.items()}\nprint(i)\nx, y = batch['x'], batch['y']"
    before = script(body, DEVICE, "i, batch", f"tqdm(enumerate({DICTS}))").replace("Variable\n", "Variable\n" + TQDM)
    text, notes = converted(before)
    assert ".to(" not in step_of(text) and "N105" not in notes
    assert first_difference(runner.run(before), runner.run(text)) is None
