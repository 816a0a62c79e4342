"""Methods that compute gradients are entered where a call surely means them, and stay in their class elsewhere."""

from __future__ import annotations

import pytest

import refactorer
from refactorer.result import Converted

HEAD = """
import torch

class Agent:
    def __init__(self):
        self.net = torch.nn.Linear(2, 1)
        self.optimizer = torch.optim.SGD(self.net.parameters(), lr=0.1)

    def learn(self, x, y):
        loss = (self.net(x) - y).square().mean()
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
"""
MAIN = """
def main(loader):
    agent = Agent()
    for epoch in range(3):
        for x, y in loader:
            agent.learn(x, y)
"""
FIT = """
    def fit(self, loader):
        for epoch in range(3):
            for x, y in loader:
                self.learn(x, y)
"""


def converted(text: str) -> str:
    result = refactorer.convert(text)
    assert isinstance(result, Converted), result
    return result.after


@pytest.mark.parametrize("rest", [MAIN, FIT], ids=["of an object", "of the same object"])
def test_a_method_is_entered(rest: str) -> None:
    text = converted(HEAD + rest)
    assert "def learn" not in text
    assert "self.automatic_optimization = False" not in text
    assert "net(x) - y).square().mean()\n\n    def configure_optimizers" in text


def test_it_is_entered_on_behalf_of_a_loop_that_steps_once_for_many_gradients() -> None:
    text = converted("""
import torch

class Policy(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(2, 1)
        self.data = []
        self.optimizer = torch.optim.SGD(self.parameters(), lr=0.1)

    def learn(self):
        self.optimizer.zero_grad()
        for x in self.data:
            self.layer(x).sum().backward()
        self.optimizer.step()
        self.data = []

def play(policy):
    return [torch.randn(2) + policy.layer.bias.detach()]

def main():
    policy = Policy()
    for episode in range(30):
        policy.data.extend(play(policy))
        policy.learn()
""")
    assert text.count("Trainer(") == 1
    assert "def learn" not in text


MAKER = "class Base:\n    def __new__(cls):\n        return object.__new__(Quiet)\n"
OTHER_CLASS = "class Other(Agent):\n    def learn(self, x, y):\n        print(x)\n"


@pytest.mark.parametrize(
    "text",
    [
        HEAD + MAIN.replace("Agent()", "make(Agent)"),
        HEAD + MAIN.replace("    for epoch", "    agent.learn = print\n    for epoch"),
        HEAD + MAIN.replace("    for epoch", "    agent.__dict__.update(learn=print)\n    for epoch"),
        HEAD + MAIN.replace("    for epoch", "    setattr(agent, name, print)\n    for epoch"),
        HEAD + MAIN + "    print(hasattr(agent, 'learn'))\n",
        HEAD + MAIN + "    print(dir(agent))\n",
        HEAD + FIT + OTHER_CLASS,
        HEAD.replace("class Agent", "@register\nclass Agent") + MAIN,
        HEAD.replace("class Agent", "class Agent(Base)") + MAIN,
        HEAD.replace("class Agent", "class Agent(metaclass=Base)") + MAIN,
        HEAD.replace("    def learn", "    @timed\n    def learn") + MAIN,
        HEAD.replace("learn", "train").replace("class Agent", "class Agent(torch.nn.Module)")
        + MAIN.replace("learn", "train"),
        HEAD + FIT + "class Other(Agent):\n    learn = lambda self, x, y: print(x)\n",
        HEAD + FIT + "Other = type('Other', (Agent,), dict(learn=print))\n",
        HEAD + FIT + "Agent().fit([])\nhelper.run(Agent())\n",
        HEAD + "    again = learn\n" + MAIN,
        HEAD.replace("learn", "__call__") + MAIN.replace("learn", "__call__") + "    agent(1, 2)\n",
        HEAD + MAIN + "print(sorted(vars(Agent)))\n",
        HEAD + MAIN + "    print(vars(type(agent)))\n",
        HEAD + MAIN + "    print([hasattr(agent, name) for name in names])\n",
        HEAD + MAIN.replace("    for epoch", "    agent.__class__ = Quiet\n    for epoch"),
        MAKER + HEAD.replace("class Agent", "class Agent(Base)") + MAIN,
        HEAD + MAIN + "    helper.run(agent)\n",
        HEAD + MAIN + "    env.run([agent])\n",
        HEAD + MAIN + "    show(agent)\ndef show(shown):\n    helper.run(shown)\n",
        HEAD + "        helper.run(self)\n" + MAIN,
        HEAD + MAIN + "    box.agent = agent\n    helper.run(box.agent)\n",
        HEAD + "        print(locals())\n" + MAIN,
        HEAD + "        print(__class__)\n" + MAIN,
        HEAD + "        yield loss\n" + MAIN,
        HEAD + "        if loss > 1:\n            return\n        print(loss)\n" + MAIN,
    ],
    ids=[
        "made elsewhere", "set anew", "set by __dict__", "set by name", "asked for by name", "listed",
        "overridden", "class decorated", "unknown base", "metaclass", "method decorated", "a method of torch",
        "overridden by a lambda", "overridden by type()", "used out of sight", "named in the class",
        "called by Python", "class listed", "class of an object listed", "asked for by any name",
        "class replaced", "class that makes others", "object given away", "object given away in a list",
        "object given on and away", "self given away", "attribute given away", "locals", "its own class",
        "generator", "early return",
    ],
)  # fmt: skip
def test_otherwise_it_stays(text: str) -> None:
    assert "        loss.backward()\n" in converted(text)


@pytest.mark.parametrize(
    "rest",
    [
        "    print(agent, isinstance(agent, Agent), agent.net)\n    torch.save(agent, 'agent.pt')\n",
        "    print(type(agent).__name__, agent.__class__.__name__, vars(agent))\n",
        "    show(agent)\ndef show(shown: Agent):\n    print(shown.net)\n",
        "    helper.run(agent.net)\n",
    ],
)
def test_it_is_entered_where_its_object_stays_in_sight(rest: str) -> None:
    assert "def learn" not in converted(HEAD + MAIN + rest)


def test_an_object_that_the_training_makes_anew_holds_no_optimizer_for_the_trainer() -> None:
    text = converted(HEAD + MAIN.replace("    agent = Agent()\n", "").replace(
        "        for x", "        agent = Agent()\n        for x"))  # fmt: skip
    assert "self.automatic_optimization = False" in text


@pytest.mark.parametrize("name", ["locals", "vars", "globals"])
def test_a_function_that_looks_at_its_variables_stays(name: str) -> None:
    text = converted(f"""
import torch
net = torch.nn.Linear(2, 1)
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)

def learn(x, y):
    loss = (net(x) - y).square().mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    print(sorted({name}()))

def main(loader):
    for x, y in loader:
        learn(x, y)
""")
    assert "\ndef learn(x, y):" in text
