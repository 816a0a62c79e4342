"""Evaluations in the `with` block of a progress bar: they are loops of the Trainer, and the bar is its own."""

from __future__ import annotations

import pytest

from refactorer.converter import convert_text
from refactorer.result import Converted
from tests.fixtures_harness import Runner, first_difference

SCRIPT = """
import torch
from torch import nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset
from {tqdm} import tqdm

torch.manual_seed(0)
points = torch.randn(26, 3)
data = TensorDataset(points, (points.sum(1) > 0).long())
loader, held_out = DataLoader(data, 4, shuffle=True), DataLoader(data, 8)
model = nn.Sequential(nn.Linear(3, 6), nn.Dropout(0.5), nn.Linear(6, 2))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)


def evaluate(model, batches):
    model.eval()
    right = count = 0
    with torch.no_grad():
        {opened}:
            for x, y in {over}:
                right += (model(x).argmax(1) == y).sum().item()
                count += len(y)
                {within}
            {behind_loop}
    {behind}
    return right / count


for epoch in range(2):
    model.train()
    for x, y in loader:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
    print(epoch, {call})
{after}
print(torch.rand(1).item())
"""
EMPTY = {
    "tqdm": "tqdm", "opened": "with tqdm(batches, ascii=True) as bar", "over": "bar", "within": "pass",
    "behind_loop": "pass", "behind": "pass", "call": "evaluate(model, held_out)", "after": "",
}  # fmt: skip
OPENED = {
    "a bar": {},
    "a bar that shows numbers": {"within": "bar.set_postfix({'right': right / count})"},
    "used behind the training too": {"after": "print(evaluate(model, held_out))"},
    "used for other batches too": {"after": "print(evaluate(model, loader))"},
    "lines behind the loop": {"behind_loop": "print('seen', count)"},
    "the loop is left early": {"within": "if count > 10:\n                    break"},
}
KEEPS_ITS_BAR = {
    "a bar with draws of its own": {"tqdm": "tqdm.auto"},
    "the bar is looked at": {"behind": "print(bar.n)"},
}
STAYS = {
    "it returns from inside": {"behind_loop": "return right"},
    "no progress bar": {"opened": "with open('log.txt', 'w') as bar", "over": "batches"},
    "the loop is over something else": {"over": "list(batches)"},
    "two at once": {"opened": "with tqdm(batches) as bar, open('log.txt', 'w') as log"},
}


def converted(parts: dict[str, str], runner: Runner) -> str:
    text = SCRIPT.format(**{**EMPTY, **parts})
    result = convert_text(text)
    assert isinstance(result, Converted), result
    before = runner.run(text)
    assert before.status == 0, before.error
    assert first_difference(before, runner.run(result.after)) is None, result.after
    return result.after


@pytest.mark.parametrize("parts", OPENED.values(), ids=OPENED)
def test_the_block_is_opened(parts: dict[str, str], runner: Runner) -> None:
    after = converted(parts, runner)
    assert "def validation_step(" in after and "enable_progress_bar=True" in after
    assert "bar = tqdm(" not in after and "bar.close()" not in after


@pytest.mark.parametrize("parts", KEEPS_ITS_BAR.values(), ids=KEEPS_ITS_BAR)
def test_the_block_is_opened_around_a_bar_of_the_script(parts: dict[str, str], runner: Runner) -> None:
    after = converted(parts, runner)
    assert "def validation_step(" in after and "enable_progress_bar" not in after
    made = after.split("    def val_dataloader(self):\n")[1].split("    def ")[0]
    assert "        self.bar = tqdm(held_out, ascii=True)\n" in made and "        return self.bar\n" in made


@pytest.mark.parametrize("parts", STAYS.values(), ids=STAYS)
def test_the_block_stays(parts: dict[str, str], runner: Runner) -> None:
    after = converted(parts, runner)
    text = SCRIPT.format(**{**EMPTY, **parts})
    assert "def validation_step(" not in after
    assert text[text.index("def evaluate") : text.index("for epoch")].strip() in after
