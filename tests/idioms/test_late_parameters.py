"""Optimizers whose parameters come from an iterator, and what happens between their making and the training."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from refactorer import convert
from refactorer.result import Converted
from tests.fixtures_harness import first_difference

if TYPE_CHECKING:
    from tests.fixtures_harness import Runner

SCRIPT = """\
import itertools
import torch
from torch import nn, optim

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))
kept = []
loader = [(torch.randn(2, 2), torch.randn(2, 1)) for _ in range(3)]
frozen = list(model[0].parameters())
first = [model[0]]


def freeze(layers):
    for layer in layers:
        layer.requires_grad_(False)


def trainable(net):
    for p in net.parameters():
        if p.requires_grad:
            yield p


def chosen(net):
    return filter(lambda p: p.requires_grad, net.parameters())


def listed(net):
    return [p for p in net.parameters() if p.requires_grad]


def again(net, depth=2):
    return again(net, depth - 1) if depth else chosen(net)


params = PARAMS
optimizer = optim.SGD(params, lr=0.1, momentum=0.5)
BETWEEN
for epoch in range(2):
    for x, y in loader:
        optimizer.zero_grad()
        loss = (model(x) - y).pow(2).mean()
        loss.backward()
        optimizer.step()
    kept.append(model[0].weight) if epoch else None
    print(loss.item())
"""
LATE = [
    "filter(lambda p: p.requires_grad, model.parameters())",
    "(p for p in model.parameters() if p.requires_grad)",
    "trainable(model)",
    "chosen(model)",
    "[{'params': chosen(model)}]",
    "again(model)",
    "itertools.chain(trainable(model[0]), model[1].parameters())",
]
AT_ONCE = [
    "list(model.parameters())",
    "[p for p in model.parameters() if p.requires_grad]",
    "listed(model)",
    "[{'params': list(chosen(model)), 'lr': float('0.2')}]",
    "list(itertools.chain(model[0].parameters(), trainable(model[1])))",
]
FROZEN = ["for p in frozen: p.requires_grad = False", "freeze(first)", "first[0].requires_grad_(False)"]


def _checked(params: str, between: str, runner: Runner) -> str:
    text = SCRIPT.replace("PARAMS", params).replace("BETWEEN", between)
    result = convert(text)
    assert isinstance(result, Converted), result
    before, after = runner.run(text), runner.run(result.after)
    assert before.status == 0 and len(before.events) == 12
    assert first_difference(before, after) is None
    return result.after


@pytest.mark.parametrize("params", LATE)
def test_an_iterator_is_asked_where_the_script_asks_it(params: str, runner: Runner) -> None:
    for between in FROZEN if params is LATE[0] else FROZEN[:1]:
        assert "return self.optimizer" in _checked(params, between, runner)


@pytest.mark.parametrize("params", [*LATE, *AT_ONCE, "model.parameters()"])
def test_nothing_happens_in_between(params: str, runner: Runner) -> None:
    after = _checked(params, "criterion = nn.MSELoss()\nprint(len(loader))\nmodel.train()\nkept = []", runner)
    assert "return optim.SGD(" in after


@pytest.mark.parametrize("params", AT_ONCE)
def test_a_list_stays_what_it_is(params: str, runner: Runner) -> None:
    assert "return optim.SGD(" in _checked(params, FROZEN[0], runner)


@pytest.mark.parametrize(
    "between", ["print(len(list(params)))", "rest = params\nprint(list(rest))", "model[1] = nn.Linear(3, 1)"]
)
def test_an_iterator_over_a_module_is_emptied_once(between: str, runner: Runner) -> None:
    assert "return self.optimizer" in _checked("model.parameters()", between, runner)


@pytest.mark.parametrize("params", ["list(params)", "[*params]", "[p for p in params]", "[{'params': tuple(params)}]"])
def test_a_list_of_an_iterator_is_made_where_the_script_makes_it(params: str) -> None:
    text = SCRIPT.replace("optim.SGD(params", f"optim.SGD({params}").replace("PARAMS", "iter(model.parameters())")
    for between, expected in (("print(len(list(params)))", "return self.optimizer"), ("", "return optim.SGD(")):
        result = convert(text.replace("BETWEEN", between))
        assert isinstance(result, Converted)
        assert expected in result.after or "[p for" in params  # a comprehension is made by the script in any case


@pytest.mark.parametrize(
    "between",
    [
        "def show(m=freeze(first)):\n    print(m)\n",
        "@(lambda f, layers=first: freeze(layers) or f)\ndef show():\n    print(model)\n",
        "def now(f):\n    f()\n    return f\n\n@now\ndef show():\n    freeze(model[:1])\n",
        "class Freezer:\n    def run(self):\n        freeze(model[:1])\n\nFreezer().run()",
        "class Freezer:\n    @property\n    def run(self):\n        freeze(model[:1])\n\nFreezer().run",
    ],
    ids=["default", "decorator", "decorated", "method", "property"],
)
def test_what_looks_like_a_definition_may_run(between: str, runner: Runner) -> None:
    assert "return self.optimizer" in _checked(LATE[0], between, runner)


FREEZES = """
class Frozen(nn.Sequential):
    def train(self, mode=True):
        self[0].requires_grad_(not mode)
        return super().train(mode)


"""


@pytest.mark.parametrize("known", [True, False])
def test_a_class_may_freeze_layers_in_its_train(known: bool, runner: Runner) -> None:
    script = SCRIPT.replace("torch.manual_seed(0)\n", FREEZES + "torch.manual_seed(0)\n").replace(
        "model = nn.Sequential(", "model = Frozen(" if known else "model = (lambda *layers: Frozen(*layers))("
    )
    text = script.replace("PARAMS", LATE[0]).replace("BETWEEN", "model.train()")
    result = convert(text)
    assert isinstance(result, Converted) and "return self.optimizer" in result.after
    assert first_difference(runner.run(text), runner.run(result.after)) is None


def test_names_of_imports_stand_nowhere(runner: Runner) -> None:
    text = SCRIPT.replace("from torch import nn, optim", "import torch.nn as nn\nimport torch.optim as optim")
    text = text.replace("params = PARAMS\n", "").replace("(params, ", f"({LATE[0]}, ").replace("BETWEEN", "")
    result = convert(text)
    assert isinstance(result, Converted) and "return optim.SGD(" in result.after
    assert first_difference(runner.run(text), runner.run(result.after)) is None
