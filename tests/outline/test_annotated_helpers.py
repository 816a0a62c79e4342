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


ENTERED = """
import random
import torch
from torch import nn

net = nn.Linear(3, 1)
opt = torch.optim.SGD(net.parameters(), lr=0.1)
data = [torch.randn(4, 3)]

def train(data, extra: int = 0):
    for x in data:
        opt.zero_grad()
        net(x).square().mean().backward()
        opt.step()

for epoch in range(2):
    train(data, 1)
"""


@pytest.mark.parametrize("header", ["extra=random.random()", "extra: print('defined') = 0", "extra=make()"])
def test_a_definition_that_runs_code_stays(header: str) -> None:
    text = ENTERED.replace("extra: int = 0", header)
    result = convert(text)
    assert isinstance(result, Converted)
    assert f"def train(data, {header}):" in result.after
    assert "the definition of train() runs code in its header" in result.diagnostics[0].message


@pytest.mark.parametrize(
    "header",
    ["extra=nn.CrossEntropyLoss()", "extra=torch.device('cpu')", "extra: list[int] = 0", "extra=lambda: make()"],
)
def test_a_definition_that_nobody_sees_run_is_entered(header: str) -> None:
    result = convert(ENTERED.replace("extra: int = 0", header))
    assert isinstance(result, Converted)
    assert "def train(" not in result.after


def test_annotations_that_are_never_evaluated_run_no_code() -> None:
    text = ENTERED.replace("extra: int = 0", "extra: print('defined') = 0")
    result = convert("from __future__ import annotations\n" + text)
    assert isinstance(result, Converted)
    assert "def train(" not in result.after
