"""Evaluations without `no_grad`: forms of code that show no graph and keep none run without gradients, others with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from refactorer import Converted, convert
from tests.fixtures_harness import first_difference

if TYPE_CHECKING:
    from tests.fixtures_harness import Runner

_SCRIPT = """
import random
import torch
import torch.nn as nn
from torch.autograd import Variable

torch.manual_seed(0)
random.seed(0)
model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Dropout(), nn.Linear(4, 2))
train_loader = [(torch.randn(4, 3), torch.randint(0, 2, (4,))) for _ in range(3)]
valid_loader = [(torch.randn(4, 3), torch.randint(0, 2, (4,))) for _ in range(3)]
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
kept = []
weight = nn.Parameter(torch.ones(1))


class Meter:
    val, avg = 0.0, 0.0

    def update(self, value):
        self.val, self.avg = value, value


def accuracy(output, target, topk=(1,)):
    _, pred = output.topk(max(topk), 1, True, True)
    correct = pred.t().eq(target.view(1, -1).expand_as(pred.t()))
    res = []
    for k in topk:
        res.append(correct[:k].reshape(-1).float().sum(0).mul_(100.0 / len(target)))
    return res


HELPERS
meter = Meter()
for epoch in range(2):
    model.train()
    for data, target in train_loader:
        optimizer.zero_grad()
        loss = criterion(model(data), target)
        loss.backward()
        optimizer.step()
    model.eval()
    total = 0.0
    for data, target in valid_loader:
        BODY
    print(epoch, total)
print(kept, torch.rand(1), random.random())
"""
_HELPERS = {
    "weighed": "def weighed(output):\n    return output.sum() * weight\n",
    "new_leaf": "def new_leaf(output):\n    return output.sum() * torch.ones(1, requires_grad=True)\n",
    "mode": "def mode(output):\n    return torch.is_grad_enabled()\n",
    "run": "def run(data):\n    return model(data).sum()\n",
    "later": "def later(output):\n    yield output * weight\n",
    "asked": "def asked(output, factor=weight):\n    return output.sum() * factor\n",
    "keeping": "def keeping(output):\n    kept.append(output)\n    return output.sum()\n",
}
_RUN = "out = model(data)\nval = criterion(out, target)\n"
WITHOUT = {
    "wrapped data": "data, target = Variable(data, volatile=True), Variable(target)\n" + _RUN + "total += val.item()",
    "format": _RUN + 'print("{:.3f} {}".format(val, epoch))',
    "format of a part": _RUN + 'print("{m.val:.3f} {0:.2f}".format(val, m=meter))',
    "format by place": _RUN + 'print("{1:.3f} {0}".format(epoch, val))',
    "format behind a named field": _RUN + 'print("{x:.1f} {:.2f}".format(val, x=3))',
    "per cent": _RUN + 'print("%d %.2f%%" % (epoch, val))',
    "per cent with a star": _RUN + 'print("%*.*f" % (8, 2, val))',
    "formatted string": _RUN + 'print(f"{val:.3f} {val.item()}")',
    "list": "data = torch.stack([d.clone() for d in data])\n" + _RUN + "total += val.item()",
    "tuple": "data, target = tuple(t.clone() for t in (data, target))\n" + _RUN + "total += val.item()",
    "loop": _RUN + "for i in range(len(target)):\n    total += out[i].argmax().item()",
    "assert": 'assert data.size(0) == 4, "bad"\n' + _RUN + "total += val.item()",
    "function": "out = model(data)\na, b = accuracy(out.data, target, (1, 2))\ntotal += a.item()\nprint(a, b)",
}
WITH = {
    "wrapped leaf": "data = Variable(data, requires_grad=True)\n" + _RUN + "print(val, data.requires_grad)",
    "plain format": _RUN + 'print("{} {:.3f}".format(val, val))',
    "format of another field": _RUN + 'print("{x} {:.2f} {}".format(1.0, val, x=3))',
    "format with a conversion": _RUN + 'print("{!r:>5}".format(val))',
    "nested format": _RUN + 'print("{:{w}.2f} {}".format(1.0, val, w=8))',
    "format of what a meter holds": _RUN + 'meter.update(val)\nprint("{m.val}".format(m=meter))',
    "shown as text": _RUN + 'print("%s %.2f" % (val, val))',
    "shown by name": _RUN + 'print("%(a).3f %(b)r" % {"a": val, "b": val})',
    "formatted string as it is": _RUN + 'print(f"{val:.3f} {val}")',
    "formatted string with a conversion": _RUN + 'print(f"{val!r:>3}")',
    "kept list": _RUN + "kept.append([o * 2 for o in out])",
    "parts": _RUN + "parts = [o.sum() for o in out]\nfor p in parts:\n    print(p)",
    "generator for later": _RUN + "kept.append(list(g * 2 for g in out))",
    "loop over results": _RUN + "for o in out:\n    last = o\nprint(last)",
    "zip of results": _RUN + "for o, t in zip(out, target):\n    kept.append(o)",
    "else of a loop": _RUN + "for o in out:\n    pass\nelse:\n    print(out[0])",
    "function with a parameter": "out = model(data)\nprint(weighed(out.data))",
    "function with a leaf": "out = model(data)\nprint(new_leaf(out.data))",
    "function that asks": "out = model(data)\nprint(mode(out.data))",
    "function that runs the model": "print(run(data))",
    "generator function": "out = model(data)\nprint(list(later(out.data)))",
    "default": "out = model(data)\nprint(asked(out.data))",
    "function that keeps": "out = model(data)\nprint(keeping(out))",
}


def _script(body: str) -> str:
    helpers = "\n\n".join(code for name, code in _HELPERS.items() if f"{name}(" in body)
    return _SCRIPT.replace("BODY", body.strip().replace("\n", "\n        ")).replace("HELPERS\n", helpers)


@pytest.mark.parametrize("name", WITHOUT)
def test_nothing_shows_a_graph(name: str, runner: Runner) -> None:
    before = _script(WITHOUT[name])
    result = convert(before)
    assert isinstance(result, Converted)
    assert "def validation_step" in result.after and "enable_grad" not in result.after
    assert first_difference(runner.run(before), runner.run(result.after)) is None


@pytest.mark.parametrize("name", WITH)
def test_something_shows_a_graph(name: str, runner: Runner) -> None:
    before = _script(WITH[name])
    result = convert(before)
    assert isinstance(result, Converted)
    assert "def validation_step" not in result.after or "enable_grad" in result.after
    assert first_difference(runner.run(before), runner.run(result.after)) is None
