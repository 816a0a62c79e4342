"""Functions that evaluate and return more where their call says so: each call's copy has one `return`."""

from __future__ import annotations

import pytest

from refactorer import convert
from refactorer.result import Converted
from tests.fixtures_harness import Runner, first_difference

SCRIPT = """\
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
x = torch.randn(50, 6)
y = (x.sum(1) > 0).long()
train_loader = DataLoader(TensorDataset(x[:32], y[:32]), batch_size=8, shuffle=True)
val_loader = DataLoader(TensorDataset(x[32:], y[32:]), batch_size=5)
model = nn.Sequential(nn.Linear(6, 8), nn.Dropout(0.4), nn.Linear(8, 2))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)


def evaluate(model, loader, test=False):
    model.eval()
    right, wrong = 0, []
    with torch.no_grad():
        for a, b in loader:
            found = model(a).argmax(1)
            right += (found == b).sum().item()
            wrong.append((found != b).sum().item())
    print("draws", torch.rand(1))
    if test:
        print("draws again", torch.rand(1))
        return right / len(loader.dataset), sum(wrong)
    return right / len(loader.dataset)


for epoch in range(3):
    model.train()
    for a, b in train_loader:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(a), b)
        loss.backward()
        optimizer.step()
    accuracy = evaluate(model, val_loader)
    print(epoch, loss.item(), accuracy)
print(evaluate(model, val_loader, test=True))
print(torch.rand(1))
"""
SHOW = "    def show():\n        print(test)\n\n    show()\n"
LEFT = "            if test:\n                return 7\n            if len(b) > 9:\n                return 0\n"
LOOP = "        for a, b in loader:\n"
IN_EPOCH = "    accuracy = evaluate(model, val_loader)\n"


def but(*changes: tuple[str, str]) -> str:
    text = SCRIPT
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return text


MOVED = {
    "a default": SCRIPT,
    "a keyword": but((IN_EPOCH, "    accuracy = evaluate(loader=val_loader, model=model, test=False)\n")),
    "the other way": but(
        ("    if test:", "    if not test:"), ("test=False", "test=True"), ("test=True))", "test=False))")
    ),
    "a word": but(("test=False", 'kind="val"'), ("    if test:", '    if kind == "test":'), ("test=True", '"test"')),
    "shown too": but(('print("draws", ', 'print("draws", test, f"{test}", ')),
    "more of it": but(("test=False", "test=False, name=None"), ("    if test:", "    if test and name is None:")),
    "three of them": but(
        ("    if test:", "    if test is None:\n        return 0\n    if test:"),
        ("print(evaluate(", "print(evaluate(model, val_loader, None))\nprint(evaluate("),
    ),
    "in a function of its own": but(
        ("    if test:", "    def show():\n        print(test)\n\n    show()\n    if test:")
    ),
}
KEPT = {
    "not known": but((IN_EPOCH, IN_EPOCH.replace("loader)", "loader, epoch > 5)"))),
    "known by name": but((IN_EPOCH, "    flag = epoch > 5\n" + IN_EPOCH.replace("loader)", "loader, flag)"))),
    "bound anew": but((LOOP, f"        test = len(loader) > 9\n{LOOP}")),
    "another condition": but(("    if test:", "    if right > 99:")),
    "both": but(("    if test:", "    if test or right > 99:")),
    "in the loop": but(
        (LOOP, f"{LOOP}            if test:\n                return 7\n            if len(b) > 9: return 0\n")
    ),
}


@pytest.mark.parametrize("name", [*MOVED, *KEPT])
def test_it_trains_the_same(name: str, runner: Runner) -> None:
    text = {**MOVED, **KEPT}[name]
    result = convert(text)
    assert isinstance(result, Converted), result.diagnostics
    assert ("def validation_step" in result.after) == (name in MOVED), result.after
    before = runner.run(text)
    assert before.status == 0, before.error
    assert first_difference(before, runner.run(result.after)) is None
