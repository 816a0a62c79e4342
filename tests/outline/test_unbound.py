"""Variables that are unbound until a step makes them: asked for by `is None`, where that is surely the same."""

from __future__ import annotations

import pytest

from refactorer import convert
from refactorer.result import Converted, Refused
from tests.fixtures_harness import Runner, first_difference

SCRIPT = """\
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
data = TensorDataset(torch.randn(12, 3), torch.randn(12, 1))


def train(model, epochs):
    loader = DataLoader(data, batch_size=4, shuffle=True)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for epoch in range(epochs):
        for x, y in loader:
            optimizer.zero_grad()
            loss = ((model(x) - y) ** 2).mean()
            if epoch:
                try:
                    others = next(more)
                except StopIteration:
                    more = iter(loader)
                    others = next(more)
                except UnboundLocalError:  # the first one
                    more = iter(loader)
                    others = next(more)
                loss = loss + (model(others[0]) - others[1]).abs().mean()
            loss.backward()
            optimizer.step()
            print(epoch, loss.item())


model = nn.Linear(3, 1)
train(model, 0)
train(model, 4)
train(model, 2)
"""
STEP = "            loss.backward()\n"
LOOP = "    for epoch in range(epochs):\n"
FIRST = "                    others = next(more)\n"
LATER = STEP + "            if epoch == 2:\n                "
PEEK = "    def peek():\n        return next(more)\n"
ALIKE = {
    "two handlers": {},
    "one handler for both": {"except StopIteration:": "except (StopIteration, NameError):"},
    "the method, and a target of several names": {
        FIRST: "                    _, others = more.__next__()\n",
        "iter(loader)": "enumerate(loader)",
    },
}
OTHERS = {
    "the error is looked at": {"except UnboundLocalError:": "except UnboundLocalError as error:"},
    "the handler does more": {"  # the first one\n": "\n                    print('first')\n"},
    "something runs in front of the read": {"try:\n": "try:\n                    print(torch.rand(1))\n"},
    "it may be bound in front of the loop": {LOOP: "    if epochs > 3:\n        more = iter(loader)\n" + LOOP},
    "it is read behind the loop": {"\n\nmodel = nn": "    print(more)\n\n\nmodel = nn"},
    "it is None at times": {STEP: LATER + "more = None\n"},
    "it is deleted": {STEP: LATER + "del more\n"},
    "it is read outside of the try": {STEP: LATER + "next(more)\n"},
    "a function reads it too": {LOOP: PEEK + LOOP},
    "a function reads it in the try": {FIRST: FIRST.replace("next(more)", "peek()"), LOOP: PEEK + LOOP},
    "a lambda reads it in the try": {
        FIRST: FIRST.replace("next(more)", "peek()"),
        LOOP: "    peek = lambda: next(more)\n" + LOOP,
    },
    "it is global": {"epochs):\n    loader": "epochs):\n    global more\n    loader", "UnboundLocal": "Name"},
}


def changed(changes: dict[str, str]) -> str:
    script = SCRIPT
    for old, new in changes.items():
        assert old in script
        script = script.replace(old, new)
    return script


@pytest.mark.parametrize("name", ALIKE)
def test_asked_for(name: str) -> None:
    script = changed(ALIKE[name])
    result = convert(script)
    assert isinstance(result, Converted), [str(found) for found in result.diagnostics]
    assert "self.more = None\n" in result.after
    assert "try:\n                if self.more is None:\n                    raise " in result.after
    assert result.before == script


@pytest.mark.parametrize("name", OTHERS)
def test_not_asked_for(name: str) -> None:
    script = changed(OTHERS[name])
    result = convert(script)
    assert isinstance(result, Refused)
    (found,) = result.diagnostics
    assert found.code == "R403"
    assert "NameError" in found.message
    assert "except " in script.splitlines()[found.line - 1]


def test_a_handler_that_is_for_no_variable_of_the_training() -> None:
    result = convert(changed({LOOP: "    more = iter(loader)\n" + LOOP}))
    assert isinstance(result, Converted)
    assert "is None" not in result.after


def test_lightning_says_what_is_in_its_way() -> None:
    result = convert(SCRIPT, target="lightning")
    assert [found.code for found in result.diagnostics] == ["R501"]


def test_trained(runner: Runner) -> None:
    result = convert(SCRIPT)
    assert isinstance(result, Converted)
    before = runner.run(SCRIPT)
    assert len(before.lines) == 18
    assert first_difference(before, runner.run(result.after)) is None
