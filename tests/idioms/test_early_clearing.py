"""Code in front of `zero_grad()` that leaves gradients: the script clears them itself, where it does."""

from __future__ import annotations

import textwrap

import pytest

from refactorer.converter import convert_text
from refactorer.options import Options
from refactorer.result import Converted
from tests.fixtures_harness import Runner, first_difference

ATTACKS = """
from torch import nn

def attack(net, x, y):
    x = x.clone().requires_grad_(True)
    nn.functional.mse_loss(net(x), y).backward()
    return (x + 0.1 * x.grad.sign()).detach()

class Attacker:
    def __init__(self, net):
        self.net = net
    def __call__(self, x, y):
        return attack(self.net, x, y)
    def tell(self, net):
        self.net = net
    def perturb(self, x, y):
        return attack(self.net, x, y)

class Watcher(Attacker):
    def report(self):
        return [p.grad is None or p.grad.sum().item() for p in self.net.parameters()][-1:]
    def __str__(self):
        return str(self.report())
    def __bool__(self):
        print("asked", self.report())
        return True
    def __getitem__(self, key):
        return self.report()
    def __enter__(self):
        print("entered", self.report())
    def __exit__(self, *error):
        return None
    @property
    def value(self):
        return self.report()
    every = 2

def double(x):
    return 2 * x

class Taught(nn.Linear):
    def perturb(self, x, y):
        return attack(self, x, y)
    def loss_of(self, x, y):
        return nn.functional.mse_loss(self(x), y)
"""
SCRIPT = """
import torch
from torch import nn, optim
from torch.utils.data import DataLoader, TensorDataset
from attacks import Attacker, Taught, Watcher, attack, double

torch.manual_seed(0)
data = DataLoader(TensorDataset(torch.randn(9, 4), torch.randn(9, 2)), batch_size=3, shuffle=True)
net = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.3), nn.Linear(8, 2))
more = nn.Parameter(torch.ones(2))
FRONT
optimizer = optim.SGD(net.parameters(), lr=0.1, momentum=0.9)

def grow(i):
    if len(optimizer.param_groups) == 1 and i == 2:
        optimizer.add_param_group({"params": [more]})

for epoch in range(2):
    for i, (x, y) in enumerate(data):
BODY
        loss.backward()
        optimizer.step()
    print(epoch, loss.item(), torch.rand(1).item())
print(more, sum(p.sum().item() for p in net.parameters()))
"""
ZERO = "optimizer.zero_grad()\n"
LOSS = "loss = nn.functional.mse_loss(net(x), y) + more.sum()\n"
ODD = """
class Odd(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 2)

    def forward(self, x):
        torch.autograd.backward(self.layer(x).sum())
        return self.layer(x)

net = Odd()
"""
PARTS = ODD.replace("torch.autograd.backward(self.layer(x).sum())", "x = x.relu()")
TAUGHT = "net = Taught(4, 2)\n"
PROBING = """
def probe(model, x):
    model(x).sum().backward()

class Criterion:
    def __call__(self, out, y):
        probe(net, torch.ones(2, 4))
        return nn.functional.mse_loss(out, y)

class Probing:
    def __radd__(self, x):
        probe(net, torch.ones(2, 4))
        return x
    def __enter__(self):
        probe(net, torch.ones(2, 4))
    def __exit__(self, *_):
        return None

criterion, acts, probing = Criterion(), [probe], Probing()
"""


def script(body: str, front: str = "") -> str:
    return SCRIPT.replace("FRONT", front).replace("BODY", textwrap.indent(body.rstrip(), " " * 8))


AUTOMATIC = {
    "an attack behind it": script(ZERO + "x = attack(net, x, y)\n" + LOSS),
    "functions that have no model": script("x = double(x)\n" + LOSS + ZERO),
    "the model": script("out = net(x)\nprint(out.mean().item())\n" + LOSS + ZERO),
    "a number of a network": script("x = attack(net.training, x, y) if i > 9 else x\n" + LOSS + ZERO),
    "an object without a network": script("print(watcher.every)\n" + LOSS + ZERO, "watcher = Watcher(None)\n"),
    "a setting that is called like an object with the model": script(
        "print(args.other)\n" + LOSS + ZERO,
        "import argparse\nargs = argparse.Namespace(other='a name')\n"
        "class Kept: pass\nkept = Kept()\nkept.other = Attacker(net)\n",
    ),
    "groups that are looked at": script("print(len(optimizer.param_groups[0]['params']))\n" + LOSS + ZERO),
}
IN_PLACE = {
    "a loss by a network of another file": script("loss = net.loss_of(x, y) + more.sum()\n" + ZERO, TAUGHT),
    "an attack": script("x = attack(net, x, y)\n" + LOSS + ZERO),
    "an attack and other lines": script("x = attack(net, x, y)\n" + ZERO + LOSS),
    "an attack under a condition": script("if i:\n    x = attack(net, x, y)\n" + LOSS + ZERO),
    "an object that has the model": script("x = adversary(x, y)\n" + LOSS + ZERO, "adversary = Attacker(net)\n"),
    "its method": script("x = adversary.perturb(x, y)\n" + LOSS + ZERO, "adversary = Attacker(net)\n"),
    "an object that is told the model": script(
        "x = adversary.perturb(x, y)\n" + LOSS + ZERO, "adversary = Attacker(None)\nadversary.tell(net)\n"
    ),
    "an object whose model is set": script(
        "x = adversary.perturb(x, y)\n" + LOSS + ZERO, "adversary = Attacker(None)\nadversary.net = net\n"
    ),
    "an object whose model is set by name": script(
        "x = adversary.perturb(x, y)\n" + LOSS + ZERO, "adversary = Attacker(None)\nsetattr(adversary, 'net', net)\n"
    ),
    "an object that has the model by another name": script(
        "x = adversary(x, y)\n" + LOSS + ZERO, "same = net\nadversary = Attacker(same)\n"
    ),
    "an object of several": script("x = adversary(x, y)\n" + LOSS + ZERO, "n, adversary = 0, Attacker(net)\n"),
    "an object that has layers of the model": script(
        "x = adversary(x, y)\n" + LOSS + ZERO, "adversary = Attacker(nn.Sequential(*net))\n"
    ),
    "an object in a list that is made of the model": script(
        "x = adversaries[0](x, y)\n" + LOSS + ZERO, "adversaries = [Attacker(one) for one in [net]]\n"
    ),
    "a class of the file with a base in another": script(
        "x = adversary(x, y)\n" + LOSS + ZERO, "class Own(Attacker):\n    pass\n\nadversary = Own(net)\n"
    ),
    "an attack on a part": script("x = attack(net.layer, x, y)\n" + LOSS + ZERO, PARTS),
    "an object that is shown": script("print(watcher)\n" + LOSS + ZERO, "watcher = Watcher(net)\n"),
    "an object in a text": script("print(f'{watcher}')\n" + LOSS + ZERO, "watcher = Watcher(net)\n"),
    "an object in a condition": script("if watcher: x = 2 * x\n" + LOSS + ZERO, "watcher = Watcher(net)\n"),
    "an element of an object": script("print(watcher[0])\n" + LOSS + ZERO, "watcher = Watcher(net)\n"),
    "a property of an object": script("print(watcher.value)\n" + LOSS + ZERO, "watcher = Watcher(net)\n"),
    "an object around lines": script("with watcher:\n    x = 2 * x\n" + LOSS + ZERO, "watcher = Watcher(net)\n"),
    "an object that a function makes": script(
        "print(watcher)\n" + LOSS + ZERO, "def make(net):\n    return Watcher(net)\nwatcher = make(net)\n"
    ),
    "a method with a name": script("print(look())\n" + LOSS + ZERO, "watcher = Watcher(net)\nlook = watcher.report\n"),
    "a function that attacks": script(
        "x = both(x, y)\n" + LOSS + ZERO, "def both(x, y):\n    return 0.5 * (x + attack(net, x, y))\n"
    ),
    "an attack that is chosen": script(
        "x = chosen(net, x, y)\n" + LOSS + ZERO, "chosen = attack if len(data) else double\n"
    ),
    "an attack by its name": script("x = attacks['fast'](net, x, y)\n" + LOSS + ZERO, "attacks = {'fast': attack}\n"),
    "a lambda": script("x = act(x, y)\n" + LOSS + ZERO, "act = lambda a, b: attack(net, a, b)\n"),
    "one of several objects": script("x = all_of[0](x, y)\n" + LOSS + ZERO, "all_of = [Attacker(net)]\n"),
    "a method of a network of another file": script("x = net.perturb(x, y)\n" + LOSS + ZERO, TAUGHT),
    "a new group": script("grow(i)\n" + LOSS + ZERO),
    "a group that grows": script(
        "if epoch and not i: optimizer.param_groups[0]['params'].append(more)\n" + LOSS + ZERO
    ),
    "a forward pass with a backward pass": script(LOSS + ZERO, ODD),
    "a loss with a backward pass": script("loss = criterion(net(x), y)\n" + ZERO, PROBING),
    "an operator": script("x = x + probing\n" + LOSS + ZERO, PROBING),
    "a context": script("with probing:\n    x = 2 * x\n" + LOSS + ZERO, PROBING),
    "a function that is a training of its own": script(
        "train(net, x)\n" + LOSS + ZERO,
        "def train(net, x):\n    for _ in range(2):\n        net(x).sum().backward()\n\ntrain(net, torch.ones(1, 4))\n",
    ),
    "a list of functions": script("for act in acts: act(net, x)\n" + LOSS + ZERO, PROBING),
}

TRAINERS = {
    "an object that holds the model and the optimizer": """
class Training:
    def __init__(self):
        self.model, self.optimizer = net, optimizer

    def run(self):
        for epoch in range(3):
            for x, y in data:
                x = attack(self.model, x, y)
                loss = nn.functional.mse_loss(self.model(x), y)
                self.optimizer.zero_grad()
                loss.backward()
                self.optimizer.step()
            print(epoch, loss.item())

Training().run()
""",
    "an object that is handed the model and the optimizer": """
class Training:
    def __init__(self, model, optimizer):
        self.model = model
        self.optimizer = optimizer

    def run(self):
        network = self.model
        for epoch in range(3):
            for x, y in data:
                x = attack(network, x, y)
                loss = nn.functional.mse_loss(self.model(x), y)
                self.optimizer.zero_grad()
                loss.backward()
                self.optimizer.step()
            print(epoch, loss.item())

Training(net, optimizer).run()
""",
    "a function that is handed the model": """
def train(model, optimizer):
    for x, y in data:
        x = attack(model, x, y)
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(model(x), y)
        loss.backward()
        optimizer.step()
    print(loss.item())

with torch.autograd.set_detect_anomaly(False):
    for name in ["first", "second"]:
        train(net, optimizer)
""",
    "a parameter of the function": """
def train(attack):
    for epoch in range(3):
        for x, y in data:
            x = attack(x, y)
            optimizer.zero_grad()
            loss = nn.functional.mse_loss(net(x), y)
            loss.backward()
            optimizer.step()
        print(epoch, loss.item())

train(adversary)
""",
    "an object that a constructor is given": """
class Training:
    def __init__(self, model, attack):
        self.model, self.attack = model, None
        self.attack = attack

    def run(self):
        for epoch in range(3):
            for x, y in data:
                x = self.attack(x, y)
                optimizer.zero_grad()
                loss = nn.functional.mse_loss(self.model(x), y)
                loss.backward()
                optimizer.step()
            print(epoch, loss.item())

Training(net, adversary).run()
""",
    "an attribute": """
class Training:
    def __init__(self):
        self.attack = Attacker(net)

    def run(self):
        for epoch in range(3):
            for x, y in data:
                x = self.attack(x, y)
                optimizer.zero_grad()
                loss = nn.functional.mse_loss(net(x), y)
                loss.backward()
                optimizer.step()
            print(epoch, loss.item())

Training().run()
""",
}


@pytest.mark.parametrize("text", TRAINERS.values(), ids=TRAINERS)
def test_an_attacker_that_is_handed_in(text: str, runner: Runner) -> None:
    head = script("", "adversary = Attacker(net)\n").split("for epoch")[0]
    assert _clears_where_the_script_does(_compared(head + text, runner))


@pytest.mark.parametrize("text", AUTOMATIC.values(), ids=AUTOMATIC)
def test_the_trainer_clears_gradients(text: str, runner: Runner) -> None:
    after = _compared(text, runner)
    assert "automatic_optimization = False" not in after and "zero_grad" not in after


@pytest.mark.parametrize("text", IN_PLACE.values(), ids=IN_PLACE)
def test_the_script_clears_gradients(text: str, runner: Runner) -> None:
    assert _clears_where_the_script_does(_compared(text, runner))


def _clears_where_the_script_does(after: str) -> bool:
    """By the script's own line, or by the Trainer just in front of the backward pass."""
    itself = '"""The script clears the gradients itself."""' in after
    late = "self.late_zero_grad = True" in after
    return itself is not late and itself is ("zero_grad()" in after)


@pytest.mark.parametrize("line", ["grow(2)", "optimizer.param_groups[0]['params'] += [more]"])
def test_new_parameters_keep_the_gradients_that_they_have(line: str, runner: Runner) -> None:
    step, first = "        optimizer.step()\n", f"    if epoch:\n        {line}\n"
    late = script(LOSS).replace(step, step + "        optimizer.zero_grad()\n")
    text = late.replace("    for i, (x, y)", f"{first}    for i, (x, y)")
    _compared(text, runner)


@pytest.mark.parametrize("text", [AUTOMATIC["an attack behind it"], IN_PLACE["an attack"]], ids=["behind", "in front"])
def test_lightning_alone_clears_them_later(text: str, runner: Runner) -> None:
    _compared(text, runner, "lightning")


def _compared(text: str, runner: Runner, target: str = "runtime") -> str:
    result = convert_text(text, options=Options(target=target))
    assert isinstance(result, Converted), result.diagnostics
    beside = {"attacks.py": ATTACKS}
    before = runner.run(text, beside=beside)
    assert not before.status, before.error
    assert first_difference(before, runner.run(result.after, beside=beside)) is None
    return result.after
