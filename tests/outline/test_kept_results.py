"""Sums are added up across processes only where an evaluation leaves nothing else behind; else each evaluates all."""

from __future__ import annotations

import textwrap

import pytest

from refactorer.converter import convert_text
from refactorer.result import Converted

SCRIPT = """
import torch
from torch import nn
from helpers import Confusion, logger

class Meter:
    def __init__(self):
        self.total = 0

    def update(self, value):
        self.total += value

class Counter:
    def __init__(self):
        self.seen = 0

    def __call__(self, values):
        self.seen += len(values)

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(3, 1)

    def forward(self, x):
        return self.layer(x)

def count(batch):
    global seen
    seen = batch

def note(value, values):
    values.append(value)

seen = None
history = []

def evaluate(model, loader):
    model.eval()
    {start}
    with torch.no_grad():
        for {target} in {data}:
            out = model(x)
            {step}
    {end}

def main(loader, test_loader):
    model = Net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    best = 0
    for epoch in range(3):
        model.train()
        for x, y in loader:
            optimizer.zero_grad()
            loss = (model(x) - y).abs().sum()
            loss.backward()
            optimizer.step()
        print(evaluate(model, test_loader))
"""
DEFAULTS = {"start": "total = 0", "target": "x, y", "data": "loader", "end": "return total"}
SUM = "total += (out - y).sum().item()"


def converted(step: str, **parts: str) -> str:
    blocks = {"step": step, **DEFAULTS, **parts}
    depth = {"start": 4, "step": 12, "end": 4}
    blocks = {
        name: textwrap.indent(textwrap.dedent(text).strip(), " " * depth.get(name, 0)).strip()
        for name, text in blocks.items()
    }
    result = convert_text(SCRIPT.format(**blocks))
    assert isinstance(result, Converted), result.diagnostics
    assert "def validation_step" in result.after, result.diagnostics
    return result.after


SUMS = [
    {"step": SUM},
    {"step": "total = total + (out - y).sum().item()"},
    {"step": f"{SUM}\nlogger.info('%s', total)", "end": "logger.info('end')\nreturn total"},
    {"step": f"loss = (out - y).sum()\n{SUM}", "end": "loss = total / len(loader)\nreturn loss"},
    {"step": f"{SUM}\ncount = len(x)\nn += count", "start": "total, n = 0, 0", "end": "return total / n"},
    {"step": f"{SUM}\nparts = []\nparts.append(out)\nnote(out, parts)"},
    {"step": f"if i == 0:\n    print(out)\n{SUM}", "target": "i, (x, y)", "data": "enumerate(loader)"},
    {"step": SUM, "start": "total = 5\nprint(total)\ntotal = 0"},
    {"step": f"{SUM}\nprint(total / len(loader))", "start": "total = 0.0\nrate = 1 / len(loader)\nprint(rate)"},
    {
        "step": "total += loss_of(out, y).item() * scale",
        "start": "total, scale = 0, 0.5\nloss_of = nn.L1Loss()\ndevice = next(model.parameters()).device",
    },
]


@pytest.mark.parametrize("parts", SUMS, ids=range(len(SUMS)))
def test_sums_alone_are_added_up(parts: dict[str, str]) -> None:
    assert "self.sum_across_ranks(" in converted(**parts)


MORE = {
    "a meter": {"step": f"{SUM}\nmeter.update(1)", "start": "total, meter = 0, Meter()", "end": "return meter.total"},
    "a meter of another file": {
        "step": f"{SUM}\nmatrix.add(out, y)", "start": "total = 0\nmatrix = Confusion()", "end": "return matrix.mean()",
    },
    "a list": {"step": f"{SUM}\nkept.append(out)", "start": "total, kept = 0, []", "end": "return torch.cat(kept)"},
    "a list that a function fills": {
        "step": f"{SUM}\nnote(out, kept)", "start": "total, kept = 0, []", "end": "return torch.cat(kept)",
    },
    "items": {"step": f"{SUM}\nkept['n'] += 1", "start": "total, kept = 0, {'n': 0}", "end": "return kept"},
    "what is carried on": {
        "step": f"{SUM}\nhidden = hidden * 0.5 + out", "start": "total = 0\nhidden = torch.zeros(1)",
    },
    "a maximum": {"step": f"{SUM}\nmost = max(most, out.max())", "start": "total, most = 0, 0", "end": "return most"},
    "the last batch": {"step": SUM, "end": "return total / len(x)"},
    "the last loss": {"step": f"{SUM}\nloss = (out - y).sum()", "end": "return total, loss"},
    "the last number": {
        "step": SUM, "target": "i, (x, y)", "data": "enumerate(loader)", "end": "return total / (i + 1)",
    },
    "a global variable": {"step": f"{SUM}\ncount(x)"},
    "a sum that is halved": {"step": f"{SUM}\ntotal *= 0.5"},
    "a sum of what it is": {"step": "total = total + 0.5 * total + len(x)"},
    "a sum that does not begin at zero": {"step": SUM, "start": "total = 1e-8"},
    "a sum that begins in front": {"step": SUM, "start": "total = 0\ntotal += len(loader)"},
    "a sum that ends the evaluation": {"step": f"{SUM}\nif total > 5:\n    break"},
    "the first batches": {"step": f"{SUM}\nif i > 5:\n    break", "target": "i, (x, y)", "data": "enumerate(loader)"},
    "a sum that decides": {
        "step": f"{SUM}\nif total > 3:\n    n += 1", "start": "total, n = 0, 0", "end": "return total / n",
    },
    "a sum of sums": {"step": f"{SUM}\nn += total", "start": "total, n = 0, 0", "end": "return n"},
    "an object that is called": {
        "step": f"{SUM}\nseen = count(out)", "start": "total, count = 0, Counter()", "end": "return total / count.seen",
    },
    "another name": {
        "step": f"{SUM}\nsame.append(out)", "start": "total, kept = 0, []\nsame = kept", "end": "return kept",
    },
    "a method with a name": {
        "step": f"{SUM}\nkeep(out)", "start": "total, kept = 0, []\nkeep = kept.append", "end": "return kept",
    },
    "a list by a comprehension": {
        "step": f"{SUM}\n[kept.append(one) for one in out]", "start": "total, kept = 0, []", "end": "return kept",
    },
    "an attribute of a tuple": {
        "step": f"{SUM}\nmodel.last, n = out, 1", "end": "return total, model.last",
    },
    "a file": {
        "step": f"{SUM}\nfile.write(str(out))", "start": "total, file = 0, open('x', 'w')", "end": "file.close()",
    },
    "an iterator": {"step": "total += len(next(weights))", "start": "total, weights = 0, iter(loader)"},
    "a list of the file": {"step": f"{SUM}\nhistory.append(out)"},
    "an array": {"step": f"{SUM}\nparts += out", "start": "total = 0\nparts = torch.zeros(1)", "end": "return parts"},
}  # fmt: skip


@pytest.mark.parametrize("parts", MORE.values(), ids=MORE)
def test_with_anything_else_each_process_evaluates_all_of_the_data(parts: dict[str, str]) -> None:
    assert "sum_across_ranks" not in converted(**parts)


def test_what_the_driver_reads_behind_the_training_counts() -> None:
    body = SCRIPT[SCRIPT.index("def main") :]
    script = SCRIPT.format(step=SUM, **DEFAULTS).replace(
        "        print(evaluate(model, test_loader))\n",
        "        model.eval()\n        total = 0\n        with torch.no_grad():\n            for x, y in test_loader:\n"
        "                score = model(x).sum()\n                total += score.item()\n        print(total)\n{end}",
    )
    assert "print(evaluate" in body
    for end, added in (("", True), ("    print(score)\n", False)):
        result = convert_text(script.replace("{end}", end))
        assert isinstance(result, Converted), result.diagnostics
        assert ("sum_across_ranks" in result.after) is added
