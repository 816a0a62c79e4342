"""Devices, and conditions for CUDA, that a function that trains is given under any name; all run as if on a GPU."""

from __future__ import annotations

import pathlib

import pytest

from refactorer.converter import convert_text
from refactorer.result import Converted
from tests.idioms.device_harness import step_of
from tests.pretended.compare import differences, run

SCRIPT = """
import argparse
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
torch.manual_seed(0)
args = argparse.ArgumentParser().parse_args()
loader = DataLoader(TensorDataset(torch.randn(12, 2), torch.randn(12, 1)), batch_size=4, shuffle=True)

def train(model, optimizer, {parameter}):
    for x, y in loader:
        {body}
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(model(x), y)
        loss.backward()
        optimizer.step()
        print(loss.item())

def main(args):
    {front}
    model = nn.Linear(2, 1)
    {move}
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for epoch in range(2):
        train(model, optimizer, {argument})

main(args)
print(torch.rand(1))
"""
CUDA = "args.cuda = torch.cuda.is_available()"
DEVICE = "args.device = torch.device('cuda' if torch.cuda.is_available() else 'cpu')"
ITEM = "config = {'use_cuda': torch.cuda.is_available()}"
MOVES = "x, y = x.to(device), y.to(device)"
IF_CUDA = "if cuda:\n            x, y = x.cuda(), y.cuda()"
IF_ITEM = "if config['use_cuda']:\n            x, y = x.cuda(), y.cuda()"
MOVED_IF = "if args.cuda:\n        model.cuda()"
MOVED_IF_ITEM = "if config['use_cuda']:\n        model.cuda()"
TO_DEVICE = "model.to(args.device)"


def _script(parameter: str, body: str, front: str, move: str, argument: str) -> str:
    return SCRIPT.format(parameter=parameter, body=body, front=front, move=move, argument=argument)


def _converted(text: str, folder: pathlib.Path) -> tuple[str, list[str]]:
    """What a script becomes, which does the same on a GPU, and the codes of the notes on it."""
    result = convert_text(text)
    assert isinstance(result, Converted), result.diagnostics
    before, after = run(text, folder), run(result.after, folder)
    assert before["ended"] == "ended"
    assert [found for found in differences(before, after) if not found.startswith("done")] == []
    return result.after, [diagnostic.code for diagnostic in result.diagnostics]


GIVEN = {
    "a condition": (("cuda", IF_CUDA, CUDA, MOVED_IF, "args.cuda"), "device='cuda' if args.cuda else 'cpu'"),
    "by its name": (("cuda=False", IF_CUDA, CUDA, MOVED_IF, "cuda=args.cuda"), "device='cuda' if args.cuda else 'cpu'"),
    "a device": (("device", MOVES, DEVICE, TO_DEVICE, "args.device"), "device=args.device"),
    "an item": (("config", IF_ITEM, ITEM, MOVED_IF_ITEM, "config"), "device='cuda' if config['use_cuda'] else 'cpu'"),
}  # fmt: skip


@pytest.mark.parametrize("name", GIVEN)
def test_what_a_function_is_given_is_known_in_front_of_the_training(name: str, tmp_path: pathlib.Path) -> None:
    parts, device = GIVEN[name]
    text, notes = _converted(_script(*parts), tmp_path)
    assert "N105" not in notes and device in text
    assert "model.to(" not in text and ".cuda()" not in text and "cuda = " not in step_of(text)
    assert "transfer_batch_to_device" not in text


LEFT = {
    "it is set in the training": ("cuda", IF_CUDA + "\n        args.cuda = False", CUDA, MOVED_IF, "args.cuda"),
    "it is bound again": ("cuda", "cuda = cuda and torch.cuda.is_available()\n        " + IF_CUDA, CUDA, MOVED_IF,
                          "args.cuda"),
    "it is computed": ("cuda", IF_CUDA, CUDA, MOVED_IF, "bool(args.cuda + 0)"),
    "an item is set in the training": ("config", IF_ITEM + "\n        config['use_cuda'] = True", ITEM, MOVED_IF_ITEM,
                                       "config"),
}  # fmt: skip


@pytest.mark.parametrize("name", LEFT)
def test_what_may_change_is_asked_for_where_the_script_asks(name: str) -> None:
    result = convert_text(_script(*LEFT[name]))
    assert isinstance(result, Converted) and "if args.cuda else" not in result.after
    assert "'cuda' if config" not in result.after and ".cuda()" in result.after


OF_MODULE = """
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
torch.manual_seed(0)
loader = DataLoader(TensorDataset(torch.randn(12, 2), torch.randn(12, 1)), batch_size=4, shuffle=True)

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(2, 1)

    def forward(self, x):
        return self.layer(x)

    def learn(self, place):
        optimizer = torch.optim.SGD(self.parameters(), lr=0.1)
        for epoch in range(2):
            for x, y in loader:
                x, y = x.to(place), y.to(place)
                optimizer.zero_grad()
                loss = nn.functional.mse_loss(self(x), y)
                loss.backward()
                optimizer.step()
                print(loss.item())

device = torch.device('cuda' if torch.cuda.is_available() else 'cpu')
{move}
{call}
print(torch.rand(1))
"""
IN_ORDER = {
    "to the device that is handed on": ("net = Net().to(device)", "net.learn(device)"),
    "to CUDA": ("net = Net()\nif torch.cuda.is_available():\n    net = net.cuda()", "net.learn(device)"),
    "by its name": ("net = Net().to(device)", "net.learn(place=device)"),
}
OUT_OF_ORDER = {
    "to another": ("other = torch.device('cpu')\nnet = Net().to(other)\nnet.to(device)", "net.learn(device)"),
    "to one that is bound again": ("net = Net().to(device)\ndevice = torch.device('cuda:0')", "net.learn(device)"),
    "a call hands on another": ("net = Net().to(device)",
                                "net.learn(device)\nif len(loader) > 9:\n    net.learn('cpu')"),
}  # fmt: skip


@pytest.mark.parametrize("name", IN_ORDER)
def test_what_module_level_moves_is_where_the_function_trains(name: str, tmp_path: pathlib.Path) -> None:
    move, call = IN_ORDER[name]
    text, notes = _converted(OF_MODULE.format(move=move, call=call).replace("place", "the_device"), tmp_path)
    assert "N105" not in notes and "device=the_device" in text and ".to(" not in step_of(text)


@pytest.mark.parametrize("name", OUT_OF_ORDER)
def test_what_module_level_moves_may_be_elsewhere(name: str, tmp_path: pathlib.Path) -> None:
    move, call = OUT_OF_ORDER[name]
    text, notes = _converted(OF_MODULE.format(move=move, call=call).replace("place", "the_device"), tmp_path)
    assert "N105" in notes and "device=the_device" not in text


STEPS = """
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
torch.manual_seed(0)
loader = DataLoader(TensorDataset(torch.randn(12, 2), torch.randn(12, 1)), batch_size=4, shuffle=True)

def loss_of(x, y, model, device):
    {inside}
    return nn.functional.mse_loss(model(x), y)

def evaluate(model, device, limit=None):
    model.eval()
    total = 0.0
    with torch.no_grad():
        for i, (x, y) in enumerate(loader):
            if limit is not None and i >= limit:
                break
            if i % 2 == 0:
                x, y = x.to(device), y.to(device)
                total += nn.functional.mse_loss(model(x), y).item()
    return total

def fit(model, optimizer, device):
    for epoch in range(2):
        model.train()
        for x, y in loader:
            optimizer.zero_grad()
            loss = {call}
            loss.backward()
            optimizer.step()
        print(loss_of(*next(iter(loader)), model, device).item(), evaluate(model, device))

device = torch.device('cuda' if torch.cuda.is_available() else 'cpu')
model = nn.Linear(2, 1).to(device)
fit(model, torch.optim.SGD(model.parameters(), lr=0.1), device)
print(torch.rand(1))
"""
HANDED = {
    "at once": ("x, y = x.to(device), y.to(device)", "loss_of(x, y, model, device)", True),
    "after something is drawn": ("x = x + torch.rand(x.shape)\n    x, y = x.to(device), y.to(device)",
                                 "loss_of(x, y, model, device)", False),
    "under a condition": ("if len(x) > 1:\n        x, y = x.to(device), y.to(device)",
                          "loss_of(x, y, model, device)", False),
}  # fmt: skip


@pytest.mark.parametrize("name", HANDED)
def test_a_function_that_is_handed_the_device_moves_to_it(name: str, tmp_path: pathlib.Path) -> None:
    inside, call, known = HANDED[name]
    text, _ = _converted(STEPS.format(inside=inside, call=call), tmp_path)
    assert ("transfer_batch_to_device" not in text) == known


HELPER = """
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

def loss_of(x, y, model, device):
    {first}
    {moved}

def train(model, loader, optimizer, device, epochs):
    for epoch in range(epochs):
        for x, y in loader:
            {before}
            optimizer.zero_grad()
            loss = loss_of(x, y, model, device)
            loss.backward()
            optimizer.step()
            print(epoch, loss.item(){shown})

torch.manual_seed(0)
device = torch.device('cuda' if torch.cuda.is_available() else 'cpu')
model = nn.Linear(3, 1).to(device)
loader = DataLoader(TensorDataset(torch.randn(20, 3), torch.randn(20, 1)), batch_size=4)
train(model, loader, torch.optim.SGD(model.parameters(), lr=0.1), device, 2)
print(torch.rand(1))
"""


AT_ONCE = "x, y = x.to(device), y.to(device)\n    return nn.functional.mse_loss(model(x), y)"
IN_PLACE = "return nn.functional.mse_loss(model(x.to(device)), y.to(device))"


def _helper(first: str = "pass", before: str = "pass", shown: str = "", moved: str = AT_ONCE) -> str:
    return HELPER.format(first=first, before=before, shown=shown, moved=moved)


@pytest.mark.parametrize("moved", [AT_ONCE, IN_PLACE])
def test_a_training_whose_helper_moves_the_batches_is_told_of_its_device(moved: str, tmp_path: pathlib.Path) -> None:
    after, codes = _converted(_helper(moved=moved), tmp_path)
    assert "Trainer(max_epochs=epochs, device=device)" in after and "device_" not in after
    assert "loss_of(x, y, self.model, self.device)" in after and "N105" not in codes


@pytest.mark.parametrize("script", [
    _helper(first="x = x * torch.rand(1)"), _helper(before="x = x + torch.rand(1)"),
    _helper(before="print(x.numpy().sum())"), _helper(first="x = x * torch.rand(1)", moved=IN_PLACE),
    _helper(moved=IN_PLACE.replace("y.to(device)", "(y * torch.rand(1)).to(device)")),
    _helper(shown=", x.numpy().sum()"),
])  # fmt: skip
def test_what_is_used_in_front_of_the_helpers_move_stays(script: str, tmp_path: pathlib.Path) -> None:
    after, codes = _converted(script, tmp_path)
    assert "return batch  # the steps move what they need" in after and "N105" in codes
