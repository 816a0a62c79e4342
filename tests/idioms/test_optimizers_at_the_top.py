"""Objects at the top of a file that hold the networks and optimizers of a training: `agent = Agent()`."""

from __future__ import annotations

import textwrap

import pytest

from refactorer.converter import convert_text
from refactorer.result import Converted
from tests.fixtures_harness import Runner, first_difference

HEAD = """
import copy
import torch
from torch import nn, optim
torch.manual_seed(0)
points = torch.randn(12, 3)
loader = [(points[i : i + 4], points[i : i + 4].sum(1, keepdim=True)) for i in range(0, 12, 4)]
class Agent:
    {kind}
    def __init__(self):
        self.net = nn.Sequential(nn.Linear(3, 5), nn.Dropout(0.2), nn.Linear(5, 1))
        self.target = copy.deepcopy(self.net)
        self.optimizer = optim.SGD(self.net.parameters(), lr=0.1, momentum=0.9)
        self.steps = 0
    def learn(self, x, y):
        loss = (self.net(x) - self.target(x).detach() - y).pow(2).mean()
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.steps += 1
        {end}
        return loss
def again():
    {again}
agent = Agent()
{behind}
"""
LOOP = """
for epoch in range(3):
    for i, (x, y) in enumerate(loader):
        loss = agent.learn(x, y)
        print(repr(loss.item()), agent.steps)
    {last}
"""
TAIL = "print(agent.steps, sum(p.sum().item() for p in agent.net.parameters()), torch.rand(1).item())\n"


def script(
    kind: str = "pass", end: str = "pass", again: str = "pass", behind: str = "pass", last: str = "pass",
    inside: bool = False,
) -> str:  # fmt: skip
    loop = LOOP.format(last=last)
    function = f"def main():\n{textwrap.indent(loop, '    ')}\nmain()\n" if inside else loop
    return HEAD.format(kind=kind, end=end, again=again, behind=behind) + function + TAIL


RENEWED = "agent.optimizer = optim.SGD(agent.net.parameters(), lr=0.01)"
HELD = {
    "in the file": script(),
    "in a function": script(inside=True),
    "an optimizer set in front": script(behind=RENEWED),
    "a target that is loaded": script(last="agent.target.load_state_dict(agent.net.state_dict())"),
    "a target that is replaced": script(last="agent.target = copy.deepcopy(agent.net)"),
    "another name for it": script(behind="other = agent", last="print(other.net(points).sum().item())"),
    "another object": script(behind="other = Agent()", last="agent.net.load_state_dict(other.net.state_dict())"),
    "a learning rate": script(last="agent.optimizer.param_groups[0]['lr'] *= 0.5"),
    "shown": script(kind="def __repr__(self): return f'agent {self.steps}'", last="print(agent)"),
    "copied": script(last="print(copy.deepcopy(agent).steps)"),
    "used by a function": script(again="print(agent.net(points).sum().item())", last="again()"),
    "a name that the Trainer has": script(behind="trainer = module = 3", last="print(trainer, module)"),
}
NOT_HELD = {
    "an optimizer of the class": script(kind="optimizer = None"),
    "an optimizer that is replaced": script(last=f"if epoch == 1: {RENEWED}"),
    "an optimizer that a function replaces": script(again=RENEWED, last="again()"),
    "an optimizer that the step replaces": script(
        end="if self.steps == 4: self.optimizer = optim.SGD(self.net.parameters(), lr=0.01)"
    ),
    "another name that replaces it": script(
        behind="other = agent", last="other.optimizer = optim.SGD(other.net.parameters(), lr=0.01)"
    ),
    "an object that is replaced": script(last="if epoch == 1: agent = Agent()"),
    "an object that a function replaces": script(again="global agent; agent = Agent()", last="again()"),
    "an object that is replaced by a text": script(
        again="globals()['agent'] = Agent()", last="if epoch == 1: again()", inside=True
    ),
    "an object of the module that is replaced": script(
        again="import __main__; __main__.agent = Agent()", last="if epoch == 1: again()"
    ),
    "an object of the modules that is replaced": script(
        again="import sys; sys.modules[__name__].agent = Agent()", last="if epoch == 1: again()"
    ),
    "an object that is executed": script(again="exec('agent = Agent()', agent.learn.__globals__)", last="again()"),
    "attributes by name": script(last="setattr(agent, 'optimizer', optim.SGD(agent.net.parameters(), lr=0.01))"),
}


@pytest.mark.parametrize("text", HELD.values(), ids=HELD)
def test_the_module_is_given_the_object(text: str, runner: Runner) -> None:
    after = _compared(text, runner)
    assert "return self.agent.optimizer" in after and "automatic_optimization = False" not in after
    assert "LitModel(agent" in after and "self.net = agent.net" in after


@pytest.mark.parametrize("text", NOT_HELD.values(), ids=NOT_HELD)
def test_the_script_steps_it(text: str, runner: Runner) -> None:
    assert "return self.agent.optimizer" not in _compared(text, runner)


def test_networks_that_are_set_together(runner: Runner) -> None:
    apart = "        self.net = nn.Sequential(nn.Linear(3, 5), nn.Dropout(0.2), nn.Linear(5, 1))\n"
    together = "        self.net, self.target = nn.Linear(3, 1), nn.Linear(3, 1)\n"
    text = script().replace(apart, together).replace("        self.target = copy.deepcopy(self.net)\n", "")
    after = _compared(text, runner)
    assert "self.net = agent.net" in after and "self.target = agent.target" in after


def test_several_optimizers_are_given_to_the_trainer(runner: Runner) -> None:
    second = "self.optimizer.zero_grad(); (self.net(x) ** 2).mean().backward(); self.optimizer.step()"
    after = _compared(script(end=second), runner)
    assert "optimizer = self.optimizers()" in after and "return self.agent.optimizer" in after


def test_the_parts_of_a_network_stay_parts_of_it(runner: Runner) -> None:
    text = script().replace("class Agent:", "class Agent(nn.Module):")
    text = text.replace("__init__(self):", "__init__(self):\n        super().__init__()")
    after = _compared(text, runner)
    assert "self.agent.net(x)" in after and "agent.net\n" not in after


DEVICE = 'device = torch.device("cuda" if torch.cuda.is_available() else "cpu")\nclass Agent'


@pytest.mark.parametrize(
    ("made", "used", "in_place"),
    [("nn.Linear(3, 1)", "x", False), ("copy.deepcopy(self.net).cpu()", "x.cpu()", True)],
)
def test_a_network_on_the_cpu_stays_there(made: str, used: str, in_place: bool, runner: Runner) -> None:
    text = script().replace("class Agent", DEVICE).replace("nn.Linear(5, 1))", "nn.Linear(5, 1)).to(device)")
    text = text.replace("copy.deepcopy(self.net)", made).replace("self.net(x)", "self.net(x.to(device))")
    text = text.replace("self.target(x).detach()", f"self.target({used}).detach().to(device)")
    text = text.replace("- y)", "- y.to(device))")
    after = _compared(text, runner)
    assert ("Trainer(max_epochs=3)" in after) is in_place or "self.agent.target(" in after


def _compared(text: str, runner: Runner) -> str:
    result = convert_text(text)
    if not isinstance(result, Converted):
        return text
    assert first_difference(runner.run(text), runner.run(result.after)) is None
    return result.after


BY_NAME = [
    "globals()['net'] = nn.Linear(3, 1)", "globals().update(net=nn.Linear(3, 1))",
    "import __main__; __main__.net = nn.Linear(3, 1)", "import sys; sys.modules[__name__].net = nn.Linear(3, 1)",
    "import __main__; setattr(__main__, 'net', nn.Linear(3, 1))", "again.__globals__['net'] = nn.Linear(3, 1)",
    "globals()['steps'] = optim.SGD(net.parameters(), lr=0.5)", "g = globals(); g |= {'net': nn.Linear(3, 1)}",
    "import operator; operator.setitem(globals(), 'net', nn.Linear(3, 1))",
]  # fmt: skip
READ = ["print('torch' in __import__('sys').modules)", "print(globals()['net'].bias.item())"]


@pytest.mark.parametrize("line", [*BY_NAME, *READ])
def test_a_function_that_binds_a_network_by_its_name(line: str, runner: Runner) -> None:
    text = script(again=line, last="again()", inside=True).replace("agent.learn(x, y)", "learn(x, y)")
    learning = """
net = nn.Linear(3, 1)
steps = optim.SGD(net.parameters(), lr=0.1)
def learn(x, y):
    loss = (net(x) - y).pow(2).mean()
    steps.zero_grad()
    loss.backward()
    steps.step()
    return loss
"""
    text = text.replace("agent = Agent()\n", "agent = Agent()\n" + learning)
    result = convert_text(text)
    assert isinstance(result, Converted)
    assert first_difference(runner.run(text), runner.run(result.after)) is None


def test_a_method_that_is_given_something_on_the_cpu_is_no_network(runner: Runner) -> None:
    text = script(kind="def show(self, x): return x.sum().item()").replace("class Agent", DEVICE)
    text = text.replace("nn.Linear(5, 1))", "nn.Linear(5, 1)).to(device)").replace("(x)", "(x.to(device))")
    text = text.replace("- y)", "- y.to(device))")
    text = text.replace("        self.steps += 1", "        self.steps += 1\n        print(self.show(x.cpu()))")
    assert "device=device" in _compared(text, runner)
