"""Batches that no line of a step moves, but other code does: the Trainer leaves them where the loader puts them.

That they would meet tensors of another device shows on a GPU only, so these scripts are run as if on one.
"""

from __future__ import annotations

import pathlib

import pytest

from refactorer.converter import convert_text
from refactorer.result import Converted
from tests.pretended.compare import differences, run

SCRIPT = """
import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
torch.manual_seed(0)
device = torch.device('cuda' if torch.cuda.is_available() else 'cpu')
loader = DataLoader(TensorDataset(torch.randn(12, 2), torch.randn(12, 1)), batch_size=4, shuffle=True)
Tensor = torch.cuda.FloatTensor if torch.cuda.is_available() else torch.FloatTensor
model = nn.Linear(2, 1).to(device)
{front}
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for epoch in range(2):
    for x, y in loader:
        {body}
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(model(x), y)
        loss.backward()
        optimizer.step()
        print(loss)
print(torch.rand(1))
"""
NOISE = "x = x + torch.randn_like(x)\n"
LATER = {
    "a function draws first": (
        "def ready(x, y):\n    x = x + torch.randn(x.shape)\n    return x.to(device), y.to(device)",
        "x, y = ready(x, y)",
    ),
    "a function makes an array": ("def ready(t):\n    return torch.from_numpy(t.numpy() + 1).to(device)",
                                  "x, y = ready(x), ready(y)"),
    "the step draws first": ("def ready(*parts):\n    return [part.to(device) for part in parts]",
                             NOISE + "x, y = ready(x, y)"),
    "a lambda": ("ready = lambda t: t.to(device)", NOISE + "x, y = ready(x), ready(y)"),
    "a map": ("", NOISE + "x, y = map(lambda t: t.to(device), (x, y))"),
    "a loop": ("", NOISE + "moved = []\nfor t in (x, y):\n    moved.append(t.to(device))\nx, y = moved"),
    "made there": ("", "x = torch.tensor(x.numpy() * 2, device=device)\ny = torch.as_tensor(y, device=device)"),
    "copied": ("images, numbers = torch.zeros(4, 2, device=device), torch.zeros(4, 1, device=device)",
               NOISE + "x, y = images.copy_(x), numbers.copy_(y)"),
    "filled": ("images, numbers = torch.zeros(4, 2, device=device), torch.zeros(4, 1, device=device)",
               NOISE + "images[:] = x\nnumbers[:] = y\nx, y = images, numbers"),
    "cast": ("", "print(x.numpy().sum())\nx, y = x.type(Tensor), y.type(Tensor)"),
    "what is drawn is moved": ("", "x = (x + torch.randn_like(x)).to(device)\ny = torch.flip(y, [0]).to(device)"),
    "what is drawn is cast": ("", "x = (x + torch.randn_like(x)).type(Tensor)\ny = y.exp().type(Tensor)"),
    "drawn and cast": ("", NOISE + "x = x.type(Tensor)\ny = y.type(Tensor)"),
}  # fmt: skip
AT_ONCE = {
    "a function moves at once": ("def ready(x, y):\n    x, y = x.to(device), y.to(device)\n    return x * 2, y",
                                 "x, y = ready(x, y)"),
    "cast at once": ("", "n = x.size(0)\nx = x.type(Tensor)\ny = y.type(Tensor)"),
    "a lambda": ("ready = lambda t: t.to(device)", "x, y = ready(x), ready(y)"),
    "a map": ("", "x, y = map(lambda t: t.to(device), (x, y))"),
    "copied": ("images = torch.zeros(4, 2, device=device)",
               "x = images.copy_(x)\ny = torch.as_tensor(y, device=device)"),
    "a comprehension": ("", "x, y = [t.to(device) for t in (x, y)]"),
}  # fmt: skip


def _script(front: str, body: str) -> str:
    return SCRIPT.format(front=front, body=body.replace("\n", "\n        "))


def _converted(text: str, folder: pathlib.Path) -> tuple[str, list[str]]:
    """What a script becomes, which does the same on a GPU, and the codes of the notes on it."""
    result = convert_text(text)
    assert isinstance(result, Converted)
    before, after = run(text, folder), run(result.after, folder)
    assert before["ended"] == "ended" and any(name.endswith("cuda:0") for name in before["done"])
    assert [found for found in differences(before, after) if not found.startswith("done")] == []
    return result.after, [diagnostic.code for diagnostic in result.diagnostics]


@pytest.mark.parametrize("name", LATER)
def test_what_is_moved_later_is_left_to_the_script(name: str, tmp_path: pathlib.Path) -> None:
    text, notes = _converted(_script(*LATER[name]), tmp_path)
    assert "transfer_batch_to_device" in text and "N105" in notes


@pytest.mark.parametrize("name", AT_ONCE)
def test_what_is_moved_at_once_is_moved_by_the_trainer(name: str, tmp_path: pathlib.Path) -> None:
    text, notes = _converted(_script(*AT_ONCE[name]), tmp_path)
    assert "transfer_batch_to_device" not in text and "N105" not in notes


MOVED = "x, y = x.to(device), y.to(device)\n"
ON_HOST = {
    "a loss with weights": ("criterion = nn.BCEWithLogitsLoss(pos_weight=torch.tensor([2.0]))",
                            MOVED + "print(criterion(model(x).cpu(), y.cpu()))"),
    "a network": ("other = nn.Linear(2, 1)\nprint(sum(p.sum() for p in other.parameters()))",
                  MOVED + "print(other(x.cpu()))"),
}  # fmt: skip


@pytest.mark.parametrize("name", ON_HOST)
def test_what_a_step_uses_on_the_cpu_stays_there(name: str, tmp_path: pathlib.Path) -> None:
    text, notes = _converted(_script(*ON_HOST[name]), tmp_path)
    assert "device=device" not in text and "N105" in notes


def test_a_loss_without_weights_has_no_place(tmp_path: pathlib.Path) -> None:
    text, notes = _converted(
        _script("criterion = nn.MSELoss()", MOVED + "print(criterion(model(x).cpu(), y.cpu()))"), tmp_path
    )
    assert "device=device" in text and "N105" not in notes


def test_what_has_an_eval_of_its_own_is_no_network(tmp_path: pathlib.Path) -> None:
    log = (
        "class Log:\n    def eval(self, size): print('evaluates', size)\n    def __call__(self, x): print(x.tolist())\n"
    )
    text, notes = _converted(_script(f"{log}log = Log()\nlog.eval(size=3)", MOVED + "log(model(x).cpu())"), tmp_path)
    assert "device=device" in text and "N105" not in notes


NUMBERED = """
import torch
from torch import nn
torch.manual_seed(0)
device = torch.device('cuda' if torch.cuda.is_available() else 'cpu')
data = torch.randn(12, 2)
{numbers}
model = nn.Linear(2, 1).to(device)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

def batch_of(number):
    x = data[number] + torch.randn(4, 2)
    return x.to(device)

for epoch in range(2):
    for number in numbers:
        x = batch_of(number)
        optimizer.zero_grad()
        loss = model(x).pow(2).sum()
        loss.backward()
        optimizer.step()
        print(loss)
    print(len(numbers))
print(torch.rand(1))
"""
NUMBERS = {
    "a range": ("numbers = range(3)", True),
    "a list": ("numbers = [0, 1, 2]", True),
    "a list that gets more": ("numbers = [0, 1, 2]\nnumbers.append(torch.tensor(3))", False),
    "tensors": ("numbers = [torch.tensor(0), torch.tensor(1)]", False),
}  # fmt: skip


@pytest.mark.parametrize("name", NUMBERS)
def test_numbers_under_a_name_are_moved_by_nobody(name: str, tmp_path: pathlib.Path) -> None:
    numbers, known = NUMBERS[name]
    text, notes = _converted(NUMBERED.format(numbers=numbers), tmp_path)
    assert ("transfer_batch_to_device" not in text and "N105" not in notes) == known
