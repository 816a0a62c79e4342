"""Evaluations at the end of an epoch that not every epoch runs, or whose loader is made for them: they do the same."""

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
from torch.utils.data import DataLoader, Subset, TensorDataset
from tqdm import tqdm
torch.manual_seed(3); random.seed(4)
x = torch.randn(39, 5); y = (x.sum(1) > 0).long()
train_set, val_set = TensorDataset(x[:24], y[:24]), TensorDataset(x[24:], y[24:])
train_loader = DataLoader(train_set, batch_size=6, shuffle=True)
val_loader = DataLoader(val_set, batch_size=5, shuffle=True)
model = nn.Sequential(nn.Linear(5, 8), nn.ReLU(), nn.Dropout(0.3), nn.BatchNorm1d(8), nn.Linear(8, 2))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 1, 0.5)
best, total, last = -1.0, 0.5, None
shift, found = 0, 'nothing'
def evaluate(model, loader, name='val'):
    model.eval()
    correct = total = 0
    with torch.no_grad():
        for a, b in loader:
            correct += (model(a).argmax(1) == b).sum().item()
            total += len(b)
        return correct / total
def subset(data, size):
    print('making', shift, torch.rand(1).item())
    return DataLoader(Subset(data, torch.randperm(len(data))[:size].tolist()), batch_size=4, shuffle=True)
def evaluate_on(model, data, size=9):
    model.eval()
    losses = []
    loader = subset(data, size)
    for a, b in loader:
        with torch.no_grad():
            losses.append(F.cross_entropy(model(a), b).item())
    return sum(losses) / len(loader)
def evaluate_some(model, loader):
    model.eval()
    if loader is None:
        return 0.0
    total = 0
    with torch.no_grad():
        for a, b in loader:
            total += F.cross_entropy(model(a), b).item()
    return total
def evaluate_spread(model, loader, many=True):
    if many and not isinstance(model, nn.DataParallel):
        model = nn.DataParallel(model)
    model.eval()
    with torch.no_grad():
        losses = [F.cross_entropy(model(x), y).item()]
        for a, b in loader:
            losses.append(F.cross_entropy(model(a), b).item())
    return sum(losses), type(model).__name__
def bind():
    global bound
    bound = subset(val_set, 7)
def evaluate_bound(model):
    model.eval()
    total = 0
    bind()
    with torch.no_grad():
        for a, b in bound:
            total += F.cross_entropy(model(a), b).item()
    return total
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


PLAIN_CALL = "best = evaluate(model, val_loader)\nprint('at', epoch, best)\n"
MADE = "best = evaluate_on(model, val_set)\nprint('at', epoch, best)\n"
ASKS = {
    "every other epoch": under("if epoch % 2 == 1"),
    "in a function": under("if epoch % 2 == 0", PLAIN_CALL) + "print('on', best)\n",
    "a value from before it": under("if epoch > 1", "found = evaluate(model, val_loader)") + "print(found)\n",
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
    "an argument in two lines": under(
        "if epoch", "best = evaluate(model, val_loader, best if epoch > 1 else\n    last)"
    ),
    "a model that is spread for it": under("if epoch > 0", "last = evaluate_spread(model, val_loader)\nprint(last)"),
    "an item of a dictionary": "best = evaluate(model, {'a': val_loader}['a'])\nprint(best)\n",
    "a bar with a use of its own": "bar = tqdm(val_loader)\n"
    + under("if epoch", INLINE.replace("val_loader", "bar") + "print(bar.n)"),
    "code between": MADE + "print(torch.rand(1))\nlast = evaluate_on(model, train_set)\n",
}  # fmt: skip


ANOTHER = "the evaluation stays where it is: the Trainer runs another one of each epoch"


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
    notes = [note.message for note in result.diagnostics if note.code == "N102"]
    assert notes == [ANOTHER] * (name in ("twice, with another loader", "code between"))


LARGER = "the call stands inside a larger expression"
KEEPS = {
    "behind another call": (
        "best = max(random.random(), evaluate(model, val_loader))\n", f"in on_train_epoch_end: {LARGER}"
    ),
    "in a choice": ("best = evaluate(model, val_loader) if epoch else 3\n", f"in on_train_epoch_end: {LARGER}"),
    "an else": (
        under("if epoch", INLINE.replace("print(", "    else:\n        print('all')\nprint(", 1)),
        "in on_train_epoch_end: the loop is left early",
    ),
    "inside another loop": (
        "for data in (val_loader, train_loader):\n    print(evaluate(model, data))\n",
        "where it is: no line by itself calls evaluate() in the training or behind it",
    ),
    "in a try": (
        "try:\n" + textwrap.indent(INLINE, "    ") + "except ValueError:\n    pass\n",
        "where it is: it stands in a `try` statement",
    ),
    "rounds of it": (
        "for again in range(2):\n" + textwrap.indent(INLINE, "    "),
        "where it is: it stands inside another loop",
    ),
    "a return in front of it": (
        "best = evaluate_some(model, None if epoch == 1 else val_loader)\n",
        "in on_train_epoch_end: `return` leaves evaluate_some() before its end",
    ),
    "a loader that a call binds": (
        "best = evaluate_bound(model)\n",
        "in on_train_epoch_end: its loader is made right in front of it",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", KEEPS)
def test_it_stays_with_a_note(name: str) -> None:
    end, reason = KEEPS[name]
    result = convert(script(end))
    assert isinstance(result, Converted)
    assert "self.validate()" not in result.after and "def validation_step" not in result.after
    assert [note.message for note in result.diagnostics if note.code == "N102"] == [f"the evaluation stays {reason}"]


def test_lightnings_own_trainer_is_not_asked() -> None:
    after = getattr(convert(script(under("if epoch % 2 == 1")), target="lightning"), "after", "")
    assert "self.validate()" not in after and "def validation_step" not in after


def test_the_modes_are_the_trainers_where_nobody_can_tell(runner: Runner) -> None:
    text = script(under("if epoch % 2 == 1"))
    head = re.sub(r"def evaluate.*", "", HEAD, flags=re.DOTALL)
    result = check(text.replace(HEAD, head), runner)
    assert ".eval()" not in result.after and ".train()" not in result.after and "automatic_modes" not in result.after


@pytest.mark.parametrize("seen", ["print(model.training)", "print(model(x[:6]).sum())", "last = model"])
def test_the_modes_are_the_scripts_where_somebody_could(seen: str, runner: Runner) -> None:
    head = re.sub(r"def evaluate.*", "", HEAD, flags=re.DOTALL)
    text = script(under("if epoch % 2 == 1") + seen, "").replace(HEAD, head)
    assert "self.model.eval()" in check(text, runner).after


MAKING = """
    def val_dataloader(self):
        self.loader = subset(val_set, 9)
        return self.loader

    def on_validation_epoch_start(self):
        self.model.eval()
        self.losses = []
"""


def test_the_module_makes_the_loader() -> None:
    result = convert(script(MADE.replace("val_set)", "val_set, 9)")))
    assert isinstance(result, Converted)
    assert MAKING in result.after


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("subset(data, size)", "subset(data, size + len(losses))"),
        ("    losses = []\n", "    global shift\n    shift = 1\n    losses = []\n"),
        ("    model.eval()\n    losses = []\n", "    losses = []\n    losses = [epoch]\n    model.eval()\n"),
        ("    loader = subset", "    print(model.training, model(data[:6][0]).sum())\n    loader = subset"),
    ],
)  # fmt: skip
def test_what_the_loader_is_made_with_stays_in_front_of_it(old: str, new: str, runner: Runner) -> None:
    head, tail = script(MADE).split("def evaluate_on")
    text = f"{head}def evaluate_on{tail.replace(old, new, 1)}"
    assert "self.validate()" in check(text, runner).after


LARGER_CALLS = [
    ("100 * {}", "correct + total", "100 * (self.correct + self.total)"),
    ("-{}", "correct + total", "-(self.correct + self.total)"),
    ("{} ** 2", "-total", "(-self.total) ** 2"),
    ("{}.__add__(1)", "correct or total", "(self.correct or self.total).__add__(1)"),
    ("2 - {}", "correct / total", "2 - self.correct / self.total"),
    ("{}.bit_length()", "total", "self.total.bit_length()"),
    ("{}", "correct + total", "best = self.correct + self.total"),
]


@pytest.mark.parametrize(("around", "value", "expected"), LARGER_CALLS)
def test_what_a_function_returns_keeps_its_meaning(around: str, value: str, expected: str) -> None:
    line = around.format("evaluate(model, val_loader)")
    text = script(f"best = {line}\nprint(best)\n").replace("return correct / total", f"return {value}")
    result = convert(text)
    assert isinstance(result, Converted) and expected.replace("best = ", "") in result.after.replace(
        "self.val_", "self."
    )


def test_what_a_function_returns_is_trained_the_same(runner: Runner) -> None:
    text = script("best = 100 * evaluate(model, val_loader)\nprint(best)\n")
    result = check(text.replace("return correct / total", "return correct + total"), runner)
    assert "def validation_step" in result.after
