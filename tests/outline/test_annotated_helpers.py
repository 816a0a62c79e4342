"""Helpers with annotations become methods of the module where the annotations mean the same in a class."""

from __future__ import annotations

import pytest

from refactorer import convert
from refactorer.result import Converted, Refused

SCRIPT = """
import torch
import torch.nn as nn
from typing import Optional

class Net(nn.Linear):
    pass

def run(model: nn.Module, data, opt):
    def update(x: torch.Tensor, net: Optional[nn.Module], scale: float = 1.0) -> float:
        loss = net(x).square().mean() * scale
        opt.zero_grad()
        loss.backward()
        opt.step()
        print(i)
        return loss.item()
    for i, x in enumerate(data):
        if i < 2:
            update(x, model)
        else:
            update(x, model, 0.5)

model = Net(3, 1)
run(model, [torch.randn(4, 3)], torch.optim.SGD(model.parameters(), lr=0.1))
"""


def test_annotations_of_imported_names_move_with_the_function() -> None:
    result = convert(SCRIPT)
    assert isinstance(result, Converted)
    header = "    def update(self, x: torch.Tensor, net: Optional[nn.Module], scale: float = 1.0) -> float:\n"
    assert header in result.after


@pytest.mark.parametrize("annotation", ["Net", "type(model)", "model.kind", "lambda: 1", "Late"])
def test_others_are_evaluated_where_they_stand(annotation: str) -> None:
    text = SCRIPT.replace("x: torch.Tensor", f"x: {annotation}") + "from typing import Any as Late\n"
    result = convert(text)
    assert isinstance(result, Refused)
    assert result.diagnostics[0].message == "a nested function shares i with the loop"
