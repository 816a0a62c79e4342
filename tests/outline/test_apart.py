"""A function around the batches that is not entered from the loop over the epochs: a note says why."""

from __future__ import annotations

import pytest

from refactorer import convert
from refactorer.result import Converted

SCRIPT = """
import torch

model = torch.nn.Linear(2, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

def train(epoch):
    for x in loader:
        optimizer.zero_grad()
        loss = model(x).square().mean()
        loss.backward()
        optimizer.step()

for epoch in range(3):
    train(epoch)
"""
_CALL = "    train(epoch)\n"


def _reasons(text: str) -> list[str]:
    result = convert(text)
    assert isinstance(result, Converted), result
    return [note.message for note in result.diagnostics if note.code == "N103"]


def test_a_function_that_is_entered_has_no_note() -> None:
    assert _reasons(SCRIPT) == []


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (_CALL, _CALL + "train(7)\n", "train() is called in several places"),
        (_CALL, "    if epoch:\n        train(epoch)\n", "the call of train() stands in a block"),
        ("    for x in loader:", "    if epoch:\n     for x in loader:", "the loop over the batches stands in a block"),
    ],
)
def test_the_reason(old: str, new: str, reason: str) -> None:
    (message,) = _reasons(SCRIPT.replace(old, new))
    assert message.startswith("the structure is plainer than usual: " + reason)


BETWEEN = SCRIPT.replace("\nfor epoch", "\ndef both(n):\n    train(n)\n    print(n)\n\nfor epoch").replace(
    _CALL, "    both(epoch)\n"
)


def test_a_function_between_the_loops_is_entered() -> None:
    assert _reasons(BETWEEN) == []
    assert _reasons(BETWEEN.replace("    train(n)\n    print(n)\n", "    return train(n)\n")) == []


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("    both(epoch)\n", "    both(epoch)\nboth(7)\n", "train() is called by both()"),
        ("    both(epoch)\n", "    if epoch:\n        both(epoch)\n", "train() is called by both()"),
        ("    train(n)\n", "    if n:\n        train(n)\n", "train() is called by both()"),
        ("    train(n)\n", "    if n:\n        return\n    train(n)\n", "`return` leaves both() before its end"),
        ("    train(n)\n    print(n)\n", "    return n or train(n)\n", "the call stands inside a larger expression"),
        ("    train(n)\n", "    kept.append(lambda: n)\n    train(n)\n", "a nested function may keep n"),
        ("def both(n):", "def both(n, seen=[]):", "the parameter seen of both() has no constant value here"),
    ],
)
def test_a_function_between_the_loops_that_is_not_entered(old: str, new: str, reason: str) -> None:
    (message,) = _reasons(BETWEEN.replace(old, new))
    assert message.startswith("the structure is plainer than usual: " + reason)


def test_a_function_that_no_epochs_call_has_none() -> None:
    assert _reasons(SCRIPT.replace(_CALL, "    print(epoch)\ntrain(0)\n")) == []
