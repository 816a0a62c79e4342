"""A small training with room for what a script does to its batches, and in front of the loop."""

from __future__ import annotations

import textwrap

from refactorer.converter import convert_text
from refactorer.result import Converted
from tests.fixtures_harness import Runner, first_difference

SCRIPT = """
import argparse
import torch
from torch import nn
from torch.autograd import Variable
from torch.utils.data import DataLoader, TensorDataset
torch.manual_seed(0)
loader = {loader}
model = nn.Linear(2, 1)
criterion = nn.MSELoss()
{front}
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for epoch in range(2):
    for {target} in loader:
{body}
        optimizer.zero_grad()
        loss = criterion(model(x), y)
        loss.backward()
        optimizer.step()
        print(loss.item())
"""
DATALOADER = "DataLoader(TensorDataset(torch.randn(8, 2), torch.randn(8, 1)), batch_size=4)"
A_LIST = "[(torch.ones(2, 2), torch.ones(2, 1)), (torch.zeros(2, 2), torch.ones(2, 1))]"


def script(body: str, front: str = "", target: str = "x, y", loader: str = DATALOADER) -> str:
    """The script with some lines at the top of its step and in front of its optimizer."""
    lines = textwrap.indent(textwrap.dedent(body).strip(), " " * 8)
    return SCRIPT.format(body=lines, front=textwrap.dedent(front).strip(), target=target, loader=loader)


def converted(text: str) -> tuple[str, list[str]]:
    """What a script becomes, and the codes of the notes on it."""
    result = convert_text(text)
    assert isinstance(result, Converted), result.diagnostics
    return result.after, [diagnostic.code for diagnostic in result.diagnostics]


def checked(before: str, runner: Runner) -> tuple[str, list[str]]:
    """What a script becomes, which trains the same, and the codes of the notes on it."""
    text, notes = converted(before)
    assert first_difference(runner.run(before), runner.run(text)) is None
    return text, notes


def step_of(after: str) -> str:
    """The text of `training_step`."""
    return after.split("    def training_step", 1)[1].split("    def ", 1)[0].split("\n\n\n", 1)[0]
