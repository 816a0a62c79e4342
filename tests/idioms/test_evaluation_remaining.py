"""Evaluations that stay beside one that the Trainer runs: the reader learns where the script evaluates once more."""

from __future__ import annotations

import pytest

from refactorer.converter import convert_text
from refactorer.result import Converted

SCRIPT = """
import sys
import torch
from torch import nn, optim
from data import loader, val_loader, test_loader

def evaluate(model, batches):
    model.eval()
    total = 0
    with torch.no_grad():
        for x, y in batches:
            total += (model(x) - y).pow(2).sum().item()
    return total

def bench(model, batches):
    model.eval()
    with torch.no_grad():
        for x, _ in batches:
            print(model(x))

def main():
    model = nn.Linear(2, 1)
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    FRONT
    for epoch in range(2):
        model.train()
        for x, y in loader:
            optimizer.zero_grad()
            loss = (model(x) - y).pow(2).mean()
            loss.backward()
            optimizer.step()
        total = evaluate(model, val_loader)
        print(total)
        MORE
    BEHIND
    return model

REST
main()
"""
PLACES = ("FRONT", "MORE", "BEHIND", "REST")
EXIT = "if len(sys.argv) > 1:\n        print(evaluate(model, val_loader))\n        return"
NAMED = {
    "in front, and out": ({"FRONT": EXIT}, 11, "evaluate() is called in front of the training"),
    "in front": ({"FRONT": "bench(model, test_loader)"}, 18, "bench() is called in front of the training"),
    "again in the epoch": (
        {"MORE": "total = evaluate(model, test_loader)\n        print(total)"}, 11,
        "the Trainer runs another one of each epoch",
    ),
    "again behind the training": (
        {"BEHIND": "total = evaluate(model, test_loader)\n    print(total)\n    bench(model, test_loader)"}, 18,
        "the Trainer runs another one behind the training",
    ),
    "by another function": (
        {"REST": "def last(model):\n    print(evaluate(model, test_loader))\n\nlast(nn.Linear(2, 1))"}, 11,
        "evaluate() is called outside the code that trains",
    ),
}  # fmt: skip
SILENT = {
    "nothing calls it": {},
    "no model": {"FRONT": "print(sum(x.sum().item() for x, _ in test_loader))"},
    "a test": {"BEHIND": "print('last')\n    total = evaluate(model, test_loader)\n    print(total)"},
}


@pytest.mark.parametrize("name", NAMED)
def test_the_place_is_named(name: str) -> None:
    lines, line, reason = NAMED[name]
    assert _notes(lines) == [(line, f"the evaluation stays where it is: {reason}")]


@pytest.mark.parametrize("name", SILENT)
def test_nothing_is_said(name: str) -> None:
    assert _notes(SILENT[name]) == []


def _notes(lines: dict[str, str]) -> list[tuple[int, str]]:
    text = SCRIPT
    for place in PLACES:
        text = text.replace(place, lines.get(place, "pass" if place != "REST" else ""))
    result = convert_text(text)
    assert isinstance(result, Converted) and "def validation_step(" in result.after
    return [(note.line, note.message) for note in result.diagnostics if note.code == "N102"]
