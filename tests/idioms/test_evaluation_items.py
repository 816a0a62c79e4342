"""Loaders that are items of a collection: the Trainer asks for them, where they are surely still the same."""

from __future__ import annotations

import textwrap

import pytest

from refactorer.converter import convert_text
from refactorer.result import Converted

SCRIPT = """
import torch
from torch import nn, optim
from torch.utils.data import DataLoader, TensorDataset
data = TensorDataset(torch.ones(4, 2), torch.ones(4, 1))
loaders = {{'train': DataLoader(data), 'val': DataLoader(data)}}
model = nn.Sequential(nn.Linear(2, 1), nn.Dropout(0.5))
optimizer = optim.SGD(model.parameters(), lr=0.1)
for epoch in range(2):
    model.train()
    for x, y in loaders['train']:
        optimizer.zero_grad()
        loss = (model(x) - y).pow(2).mean()
        loss.backward()
        optimizer.step()
{between}
    model.eval()
    total = 0
    with torch.no_grad():
        for x, y in loaders['val']:
            total += (model(x) - y).abs().sum().item()
    print(total)
"""


def converted(between: str = "") -> str:
    result = convert_text(SCRIPT.format(between=textwrap.indent(between, "    ")))
    assert isinstance(result, Converted), result.diagnostics
    return result.after


def test_an_item_is_the_data_of_the_validation() -> None:
    after = converted()
    assert "def validation_step(" in after and "return loaders['val']" in after


@pytest.mark.parametrize(
    "between",
    [
        "loaders['val'] = DataLoader(data, batch_size=2)",
        "del loaders['val']\nloaders = {'val': DataLoader(data)}",
        "loaders.update(val=DataLoader(data, batch_size=2))",
        "print(len(loaders))",
    ],
)
def test_an_item_that_may_be_another_one_stays(between: str) -> None:
    assert "def validation_step(" not in converted(between)
