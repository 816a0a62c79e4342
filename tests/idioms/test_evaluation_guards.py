"""Evaluations that are called in a `no_grad` block: the block is taken apart around the call."""

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

torch.manual_seed(0)
points = torch.randn(26, 3)
data = TensorDataset(points, (points.sum(1) > 0).long())
loader, held_out = DataLoader(data, 4, shuffle=True), DataLoader(data, 8)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.drop = nn.Dropout(0.5)
        self.fc = nn.Linear(3, 2)
        self.scale = nn.Parameter(torch.ones(1))

    def forward(self, x):
        return self.fc(self.drop(x)) * self.scale
    {method}


def test(net, batches, part=None):
    total = 0
    kept = []
    {inside}
    for x, y in batches:
        total += F.cross_entropy(net(x), y)
        kept.append(net.scale)
    return total / len(batches), kept[0] if part is None else part


model = Net()
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
best = torch.tensor(10.0)
score = kept = None
for epoch in range(2):
    model.train()
    for x, y in loader:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
    {block}
        {before}
        {call}
        {behind}
    print(epoch, score, kept * 2, kept, best, model.training)
{after}
print(torch.rand(1).item())
"""
EMPTY = {
    "method": "", "inside": "pass", "block": "with torch.no_grad():", "before": "pass", "behind": "pass", "after": "",
    "call": "score, kept = test(model.eval(), held_out)",
}  # fmt: skip
OPENED = {
    "the model is switched in the call": {},
    "the function switches": {"inside": "net.eval()", "call": "score, kept = test(model, held_out)"},
    "it computes in front": {"before": "best = model.scale * 2"},
    "it computes behind": {"behind": "best = score * model.scale"},
    "it keeps the best": {"behind": "if score < best:\n            best = score"},
    "some epochs only": {"block": "if epoch % 2 == 0:\n     with torch.no_grad():"},
    "used behind the training too": {"after": "print(test(model, held_out))"},
    "comments": {"block": "# evaluate\n    with torch.no_grad():  # quietly", "behind": "best = score  # done"},
}
STAYS = {
    "the call is given what is computed": {"call": "score, kept = test(model.eval(), held_out or loader * 1)"},
    "the statement computes": {"call": "score = test(model.eval(), held_out)[0] * model.scale; kept = model.scale"},
    "more than one guard": {"block": "with torch.no_grad(), torch.random.fork_rng():"},
    "another context": {"block": "with torch.enable_grad():"},
    "a comment at the end": {"behind": "# done"},
    "a part of a parameter": {"call": "score, kept = test(model.eval(), held_out, model.fc.weight[0])"},
    "what is computed when it is asked for": {
        "method": "@property\n    def doubled(self):\n        return self.scale * 2",
        "call": "score, kept = test(model.eval(), held_out, model.doubled)",
    },
    "another train": {
        "method": "def train(self, mode=True):\n        print(torch.is_grad_enabled())\n"
        "        return super().train(mode)"
    },
    "another eval": {"method": "def eval(self):\n        print('eval')\n        return super().eval()"},
}


def converted(parts: dict[str, str], runner: Runner) -> str:
    text = SCRIPT.format(**{**EMPTY, **parts})
    result = convert_text(text)
    assert isinstance(result, Converted), result
    before = runner.run(text)
    assert before.status == 0, before.error
    assert first_difference(before, runner.run(result.after)) is None, result.after
    assert all(result.after.count(comment) == text.count(comment) for comment in ("# evaluate", "# quietly", "# done"))
    return result.after


@pytest.mark.parametrize("parts", OPENED.values(), ids=OPENED)
def test_the_block_is_taken_apart(parts: dict[str, str], runner: Runner) -> None:
    after = converted(parts, runner)
    assert "def validation_step(" in after and "test_0_" not in after


@pytest.mark.parametrize("parts", STAYS.values(), ids=STAYS)
def test_the_block_stays(parts: dict[str, str], runner: Runner) -> None:
    assert "def validation_step(" not in converted(parts, runner)


def test_blank_lines_of_the_block_are_not_below_its_header(runner: Runner) -> None:
    after = converted({"behind": "\n        best = score * model.scale"}, runner)
    assert "with torch.no_grad():\n            best = " in after
