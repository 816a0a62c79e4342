"""Comments on the call of an evaluation stand in the result once."""

from __future__ import annotations

import pytest

from refactorer.converter import convert_text
from refactorer.result import Converted

SCRIPT = """
import torch
from torch import nn

model = nn.Linear(8, 3)
optimizer = torch.optim.Adam(model.parameters())


def evaluate(loader):
    model.eval()
    right = 0
    with torch.no_grad():
        for x, y in loader:
            right += (model(x).argmax(-1) == y).sum().item()
    return right


for epoch in range(2):
    model.train()
    for x, y in train_loader:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
    # look at it
    {call}  # at its end
"""


@pytest.mark.parametrize(
    "call", ["value = evaluate(val_loader)", "evaluate(val_loader)", "print(evaluate(val_loader))"]
)
def test_comments_on_the_call_stand_in_the_result_once(call: str) -> None:
    result = convert_text(SCRIPT.format(call=call.format("evaluate(val_loader)")))
    assert isinstance(result, Converted) and "def validation_step" in result.after
    assert result.after.count("# look at it") == result.after.count("# at its end") == 1
    assert "    # look at it\n    def validation_step" in result.after.replace("    # at its end\n", "")


@pytest.mark.parametrize(
    ("comment", "stays"),
    [
        ("# switch to evaluate mode", False),
        ("# Turn on evaluation mode which disables dropout.", False),
        ("# eval mode, but for the head", True),
        ("# what follows is about the held-out data", True),
    ],
)
def test_a_comment_on_a_switch_goes_with_it(comment: str, stays: bool) -> None:
    before = SCRIPT.replace("    model.eval()\n", f"    {comment}\n    model.eval()\n\n")
    result = convert_text(before.format(call="evaluate(val_loader)"))
    assert isinstance(result, Converted) and "def validation_step" in result.after
    assert "eval()" not in result.after and (comment in result.after) == stays
