"""Evaluations over a progress bar that takes the name of their loader, or that only the script can draw."""

from __future__ import annotations

import textwrap

import pytest

from refactorer.converter import convert_text
from refactorer.result import Converted
from tests.fixtures_harness import Runner, first_difference

SCRIPT = """
import torch
from torch import nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset
from tqdm import tqdm

torch.manual_seed(0)
points = torch.randn(26, 3)
data = TensorDataset(points, (points.sum(1) > 0).long())
loader, held_out = DataLoader(data, 4, shuffle=True), DataLoader(data, 8, shuffle=True)
loaders = {{'held out': held_out}}
model = nn.Sequential(nn.Linear(3, 6), nn.Dropout(0.5), nn.Linear(6, 2))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)


def evaluate(model, batches):
    model.eval()
    right = 0
{front}
    with torch.no_grad():
        for i, (x, y) in enumerate(batches):
            right += (model(x).argmax(1) == y).sum().item()
            {within}
    {behind}
    return right


for epoch in range(3):
    model.train()
    for x, y in {batches}:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
    {before}
    print(epoch, {call})
print(torch.rand(1).item(), model.training)
"""
PARTS = {
    "front": "batches = tqdm(batches)", "within": "pass", "behind": "pass", "batches": "loader", "before": "pass",
    "call": "evaluate(model, held_out)",
}  # fmt: skip
TRAINERS = {
    "a bar": {},
    "a bar around the batches too": {"batches": "tqdm(loader)"},
    "a text that changes": {
        "front": "batches = tqdm(batches, desc='test')",
        "within": "batches.desc = f'{i}: {right}'",
    },
    "its length": {"within": "print(len(batches))", "behind": "right /= len(batches)"},
    "a look at the loader in front": {"front": "first = next(iter(batches))\nbatches = tqdm(batches)"},
    "the time in front of the loop": {"front": "import time\nbatches = tqdm(batches)\nend = time.time()"},
    "left early": {"within": "if i == 1: break"},
}
SCRIPTS = {
    "under a condition": {
        "front": "if epoch != 1:\n    batches = tqdm(batches, disable=epoch > 7)",
        "within": "if epoch != 1: batches.set_description(str(right))",
        "behind": "if epoch != 1: batches.close()",
    },
    "its count": {"behind": "print(batches.n)"},
    "another loader in front of it": {"front": "batches = DataLoader(batches.dataset, 5)\nbatches = tqdm(batches)"},
    "an item": {"call": "evaluate(model, loaders['held out'])"},
    "a list": {"call": "evaluate(model, [(points[:4], torch.zeros(4))])"},
    "a loader that is made for it": {
        "before": "late = DataLoader(data, 3 + epoch, shuffle=True)",
        "call": "evaluate(model, late)",
    },
    "a loader that is another one now and then": {"before": "if epoch == 1: held_out = loader"},
}


def converted(parts: dict[str, str], runner: Runner) -> str:
    chosen = {**PARTS, **parts}
    text = SCRIPT.format(**{**chosen, "front": textwrap.indent(chosen["front"], "    ")})
    result = convert_text(text)
    assert isinstance(result, Converted), result
    before = runner.run(text)
    assert before.status == 0, before.error
    assert first_difference(before, runner.run(result.after)) is None, result.after
    return result.after


@pytest.mark.parametrize("parts", TRAINERS.values(), ids=TRAINERS)
def test_the_trainer_draws_it(parts: dict[str, str], runner: Runner) -> None:
    after = converted(parts, runner)
    assert "def validation_step(" in after and "enable_progress_bar=True" in after
    assert "tqdm(" not in after and "self.validate()" not in after


@pytest.mark.parametrize("parts", SCRIPTS.values(), ids=SCRIPTS)
def test_the_script_draws_it(parts: dict[str, str], runner: Runner) -> None:
    after = converted(parts, runner)
    assert "def val_dataloader(" in after and "self.validate()" in after
    assert "tqdm(" in after and "enable_progress_bar" not in after


@pytest.mark.parametrize("name", ["under a condition", "its count", "another loader in front of it"])
def test_the_trainer_draws_none_beside_it(name: str, runner: Runner) -> None:
    after = converted({**SCRIPTS[name], "batches": "tqdm(loader)"}, runner)
    assert "def validation_step(" not in after and "enable_progress_bar=True" in after
