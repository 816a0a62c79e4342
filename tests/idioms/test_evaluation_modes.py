"""Who switches modes around an evaluation: the Trainer, where nobody can tell, and otherwise the script's own lines."""

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


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.hidden, self.out = nn.Linear(3, 6), nn.Linear(6, 2)

    def forward(self, x):
        return self.out(F.dropout(self.hidden(x), 0.5, training=self.training))

{of_net}
def make(model):
    return torch.optim.SGD(model.parameters(), lr=0.1)

{functions}
torch.manual_seed(0)
points = torch.randn(24, 3)
data = TensorDataset(points, (points.sum(1) > 0).long())
loader, held_out, others = DataLoader(data, 4, shuffle=True), DataLoader(data, 8), DataLoader(data, 6)
model = Net(){moved}
optimizer = {optimizer}
for epoch in range(3):
    {early}
    model.train()
    for x, y in loader:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
    {front}
    model.eval()
    {behind}
    right = 0
    with torch.no_grad():
        for x, y in held_out:
            right += (model(x).argmax(1) == y).sum().item()
    print(epoch, right)
    {later}
{after}
print(torch.rand(1).item())
"""
LOOK = "print(model(points[:5]).sum().item())"
TESTED = """
def test(batches):
    model.eval()
    print(sum(F.cross_entropy(model(x), y).item() for x, y in batches))
"""
COUNTED = """
def count(batches):
    model.eval()
    for i, (x, y) in enumerate(batches, start=1):
        print(i, F.cross_entropy(model(x), y).item())
    return i
"""
SHOWN = "def show():\n    again()\n\ndef again():\n    " + LOOK
RUNNER = "class Runner:\n    def train(self):\n        print('no layer')\n"


def script(**parts: str) -> str:
    empty = dict.fromkeys(("moved", "of_net", "functions", "early", "front", "behind", "later", "after"), "")
    return SCRIPT.format(**{**empty, "optimizer": "torch.optim.SGD(model.parameters(), lr=0.1)", **parts})


def converted(text: str, runner: Runner) -> str:
    result = convert_text(text)
    assert isinstance(result, Converted), result.diagnostics
    assert first_difference(runner.run(text), runner.run(result.after)) is None
    return result.after


PARTS = "torch.optim.SGD([*model.hidden.parameters(), *model.out.parameters()], lr=0.1)"
BY_THE_TRAINER = {
    "an optimizer of parts of a model that is moved": {"moved": ".to('cpu')", "optimizer": PARTS},
    "a layer that reads its mode": {},
    "a look behind the switch": {"behind": LOOK},
    "a look behind the evaluation": {"later": LOOK},
    "a test behind the evaluation": {"functions": TESTED, "later": "test(others)"},
    "switched again": {"later": "model.eval()\n    " + LOOK},
    "a class that is no layer": {"functions": RUNNER},
    "batches that are counted from one": {"functions": COUNTED, "later": "print(count(held_out))"},
    "an optimizer that is handed the model": {"optimizer": "make(model)"},
    "a function behind the switch": {"functions": SHOWN, "behind": "show()"},
    "a new last layer": {"moved": "\nsize = model.out.in_features\nmodel.out = nn.Linear(size, 2)"},
    "a new layer of a fixed size": {"moved": "\nmodel.out = nn.Linear(in_features=6, out_features=len((0, 1)))"},
    "a question for its class": {"moved": "\nprint(isinstance(model, nn.Module))"},
    "another precision and back": {"moved": "\nmodel.half().float()"},
}
LENT = "def peek(net, batches):\n    net.eval()\n    print(sum(net(x).sum().item() for x, y in batches))\n"
AWAKE = TESTED + "    model.train()\n"
BY_THE_TRAINER_BEHIND_TRAIN = {
    "a test in front of the switch": {"functions": TESTED, "front": "test(others)"},
    "a test under a condition": {"functions": TESTED, "front": "if epoch:\n        test(others)"},
    "a test at the start of an epoch": {"functions": TESTED, "early": "test(others)"},
    "a test behind the training as well": {"functions": TESTED, "later": "test(others)", "after": "test(others)"},
    "a test of what it is lent": {"functions": LENT, "front": "peek(model, others)", "after": "peek(model, others)"},
    "train() again": {"later": "if epoch == 1:\n        model.train()"},
    "a test that wakes the model behind": {"functions": AWAKE, "later": "test(others)\n    " + LOOK},
    "a test that wakes the model behind the training": {"functions": AWAKE, "after": "test(others)"},
    "a test that wakes the model in front of train()": {"functions": AWAKE, "early": "test(others)"},
    "a look behind the training, in a mode of its own": {"after": "model.eval()\n" + LOOK},
}
BY_THE_SCRIPT = {
    "a layer that somebody else holds": {
        "moved": "\nhead = nn.Sequential(nn.Linear(6, 2), nn.Dropout())\nmodel.out = head",
        "after": "print(head(torch.ones(1, 6)))",
    },
    "a layer around one that somebody else holds": {
        "moved": "\nhead = nn.Dropout()\nmodel.out = nn.Sequential(nn.Linear(6, 2), head)",
        "after": "print(head(torch.ones(9)))",
    },
    "a layer by another name": {"moved": "\nhead = model.out", "after": "print(head(torch.ones(1, 6)))"},
    "a part that is handed on": {"optimizer": "make(model.hidden)"},
    "a layer that moves in its own way": {
        "moved": ".to('cpu')",
        "optimizer": PARTS,
        "of_net": "    def to(self, device):\n        return super().to(device)\n",
    },
    "a test that wakes the model in front of the switch": {"functions": AWAKE, "front": "test(others)"},
    "a test that looks before it switches": {
        "functions": TESTED.replace("    model.eval()\n", "") + "    model.eval()\n",
        "front": "test(others)",
    },
    "a test that switches a part": {
        "functions": TESTED.replace("model.eval", "model.out.eval"),
        "front": "test(others)",
    },
    "a test that switches at times": {
        "functions": TESTED.replace("model.eval()", "_ = random_ and model.eval()").replace(
            "random_", "len(batches) > 4"
        ),
        "front": "test(others)",
    },
    "a test that another name calls": {"functions": TESTED, "front": "run = test\n    run(others)"},
    "a test in pieces": {
        "functions": TESTED.replace("    print", "    yield 1\n    print"),
        "front": "pieces = test(others)\n    next(pieces)",
        "later": "next(pieces, 0)",
    },
    "a look behind a test behind the training": {
        "functions": TESTED,
        "after": "test(others) if epoch < 0 else 0\n" + LOOK,
    },
    "a look at the start of an epoch, behind a test at times": {
        "functions": TESTED,
        "early": "if epoch == 2:\n        test(others)\n    " + LOOK,
    },
    "a look at the start of an epoch": {"early": LOOK},
    "a look in front of the switch": {"front": LOOK},
    "a function at the start of an epoch": {"functions": SHOWN, "early": "show()"},
    "a function in front of the switch": {"functions": SHOWN, "front": "show()"},
    "a look behind the training": {"after": LOOK},
    "somebody reads the mode": {"later": "print(model.training)"},
    "somebody sets the mode": {"later": "model.training = True"},
    "a layer with its own switch": {"of_net": "    def train(self, mode=True):\n        return super().train(mode)\n"},
    "a layer that sets its mode": {"of_net": "    def wake(self):\n        self.training = True\n"},
}


@pytest.mark.parametrize("parts", BY_THE_TRAINER.values(), ids=BY_THE_TRAINER)
def test_the_trainer_switches(parts: dict[str, str], runner: Runner) -> None:
    after = converted(script(**parts), runner)
    assert "def validation_step" in after
    assert "automatic_modes" not in after and "self.model.train()" not in after


@pytest.mark.parametrize("parts", BY_THE_TRAINER_BEHIND_TRAIN.values(), ids=BY_THE_TRAINER_BEHIND_TRAIN)
def test_the_trainer_switches_and_train_stays(parts: dict[str, str], runner: Runner) -> None:
    after = converted(script(**parts), runner)
    assert "def validation_step" in after
    assert "automatic_modes" not in after and after.count("self.model.eval()") == 0
    assert "def on_train_epoch_start" in after and "self.model.train()" in after


@pytest.mark.parametrize("parts", BY_THE_SCRIPT.values(), ids=BY_THE_SCRIPT)
def test_the_script_switches(parts: dict[str, str], runner: Runner) -> None:
    after = converted(script(**parts), runner)
    assert "def validation_step" not in after or "self.automatic_modes = False" in after


FUNCTION = """
import torch
from torch import nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset


class Holder:
    def __init__(self, net):
        self.net = net

    def fit(self, loader, held_out):
        net = self.net
        {body}


def fit(net, loader, held_out):
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    for epoch in range(2):
        net.train()
        for x, y in loader:
            optimizer.zero_grad()
            loss = F.cross_entropy(net(x), y)
            loss.backward()
            optimizer.step()
        net.eval()
        right = 0
        with torch.no_grad():
            for x, y in held_out:
                right += (net(x).argmax(1) == y).sum().item()
        print(epoch, right)


def evaluate(net):
    net.eval()
    return net(points).sum().item()


torch.manual_seed(0)
points = torch.randn(24, 3)
data = TensorDataset(points, (points.sum(1) > 0).long())
loader, held_out = DataLoader(data, 4, shuffle=True), DataLoader(data, 8)
model = nn.Sequential(nn.Linear(3, 6), nn.Dropout(0.5), nn.Linear(6, 2))
{call}
print(torch.rand(1).item())
"""
USED = "print(model(points).sum().item())"
EVALUATES = "print(evaluate(model))"
OUTER = "def outer(net):\n    fit(net, loader, held_out)\n\n"
CALLERS = {
    "only trains": ("fit(model, loader, held_out)", True),
    "takes the state": ("fit(model, loader, held_out)\nprint(sum(p.sum().item() for p in model.parameters()))", True),
    "hands over a new one": ("fit(nn.Linear(3, 2), loader, held_out)", True),
    "moves it first": ("model = model.to('cpu')\nfit(model, loader, held_out)", True),
    "uses it behind": ("fit(model, loader, held_out)\n" + USED, False),
    "asks for the mode": ("fit(model, loader, held_out)\nprint(model.training)", False),
    "has it under another name": (
        "other = model\nfit(model, loader, held_out)\nprint(other(points).sum().item())",
        False,
    ),
    "has put it away": ("kept = [model]\nfit(model, loader, held_out)\nprint(kept[0](points).sum().item())", False),
    "trains twice": (
        "for i in range(2):\n    print(model(points).sum().item())\n    fit(model, loader, held_out)",
        False,
    ),
    "evaluates behind": ("fit(model, loader, held_out)\n" + EVALUATES, True),
    "looks, and evaluates behind": ("fit(model, loader, held_out)\n" + USED + "\n" + EVALUATES, False),
    "evaluates and looks behind": ("fit(model, loader, held_out)\n" + EVALUATES + "\n" + USED, False),
    "through another function": (OUTER + "outer(model)\n" + USED, False),
    "through another function only": (OUTER + "outer(model)", True),
    "hands over an item": (
        "nets = [model]\nfit(nets[0], loader, held_out)\nprint(nets[0](points).sum().item())",
        False,
    ),
}


@pytest.mark.parametrize("call", CALLERS)
def test_the_caller_of_the_function_that_trains(call: str, runner: Runner) -> None:
    lines, switched = CALLERS[call]
    after = converted(FUNCTION.format(body="pass", call=lines), runner)
    assert "def validation_step" in after
    assert ("automatic_modes = False" not in after) is switched


def test_a_network_of_an_object_that_others_use(runner: Runner) -> None:
    body = FUNCTION[FUNCTION.index("    optimizer =") : FUNCTION.index("torch.manual_seed")].replace(
        "\n    ", "\n        "
    )
    call = "holder = Holder(model)\nholder.fit(loader, held_out)\nprint(holder.net(points).sum().item())"
    after = converted(FUNCTION.format(body=body.strip(), call=call).replace("def fit(net,", "def unused(net,"), runner)
    assert "def validation_step" not in after or "automatic_modes = False" in after


AGENT = """
import torch
from torch import nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset


class Agent:
    def __init__(self):
        self.net = nn.Sequential(nn.Linear(3, 6), nn.Dropout(0.5), nn.Linear(6, 2))

    def parameters(self):
        return self.net.parameters()

    def train(self):
        self.net.train()

    def eval(self):
        self.net.eval()

    def __call__(self, x):
        return self.net(x)


torch.manual_seed(0)
points = torch.randn(24, 3)
data = TensorDataset(points, (points.sum(1) > 0).long())
loader, held_out = DataLoader(data, 4, shuffle=True), DataLoader(data, 8)
agent = Agent()
optimizer = {optimizer}
for epoch in range(2):
    agent.train()
    for x, y in loader:
        optimizer.zero_grad()
        loss = F.cross_entropy(agent(x), y)
        loss.backward()
        optimizer.step()
    agent.eval()
    right = 0
    with torch.no_grad():
        for x, y in held_out:
            right += (agent(x).argmax(1) == y).sum().item()
    print(epoch, right)
"""


@pytest.mark.parametrize("given", ["agent.parameters()", "agent.net.parameters()", "list(agent.parameters())"])
def test_an_object_that_holds_a_network(given: str, runner: Runner) -> None:
    after = converted(AGENT.format(optimizer=f"torch.optim.SGD({given}, lr=0.1)"), runner)
    assert "def validation_step" not in after or "automatic_modes = False" in after


METERS = """
import time
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class Meter:
    def __init__(self):
        self.sum = self.count = 0

    def update(self, value, n=1):
        self.sum += value * n
        self.count += n
        self.gradients = torch.is_grad_enabled()


torch.manual_seed(0)
points = torch.randn(24, 3)
data = TensorDataset(points, (points.sum(1) > 0).long())
loader, held_out = DataLoader(data, 4, shuffle=True), DataLoader(data, 8)
model = nn.Sequential(nn.Linear(3, 6), nn.Linear(6, 2))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
kept = []
for epoch in range(2):
    for x, y in loader:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
    model.eval()
    losses, times, end = Meter(), Meter(), time.time()
    for x, y in held_out:
        with torch.no_grad():
            out = model(x)
            error = nn.functional.cross_entropy(out, y)
        {line}
        end = time.time()
    print(epoch, losses.sum, kept[-1:])
"""
WITHOUT = ["losses.update(error.item(), x.size(0))", "losses.update((out.argmax(1) == y).sum().item())", "model.eval()"]
WITH = ["losses.update(model(x).sum())", "kept.append(model(x).sum())", "print(model(x).sum())"]


@pytest.mark.parametrize("line", [*WITHOUT, *WITH])
def test_numbers_for_meters_need_no_gradients(line: str, runner: Runner) -> None:
    after = converted(METERS.format(line=line), runner)
    assert "def validation_step" in after and ("enable_grad" in after) is (line in WITH)


def test_a_switch_of_the_scripts_own_may_compute_with_gradients(runner: Runner) -> None:
    own = """
class Net(nn.Sequential):
    def eval(self):
        kept.append(self[0].weight.sum())
        return super().eval()

model = Net("""
    text = METERS.replace("\nmodel = nn.Sequential(", own)
    assert text != METERS
    after = converted(text.format(line="model.eval()"), runner)
    assert "def validation_step" not in after or "enable_grad" in after


ASKED = """
import torch
from torch import nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
x = torch.randn(24, 3)
data = TensorDataset(x, (x.sum(1) > 0).long())
held_out = DataLoader(data, 8)
loaders = {'train': DataLoader(data, 4, shuffle=True), 'val': held_out}
model = nn.Sequential(nn.Linear(3, 6), nn.Dropout(0.5), nn.Linear(6, 2))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)


def evaluate(loader):
    model.eval()
    total = 0
    with torch.no_grad():
        for x, y in loader:
            total += F.cross_entropy(model(x), y).item()
    return total


def test(loader):
    pass
    model.eval()
    total = 0
    with torch.no_grad():
        for x, y in loader:
            total += F.cross_entropy(model(x), y).item()
    return total


for epoch in range(3):
    model.train()
    for x, y in loaders['train']:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
    print(evaluate(loaders['val']))
print(test(held_out))
"""


def test_an_evaluation_that_is_asked_for_beside_a_test_with_its_own_modes(runner: Runner) -> None:
    result = convert_text(ASKED)
    assert isinstance(result, Converted) and "def val_dataloader(" in result.after and "def test_step(" in result.after
    assert "self.automatic_modes = False" in result.after and "self.model.train()" in result.after
    assert first_difference(runner.run(ASKED), runner.run(result.after)) is None


RETURNED = """
import torch


def fit(loaders, make):
    model = make()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

    def run():
        def one_epoch(best, optimizer):
            for phase in ("train", "val"):
                model.train(phase == "train")
                for x, y in loaders[phase]:
                    loss = (model(x) - y).square().mean()
                    if phase == "train":
                        loss.backward()
                        optimizer.step()

        for epoch in range(3):
            best = one_epoch(best, optimizer)
"""


def test_lines_that_an_entered_function_adds_are_no_lines_of_the_file() -> None:
    result = convert_text(RETURNED)
    assert isinstance(result, Converted) and "def validation_step(" in result.after
