"""Evaluations in the middle of an epoch: the step asks for them, or keeps them; either way it trains the same."""

from __future__ import annotations

import re
import textwrap

import pytest

from refactorer import convert
from refactorer.result import Converted
from tests.fixtures_harness import Runner, first_difference

HEAD = """
import random, torch
from torch import nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset
torch.manual_seed(3); random.seed(4)
x = torch.randn(39, 5); y = (x.sum(1) > 0).long()
train_loader = DataLoader(TensorDataset(x[:24], y[:24]), batch_size=6, shuffle=True)
val_loader = DataLoader(TensorDataset(x[24:], y[24:]), batch_size=5)
model = nn.Sequential(nn.Linear(5, 8), nn.ReLU(), nn.Dropout(0.3), nn.BatchNorm1d(8), nn.Linear(8, 2))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
best = -1.0
def evaluate(model, loader):
    model.eval()
    correct = total = 0
    with torch.no_grad():
        for a, b in loader:
            correct += (model(a).argmax(1) == b).sum().item()
            total += len(b)
    model.train()
    return correct / total
def evaluate_on(model, size):
    model.eval()
    print('making', torch.rand(1))
    loader = DataLoader(TensorDataset(x, y), size, shuffle=True)
    total = torch.rand(1).item()
    for a, b in loader:
        total += F.cross_entropy(model(a), b).item()
    model.train()
    return total
def bind(size):
    global made
    made = DataLoader(TensorDataset(x, y), size)
def evaluate_bound(model):
    model.eval()
    bind(4)
    total = 0
    for a, b in made:
        total += F.cross_entropy(model(a), b).item()
    model.train()
    return total
"""
LOOP = """
for epoch in range(2):
    print('begins', best)
    for i, (inputs, labels) in enumerate(train_loader):
{step}
print(model.training, torch.rand(1), random.random())
"""
BACKWARD = """
optimizer.zero_grad()
loss = F.cross_entropy(model(inputs), labels)
loss.backward()
"""
TRAIN = BACKWARD + "optimizer.step()\n"
EVALUATION = """
model.eval()
total = 0.0
with torch.no_grad():
    for inputs, labels in val_loader:
        total += F.cross_entropy(model(inputs), labels).item()
print(epoch, i, total / len(val_loader), loss.item())
model.train()
"""


def under(condition: str, body: str = EVALUATION) -> str:
    return f"{condition}:\n{textwrap.indent(body.strip(), '    ')}\n"


def sometimes(body: str = EVALUATION) -> str:
    return TRAIN + under("if i % 2 == 1", body)


ASKS = {
    "every few batches": sometimes(),
    "every batch": TRAIN + EVALUATION,
    "in front of the step": under("if i % 2 == 0", EVALUATION.replace(", loss.item()", "")) + TRAIN,
    "on another branch": TRAIN + under("if i % 3 == 0", "print(i)") + under("elif i % 2 == 1") + "else: print('-')\n",
    "behind the step, under its condition": BACKWARD + under("if i % 2 == 1", "optimizer.step()" + EVALUATION),
    "by chance": TRAIN + under("if random.random() < 0.5") + "print(torch.rand(1))\n",
    "in a function": sometimes("best = evaluate(model, val_loader)\nprint(best, loss.item())"),
    "in a function in every batch": TRAIN + "best = evaluate(model, val_loader)\n",
    "rebinds the loss": sometimes("""
model.eval()
with torch.no_grad():
    for inputs, labels in val_loader:
        loss = F.cross_entropy(model(inputs), labels)
model.train()
""") + "print(loss.item(), inputs.shape, labels.sum().item())\n",
    "counts with the same name": sometimes("""
model.eval()
with torch.no_grad():
    for i, (inputs, labels) in enumerate(val_loader):
        best = max(best, model(inputs).max().item())
model.train()
""") + "print(i, best)\n",
    "writes for some batches only": TRAIN + "seen = 'none'\n" + under("if i % 2 == 1", """
model.eval()
with torch.no_grad():
    for a, b in val_loader:
        guess = model(a).argmax(1)
        if b.sum() > 2:
            seen = guess.sum().item()
model.train()
""") + "print(seen)\n",
    "modes that are seen in between": sometimes(EVALUATION.replace("print(", "print(model(x[:6]).sum(), ")),
    "ends the epoch": sometimes(EVALUATION + "if total < 2.2:\n    break\n") + "print('on', i)\n",
    "leaves its loop": sometimes(EVALUATION.replace(".item()\n", ".item()\n        break\n", 1)),
    "a loader made for it": sometimes("val_loader = DataLoader(TensorDataset(x, y), 3 + i)" + EVALUATION),
    "a loader that a function binds": sometimes("bind(3 + i)\n" + EVALUATION.replace("val_loader", "made")),
    "a function makes its loader": TRAIN + under("if i % 2", "best = evaluate_on(model, 3 + i)\n") + "print(best)\n",
    "with gradients": sometimes("""
model.eval()
for a, b in val_loader:
    last = F.cross_entropy(model(a), b)
model.train()
print(last)
"""),
}  # fmt: skip
SPLIT = "it stands between the backward pass and the step of an optimizer"
KEEPS = {
    "between backward and step": (BACKWARD + under("if i % 2 == 1") + "optimizer.step()", SPLIT),
    "in front of a step under the same condition": (
        BACKWARD + under("if i % 2 == 1", EVALUATION.replace(", loss.item()", "") + "optimizer.step()"),
        SPLIT,
    ),
    "a loader that its function has bound": (
        TRAIN + under("if i % 2 == 1", "print(evaluate_bound(model))\n"),
        "its loader is made right in front of it",
    ),
    "looks at gradients": (sometimes(EVALUATION + "print(model[0].weight.grad.sum())"), SPLIT),
    "gradients in it": (
        sometimes(EVALUATION.replace("total +=", "seen = model[0].weight.grad\n        total +=")),
        "it works with gradients",
    ),
    "in a larger expression": (TRAIN + under("if evaluate(model, val_loader) > 2", "break"), None),
}


def script(step: str) -> str:
    return HEAD + LOOP.format(step=textwrap.indent(step.strip(), " " * 8))


@pytest.mark.parametrize("name", ASKS)
def test_the_step_asks(name: str, runner: Runner) -> None:
    text = script(ASKS[name])
    result = convert(text)
    assert isinstance(result, Converted)
    assert "self.validate()" in result.after and "self.automatic_validation = False" in result.after
    assert not [note for note in result.diagnostics if note.code == "N102"]
    before = runner.run(text)
    assert before.status == 0, before.error
    assert first_difference(before, runner.run(result.after)) is None


@pytest.mark.parametrize("name", KEEPS)
def test_the_step_keeps(name: str, runner: Runner) -> None:
    step, reason = KEEPS[name]
    result = convert(script(step))
    assert isinstance(result, Converted)
    assert "self.validate()" not in result.after
    assert reason is None or [note.message for note in result.diagnostics if note.code == "N102"] == [
        f"the evaluation stays in training_step: {reason}"
    ]
    before = runner.run(script(step))
    assert before.status == 0, before.error
    assert first_difference(before, runner.run(result.after)) is None


CHOSEN = """
class Decay:
    def __init__(self, optimizer, every=2):
        self.optimizer, self.every, self.count = optimizer, every, 0
    def step(self):
        self.count += 1
        if self.count % self.every == 0:
            self.optimizer.param_groups[0]['lr'] *= 0.5
            print('lr', self.optimizer.param_groups[0]['lr'])
if len(val_loader) > 2:
    scheduler = Decay(optimizer)
else:
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 3, 0.5)
"""


def with_scheduler(made: str) -> str:
    return script(sometimes() + "scheduler.step()\n").replace("for epoch in", made.strip() + "\nfor epoch in", 1)


def test_a_scheduler_that_a_setting_chooses_steps_behind_it(runner: Runner) -> None:
    text = with_scheduler(CHOSEN)
    result = convert(text)
    assert isinstance(result, Converted) and "self.validate()" in result.after
    before = runner.run(text)
    assert before.status == 0, before.error
    assert first_difference(before, runner.run(result.after)) is None


def test_what_may_be_another_optimizer_steps_behind_it(runner: Runner) -> None:
    text = with_scheduler(CHOSEN.replace("Decay(optimizer)", "Decay(*[optimizer])"))
    result = convert(text)
    assert isinstance(result, Converted) and "self.validate()" not in result.after
    assert [note.message for note in result.diagnostics if SPLIT in note.message]
    assert first_difference(runner.run(text), runner.run(result.after)) is None


def test_the_modes_are_the_trainers_where_nobody_can_tell() -> None:
    text = script(sometimes()).replace("model.training", "epoch")
    result = convert(re.sub(r"def evaluate.*?total\n", "", text, flags=re.DOTALL))
    assert isinstance(result, Converted)
    assert ".eval()" not in result.after.split("class LitModel")[1] and "automatic_modes" not in result.after


def test_lightnings_own_trainer_is_not_asked() -> None:
    result = convert(script(sometimes()), target="lightning")
    assert "self.validate()" not in getattr(result, "after", "")


def test_statements_on_one_line_are_taken_apart() -> None:
    step = """
optimizer.zero_grad(); loss = F.cross_entropy(model(inputs), labels)  # forward
loss.backward(); optimizer.step()
"""
    result = convert(script(step))
    assert isinstance(result, Converted)
    assert "        return F.cross_entropy(self.model(inputs), labels)  # forward\n" in result.after
