"""Networks that are made in both branches of a question for CUDA, and moved in one; all run as if on a GPU."""

from __future__ import annotations

import pathlib

import pytest

from refactorer.converter import convert_text
from refactorer.result import Converted
from tests.idioms.device_harness import step_of
from tests.pretended.compare import differences, run

SCRIPT = """
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
torch.manual_seed(0)
use_cuda = torch.cuda.is_available()
loader = DataLoader(TensorDataset(torch.randn(12, 2), torch.randn(12, 1)), batch_size=4, shuffle=True)

def draw(layer):
    if isinstance(layer, nn.Linear):
        nn.init.normal_(layer.weight)

{front}
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for epoch in range(2):
    for batch in loader:
        {body}
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(model(x), y)
        loss.backward()
        optimizer.step()
        print(loss.item())
print(torch.rand(1))
"""
MOVES = "x, y = batch\nif use_cuda:\n    x, y = x.cuda(), y.cuda()"
NEEDS = "x, y = batch\nx, y = x.cuda(), y.cuda()"


def _converted(front: str, body: str, folder: pathlib.Path) -> str:
    """What a script becomes, which does the same on a GPU."""
    text = SCRIPT.format(front=front, body=body.replace("\n", "\n        "))
    result = convert_text(text)
    assert isinstance(result, Converted), result.diagnostics
    before, after = run(text, folder), run(result.after, folder)
    assert before["ended"] == "ended" and any(name.endswith("cuda:0") for name in before["done"])
    assert [found for found in differences(before, after) if not found.startswith("done")] == []
    return result.after


JOINED = {
    "a model": ("if use_cuda:\n    model = nn.Linear(2, 1).cuda()\nelse:\n    model = nn.Linear(2, 1)", MOVES),
    "with more": ("if use_cuda:\n    size = 1\n    model = nn.Linear(2, size).cuda()\nelse:\n    size = 1\n"
                  "    model = nn.Linear(2, size)", MOVES),
    "the opposite": ("if not use_cuda:\n    pass\nmodel = nn.Linear(2, 1)\nif use_cuda:\n    model.cuda()", MOVES),
    "CUDA is needed": ("model = nn.Linear(2, 1)\nif torch.cuda.is_available():\n    model = model.cuda()", NEEDS),
}  # fmt: skip


@pytest.mark.parametrize("name", JOINED)
def test_the_branches_are_one(name: str, tmp_path: pathlib.Path) -> None:
    text = _converted(*JOINED[name], tmp_path)
    assert ".cuda()" not in text and "else:" not in text and text.count("model = nn.Linear") == 1


APART = {
    "others make another": ("if use_cuda:\n    model = nn.Linear(2, 1, bias=False).cuda()\nelse:\n"
                            "    model = nn.Linear(2, 1)", MOVES),
    "weights are drawn": ("if use_cuda:\n    model = nn.Linear(2, 1).cuda()\n    model.apply(draw)\nelse:\n"
                          "    model = nn.Linear(2, 1)\n    model.apply(draw)", MOVES),
    "a comment": ("if use_cuda:\n    model = nn.Linear(2, 1).cuda()\nelse:\n"
                  "    model = nn.Linear(2, 1)  # slow, for tests", MOVES),
    "another condition": ("if len(loader) > 1:\n    model = nn.Linear(2, 1).cuda()\nelse:\n"
                          "    model = nn.Linear(2, 1)", MOVES),
    "behind it": ("if use_cuda:\n    model = nn.Linear(2, 1).cuda()\nelse:\n    model = nn.Linear(2, 1)\n"
                  "model.apply(draw)", MOVES),
}  # fmt: skip


@pytest.mark.parametrize("name", APART)
def test_the_branches_stay(name: str, tmp_path: pathlib.Path) -> None:
    text = _converted(*APART[name], tmp_path)
    assert ".cuda()" in text and "else:" in text


STEPS = {
    "in another shape": "x, y = batch\ny = torch.squeeze(torch.unsqueeze(y, 0), 0)\n"
                        "if use_cuda:\n    x, y = x.cuda(), y.cuda()",
    "tensors alone": "parts = [p.to(device).float() if torch.is_tensor(p) else p for p in batch]\nx, y = parts",
}  # fmt: skip


@pytest.mark.parametrize("name", STEPS)
def test_parts_that_are_moved_behind_a_change_of_shape(name: str, tmp_path: pathlib.Path) -> None:
    front = "device = torch.device('cuda' if use_cuda else 'cpu')\nmodel = nn.Linear(2, 1).to(device)"
    text = _converted(front, STEPS[name], tmp_path)
    assert "cuda" not in step_of(text) and ".to(" not in step_of(text) and "transfer_batch_to_device" not in text


KEPT = {
    "something is drawn": "x, y = batch\nx = torch.squeeze(x + torch.rand(1))\nx, y = x.cuda(), y.cuda()",
    "others are changed": "parts = [p.cuda() if torch.is_tensor(p) else p + 1 for p in batch]\nx, y = parts",
    "not moved": "x, y = [p.cuda() + 0 if torch.is_tensor(p) else p for p in [p * torch.rand(1) for p in batch]]",
}


@pytest.mark.parametrize("name", KEPT)
def test_parts_that_are_used_before(name: str, tmp_path: pathlib.Path) -> None:
    text = _converted("model = nn.Linear(2, 1)\nif use_cuda:\n    model.cuda()", KEPT[name], tmp_path)
    assert "transfer_batch_to_device" in text
