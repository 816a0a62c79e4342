"""Whole numbers are added up where an epoch that counts from 1 becomes `self.current_epoch + 1`."""

from __future__ import annotations

import pytest

from refactorer import convert
from refactorer.result import Converted

TRAINING = """import torch
model, loader, config = torch.nn.Linear(2, 1), [], {{"epochs": 3, "counts": [3]}}
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for epoch in range({epochs}):
    for x, y in loader:
        optimizer.zero_grad()
        (model(x) - y).square().mean().backward()
        optimizer.step()
    print({shown})
"""


def converted(epochs: str, shown: str) -> str:
    result = convert(TRAINING.format(epochs=epochs, shown=shown))
    assert isinstance(result, Converted), result
    return result.after


@pytest.mark.parametrize(
    ("shown", "written"),
    [
        ("epoch - 1", "self.current_epoch"),
        ("epoch+1", "self.current_epoch+2"),
        ("epoch - 3", "self.current_epoch - 2"),
        ("(epoch - 1) * 2", "self.current_epoch * 2"),
        ("(epoch + 1) * 2", "(self.current_epoch + 2) * 2"),
        ("epoch - 1 + model.out_features", "self.current_epoch + model.out_features"),
        ("f'{epoch - 1:03d}'", "f'{self.current_epoch:03d}'"),
        ("'x' if(epoch - 1)else'y'", "'x' if(self.current_epoch)else'y'"),
        ("0 or(epoch - 1)", "0 or(self.current_epoch)"),
        ("not(epoch-1)", "not(self.current_epoch)"),
        ("'%d' % (epoch)", "'%d' % (self.current_epoch + 1)"),
        # these stay as they are
        ("2 - epoch - 1", "2 - (self.current_epoch + 1) - 1"),
        ("epoch - 1.0", "self.current_epoch + 1 - 1.0"),
        ("epoch - True", "self.current_epoch + 1 - True"),
        ("epoch * 2", "(self.current_epoch + 1) * 2"),
        ("-epoch - 1", "-(self.current_epoch + 1) - 1"),
        ("2 ** epoch - 1", "2 ** (self.current_epoch + 1) - 1"),
    ],
)
def test_sums_with_the_epoch(shown: str, written: str) -> None:
    text = converted("1, 4", shown).replace("self.model", "model")
    assert f"        self.print({written})\n" in text


@pytest.mark.parametrize(
    ("epochs", "argument"),
    [
        ('config["epochs"]', 'max_epochs=config["epochs"]'),
        ('1, config["epochs"] + 1', 'max_epochs=config["epochs"]'),
        ('config["counts"][0]', 'epochs=range(config["counts"][0])'),
        ("len(config)", "epochs=range(len(config))"),
        ('config["epochs"] + 1', 'epochs=range(config["epochs"] + 1)'),
    ],
)
def test_the_number_of_epochs_may_be_a_setting(epochs: str, argument: str) -> None:
    assert f"Trainer({argument})" in converted(epochs, "epoch")
