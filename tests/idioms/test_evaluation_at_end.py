"""Evaluations at the end of an epoch that not every epoch runs, or whose loader is made for them: they do the same."""

from __future__ import annotations

import textwrap

import pytest

from refactorer import convert
from refactorer.result import Converted
from tests.fixtures_harness import Runner, first_difference

HEAD = """
import random, torch
from torch import nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, Subset, TensorDataset
torch.manual_seed(3); random.seed(4)
x = torch.randn(39, 5); y = (x.sum(1) > 0).long()
train_set, val_set = TensorDataset(x[:24], y[:24]), TensorDataset(x[24:], y[24:])
train_loader = DataLoader(train_set, batch_size=6, shuffle=True)
val_loader = DataLoader(val_set, batch_size=5, shuffle=True)
model = nn.Sequential(nn.Linear(5, 8), nn.ReLU(), nn.Dropout(0.3), nn.BatchNorm1d(8), nn.Linear(8, 2))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 1, 0.5)
best, total, last = -1.0, 0.5, None
def evaluate(model, loader, name='val'):
    model.eval()
    correct = total = 0
    with torch.no_grad():
        for a, b in loader:
            correct += (model(a).argmax(1) == b).sum().item()
            total += len(b)
        return correct / total
def subset(data, size):
    print('making', torch.rand(1).item())
    return DataLoader(Subset(data, torch.randperm(len(data))[:size].tolist()), batch_size=4, shuffle=True)
def evaluate_on(model, data, size=9):
    model.eval()
    losses = []
    loader = subset(data, size)
    for a, b in loader:
        with torch.no_grad():
            losses.append(F.cross_entropy(model(a), b).item())
    return sum(losses) / len(loader)
"""
LOOP = """
try:
    for epoch in range(4):
        print('begins', best, total)
        model.train()
        for inputs, labels in train_loader:
            optimizer.zero_grad()
            loss = F.cross_entropy(model(inputs), labels)
            loss.backward()
            optimizer.step()
{end}
except ZeroDivisionError as error:
    print('caught', error, epoch, best, total, last)
{behind}
"""
BEHIND = "print(epoch, best, total, last, loss.item(), torch.rand(1), random.random())"
INLINE = """
model.eval()
total = 0.0
with torch.no_grad():
    for inputs, labels in val_loader:
        total += F.cross_entropy(model(inputs), labels).item()
print(epoch, total / len(val_loader), loss.item())
"""


def under(condition: str, body: str = INLINE) -> str:
    return f"{condition}:\n{textwrap.indent(body.strip(), '    ')}\n"


CALL = "best = max(best, evaluate(model, val_loader))\n"
PLAIN_CALL = "best = evaluate(model, val_loader)\nprint('at', epoch, best)\n"
MADE = "best = evaluate_on(model, val_set)\nprint('at', epoch, best)\n"
ASKS = {
    "every other epoch": under("if epoch % 2 == 1"),
    "in a function": under("if epoch % 2 == 0", PLAIN_CALL) + "print('on', best)\n",
    "by chance": under("if random.random() < 0.5") + "print(torch.rand(1))\n",
    "on another branch": under("if epoch == 0", "print('none')") + under("elif epoch % 2 == 1") + "else: print('-')\n",
    "in a branch of a branch": under("if epoch", "print('in')\n" + under("if epoch > 1") + "print('out')"),
    "behind a continue": under("if epoch % 2 == 0", "continue") + INLINE + "print('end')\n",
    "in front of a break": under("if epoch % 2 == 1", INLINE + under("if total < 9", "break")) + "print('end')\n",
    "twice, with another loader": under("if epoch > 1", PLAIN_CALL + "last = evaluate(model, train_loader, 'train')"),
    "rebinds the loss": under("if epoch % 2 == 1", """
model.eval()
with torch.no_grad():
    for inputs, labels in val_loader:
        loss = F.cross_entropy(model(inputs), labels)
""") + "print(loss.item(), inputs.shape, labels.sum().item())\n",
    "writes for some batches only": "seen = 'none'\n" + under("if epoch % 2 == 1", """
model.eval()
with torch.no_grad():
    for a, b in val_loader:
        if b.sum() > 1:
            seen = model(a).argmax(1).sum().item()
""") + "last = seen\n",
    "modes that are seen": under("if epoch % 2 == 1") + "print(model.training, model(x[:6]).sum())\n",
    "the rate of a scheduler": "scheduler.step()\n" + under("if epoch % 2", INLINE + "print(scheduler.get_last_lr())"),
    "a scheduler behind it": under("if epoch % 2", INLINE + "print(scheduler.get_last_lr())") + "scheduler.step()\n",
    "fails": under("if epoch", INLINE.replace("total +=", "last = 1 // (len(labels) - 5)\n        total +=")),
    "leaves its loop": under("if epoch % 2 == 1", INLINE.replace(".item()\n", ".item()\n        break\n", 1)),
    "with gradients": under("if epoch % 2 == 1", """
model.eval()
for a, b in val_loader:
    last = F.cross_entropy(model(a), b)
print(last)
"""),
    "looks at gradients": under("if epoch % 2 == 1", INLINE + "print(model[0].weight.grad.sum())"),
    "in a larger expression": under("if epoch > 1", "best = evaluate(model, val_loader).__add__(epoch) * 2"),
    "in front of other code": "print('first', torch.rand(1))\nif epoch % 2 == 1:\n    print('then')\n"
    + textwrap.indent(INLINE, "    ")
    + "total -= 1\n",
    "a loader made for it": MADE,
    "a loader made for it now and then": under("if epoch % 2 == 1", "print('in')\n" + MADE) + "print('on')\n",
    "a loader made in every epoch": "fresh = subset(val_set, 5 + epoch)\n" + INLINE.replace("val_loader", "fresh"),
    "a loader bound anew": under("if epoch % 2", "val_loader = subset(val_set, 5 + epoch)" + INLINE),
    "its size is the epoch's": "best = evaluate_on(model, val_set, 3 + epoch)\nprint(best)\n",
    "its result is left": "evaluate_on(model, val_set)\n",
    "an item of a dictionary": "best = evaluate(model, {'a': val_loader}['a'])\nprint(best)\n",
    "code between": MADE + "print(torch.rand(1))\nlast = evaluate_on(model, train_set)\n",
}  # fmt: skip


def script(end: str, behind: str = BEHIND) -> str:
    return HEAD + LOOP.format(end=textwrap.indent(end.strip(), " " * 8), behind=behind)


def check(text: str, runner: Runner) -> Converted:
    result = convert(text)
    assert isinstance(result, Converted), result.diagnostics
    before = runner.run(text)
    assert before.status == 0, before.error
    assert first_difference(before, runner.run(result.after)) is None
    return result


@pytest.mark.parametrize("name", ASKS)
def test_the_end_of_the_epoch_asks(name: str, runner: Runner) -> None:
    result = check(script(ASKS[name]), runner)
    assert "self.validate()" in result.after and "self.automatic_validation = False" in result.after
    assert not [note.message for note in result.diagnostics if note.code == "N102"]
