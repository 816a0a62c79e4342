"""Uses of the script's device: the module's own one does as well where it only says where something goes."""

from __future__ import annotations

import textwrap

import pytest

from tests.fixtures_harness import Runner, first_difference
from tests.idioms.device_harness import converted, step_of

SCRIPT = """
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
torch.manual_seed(0)
loader = DataLoader(TensorDataset(torch.randn(8, 2), torch.randn(8, 1)), batch_size=4)
{functions}

def main():
    device = {device}
    model = nn.Linear(2, 1).to(device)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for epoch in range(2):
        for x, y in loader:
            x, y = x.to(device), y.to(device)
            noise = torch.rand(2, device=device) + torch.zeros(2).to(device)
            loss = nn.functional.mse_loss(model(x + noise), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            print(measured(model, {given}))

main()
"""
A_STRING = "'cuda' if torch.cuda.is_available() else 'cpu'"
A_DEVICE = f"torch.device({A_STRING})"
MOVING = """
def measured(model, device):
    return model(torch.ones(1, 2).to(device)).item()
"""
QUIET = """
@torch.no_grad()
def measured(model, device, again=True):
    x = torch.ones(2, device=device)
    return model(x).item() + (measured(model, device, False) if again else 0)
"""
HANDING_ON = """
def made(n, device):
    return [part.to(device) for part in torch.ones(n, 2)]

def measured(model, device):
    return sum(model(part).item() for part in made(3, device=device))
"""
LOOKING = """
def measured(model, device):
    if device != 'cpu':
        print('not on the CPU')
    return model.weight.sum().item()
"""
PRINTING = """
def measured(model, device):
    print(repr(device))
    return model.weight.sum().item()
"""
BINDING = """
def measured(model, device):
    device = device + '!'
    return device, model.weight.sum().item()
"""
GATHERING = """
def measured(model, *device):
    return device, model.weight.sum().item()
"""
COUNTING = """
def shown(function):
    def shows(model, device):
        print(device, repr(device))
        return function(model, device)
    return shows

@shown
def measured(model, device):
    return model(torch.ones(1, 2).to(device)).item()
"""


def _script(functions: str, given: str = "device", device: str = A_STRING) -> str:
    return SCRIPT.format(functions=textwrap.dedent(functions), given=given, device=device)


@pytest.mark.parametrize("functions", [MOVING, QUIET, HANDING_ON])
@pytest.mark.parametrize("given", ["device", "device=device"])
@pytest.mark.parametrize("device", [A_STRING, A_DEVICE])
def test_a_function_that_only_moves_is_given_the_device_of_the_module(
    functions: str, given: str, device: str, runner: Runner
) -> None:
    before = _script(functions, given, device)
    text, _ = converted(before)
    assert "device_" not in text and "self.device)" in step_of(text)
    assert first_difference(runner.run(before), runner.run(text)) is None


@pytest.mark.parametrize("functions", [LOOKING, PRINTING, BINDING, GATHERING, COUNTING])
@pytest.mark.parametrize("given", ["device", "device=device"])
def test_a_function_that_looks_at_the_device_is_given_that_of_the_script(
    functions: str, given: str, runner: Runner
) -> None:
    """A `torch.device` is not equal to a string, and is shown in another way."""
    if functions == GATHERING:
        given = "device"
    before = _script(functions, given)
    text, _ = converted(before)
    assert "self.device_)" in text
    assert "torch.rand(2, device=self.device) + torch.zeros(2).to(self.device)" in step_of(text)
    assert first_difference(runner.run(before), runner.run(text)) is None


OWN = """
class Part:
    def to(self, device):
        {line}
        return self

def measured(model, device):
    return Part().to(device) is not None
"""


HOWEVER = {
    "another name": "def move(self, device):\n        print(repr(device))\n        return self\n    to = move",
    "an expression": "to = lambda self, device: print(repr(device)) or self",
    "a property": "@property\n    def to(self):\n        return lambda device: print(repr(device)) or self",
    "any name": "def __getattr__(self, name):\n        return lambda device: print(name, repr(device)) or self",
}


@pytest.mark.parametrize("methods", HOWEVER.values(), ids=HOWEVER)
def test_a_class_may_come_by_its_moves_in_other_ways(methods: str, runner: Runner) -> None:
    functions = "class Part:\n    {}\n\ndef measured(model, device):\n    return Part().to(device) is not None"
    before = _script(functions.format(methods))
    text, _ = converted(before)
    assert "self.device_)" in text
    assert first_difference(runner.run(before), runner.run(text)) is None


def test_a_class_may_make_something_on_a_device(runner: Runner) -> None:
    own = "class Part:\n    def new_one(self, device):\n        return repr(device)\n\n"
    before = _script(own + "def measured(model, device):\n    return Part().new_one(device=device)")
    text, _ = converted(before)
    assert "self.device_)" in text
    assert first_difference(runner.run(before), runner.run(text)) is None


@pytest.mark.parametrize(
    ("line", "own"),
    [("print(device != 'cpu')", True), ("self.shift = torch.ones(1).to(device)", False), ("device = 1", True)],
)
def test_a_class_may_look_at_the_device_when_it_is_moved(line: str, own: bool, runner: Runner) -> None:
    before = _script(OWN.format(line=line))
    text, _ = converted(before)
    assert ("self.device_)" in text) == own
    assert first_difference(runner.run(before), runner.run(text)) is None


ELSEWHERE = "from operator import {} as measured"


@pytest.mark.parametrize("given", ["device", "model.weight.dtype if epoch > 5 else device"])
@pytest.mark.parametrize("device", [A_STRING, A_DEVICE, "torch.device('cpu:0')"])
def test_code_of_other_files_is_given_a_device_of_the_same_kind(given: str, device: str, runner: Runner) -> None:
    """Most of it only moves things, but a string is no `torch.device`, and what the call chooses is no plain use."""
    before = _script(ELSEWHERE.format("eq"), given, device)
    text, _ = converted(before)
    assert ("self.device_" not in text) == (device == A_DEVICE and given == "device")
    assert first_difference(runner.run(before), runner.run(text)) is None


@pytest.mark.parametrize(
    "functions",
    [
        "import logging\nlogging.basicConfig(format='%(message)s', level=0)\n"
        "measured = lambda model, place: logging.info('%s', place)",
        "from logging import info\ndef measured(model, device):\n    info('%s %r', device, device)",
        "def measured(model, device):\n    print('{!r}'.format(device))",
        "class Shown:\n    def __init__(self, model, device):\n        print(repr(device))\n"
        "    def __repr__(self):\n        return 'shown'\n\nmeasured = Shown",
    ],
)
def test_code_that_shows_a_device_is_given_that_of_the_script(functions: str, runner: Runner) -> None:
    before = _script(functions, device=A_DEVICE)
    text, _ = converted(before)
    assert "self.device_)" in text
    assert first_difference(runner.run(before), runner.run(text)) is None


METHOD = """
class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(2, 1)
    def forward(self, x):
        return self.layer(x)
    {decorator}
    def sample(self, n, device{more}):
        {line}
        return self.layer(torch.ones(n, 2).to(device)).sum().item()
    {method}

{extra}
"""
METHODS = {
    "only moves": {},
    "with a default": {"more": ", guide=0.0"},
    "with more arguments": {"more": ", *others"},
    "without gradients": {"decorator": "@torch.no_grad()"},
}
LOOKING_METHODS = {
    "prints it": {"line": "print(repr(device))"},
    "compares it": {"line": "print(device == 'cpu')"},
    "binds it": {"line": "device = str(device)"},
    "keeps it": {"line": "self.place = device"},
    "is wrapped": {"decorator": "@shown"},
    "is another": {"extra": "Model.sample = lambda self, n, device: repr(device)"},
    "hands it to another": {"line": "self.again(device)", "method": "def again(self, device):\n        repr(device)"},
}


def _method(parts: dict[str, str], made: str = "Model()") -> str:
    shown = "def shown(f):\n    return lambda self, n, device: (repr(device), f(self, n, device))\n"
    text = METHOD.format(**{"decorator": "", "more": "", "line": "pass", "method": "", "extra": "", **parts})
    text = _script(shown + text).replace("nn.Linear(2, 1).to(device)", f"{made}.to(device)")
    return text.replace("measured(model, device)", "model.sample(3, device)")


@pytest.mark.parametrize("parts", METHODS.values(), ids=METHODS)
def test_a_method_that_only_moves_is_given_the_device_of_the_module(parts: dict[str, str], runner: Runner) -> None:
    before = _method(parts)
    text, _ = converted(before)
    assert "device_" not in text and "self.model.sample(3, self.device)" in text
    assert first_difference(runner.run(before), runner.run(text)) is None


@pytest.mark.parametrize("parts", LOOKING_METHODS.values(), ids=LOOKING_METHODS)
def test_a_method_that_looks_at_the_device_is_given_that_of_the_script(parts: dict[str, str], runner: Runner) -> None:
    before = _method(parts)
    text, _ = converted(before)
    assert "sample(3, self.device_)" in text
    assert first_difference(runner.run(before), runner.run(text)) is None


def test_a_method_of_an_object_that_may_be_another_is_given_that_of_the_script(runner: Runner) -> None:
    other = "class Other(Model):\n    def sample(self, n, device):\n        return repr(device)\n"
    before = _method({"extra": other}, "(Other() if torch.get_num_threads() else Model())")
    text, _ = converted(before)
    assert "sample(3, self.device_)" in text
    assert first_difference(runner.run(before), runner.run(text)) is None
