"""Settings that are attributes of a class, and attributes that an object works out when it is asked."""

from __future__ import annotations

import pytest

from refactorer import convert
from refactorer.result import Converted
from tests.fixtures_harness import Runner, first_difference

SCRIPT = """\
import colorsys
import torch
from torch import nn, optim

torch.manual_seed(0)


class Base:
    decay = 0.0


class Args(Base):
    lr = 0.1
    seen = 0
METHOD

class Other:
    lr = 0.3

    def __init__(self):
        self.lr = 0.2


args = Args()
model = nn.Linear(2, 1)
loader = [(torch.randn(2, 2), torch.randn(2, 1)) for _ in range(3)]
optimizer = optim.SGD(model.parameters(), lr=args.lr, weight_decay=args.decay, momentum=colorsys.ONE_THIRD)
BETWEEN
for epoch in range(2):
    for x, y in loader:
        optimizer.zero_grad()
        loss = (model(x) - y).pow(2).mean()
        loss.backward()
        optimizer.step()
    print(loss.item())
"""
CHANGES = [
    "Args.lr = 0.5",
    "Base.decay = 0.5",
    "Args.lr *= 2",
    "type(args).lr = 0.5",
    "args.__class__.lr = 0.5",
    "setattr(Args, 'lr', 0.5)",
    "setattr(colorsys, 'ONE_THIRD', 0.5)",
    "setattr(Base, 'de' + 'cay', 0.5)",
]
METHODS = {
    "with": ("__enter__(self)", "Args.lr = 0.5", "with args:\n    pass"),
    "an operator": ("__add__(self, other)", "type(self).lr = 0.5", "args + 1"),
    "a method of the class": ("raised(cls)", "cls.lr = 0.5", "args.raised(Args)"),
    "an attribute that draws": ("__getattr__(self, name)", "return torch.rand(1).item()", "print(args.n)"),
}
HARMLESS = [
    "Args.seen = 3",
    "Other.seen = 3",
    "other = Other()",
    "setattr(Other, 'seen', 3)",
]
LOOKS_UP = "\n    def __getattr__(self, name):\n        return self.__dict__[name]\n"
PROPERTY = "\n    @property\n    def decay(self):\n        return float(self.seen) / 2\n"
DRAWS = "\n    @property\n    def decay(self):\n        return torch.rand(1).item()\n"


def after(method: str, between: str) -> str:
    result = convert(SCRIPT.replace("METHOD", method).replace("BETWEEN", between))
    assert isinstance(result, Converted)
    return result.after


@pytest.mark.parametrize("between", CHANGES)
def test_a_class_changes_its_objects(between: str) -> None:
    assert "return self.optimizer" in after("", between)


@pytest.mark.parametrize("name", METHODS)
def test_a_method_may_change_them(name: str) -> None:
    header, body, between = METHODS[name]
    assert "return self.optimizer" in after(f"\n    def {header}:\n        {body}\n", between)


def test_a_property_may_do_more_than_to_look_something_up() -> None:
    assert "return self.optimizer" in after(DRAWS, "")


@pytest.mark.parametrize("between", HARMLESS)
def test_other_attributes_and_other_objects(between: str) -> None:
    assert "return optim.SGD(" in after("", between)


@pytest.mark.parametrize("method", [LOOKS_UP, PROPERTY])
def test_looking_up_an_attribute_changes_nothing(method: str) -> None:
    assert "return optim.SGD(" in after(method, "")


def test_trained(runner: Runner) -> None:
    for method, between in (("", CHANGES[0]), (DRAWS, "print(torch.rand(1))")):
        script = SCRIPT.replace("METHOD", method).replace("BETWEEN", between)
        before = runner.run(script)
        assert before.status == 0 and len(before.lines) >= 2
        assert first_difference(before, runner.run(after(method, between))) is None
