"""Optimizers whose class is out of sight, or that may not be there: what the Trainer may step, and what it may not."""

from __future__ import annotations

import textwrap

import pytest

from refactorer.converter import convert_text
from refactorer.options import Options
from refactorer.result import Converted
from tests.fixtures_harness import Runner, first_difference

HEAD = """
import torch
from torch import nn, optim
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset


class Drawing(torch.optim.Optimizer):
    def __init__(self, params, lr=0.1):
        super().__init__(params, dict(lr=lr))

    def step(self):
        for group in self.param_groups:
            for p in group["params"]:
                p.data -= group["lr"] * p.grad + 0.01 * torch.randn_like(p)


class Wrapper:
    def __init__(self, inner):
        self.inner, self.steps = inner, 0

    def zero_grad(self):
        self.inner.zero_grad()

    def step(self):
        self.steps += 1
        self.inner.step()
        print("stepped", self.steps)


def make(name, model):
    if name == "drawing":
        return Drawing(model.parameters())
    if name == "wrapper":
        return Wrapper(optim.SGD(model.parameters(), lr=0.1))
    return getattr(optim, name)(model.parameters(), lr=0.1)


def pick(name, model):
    if name == "SGD":
        return optim.SGD(model.parameters(), lr=0.1)
    elif name == "Adam":
        return optim.Adam(model.parameters())


torch.manual_seed(0)
points = torch.randn(24, 3)
loader = DataLoader(TensorDataset(points, (points.sum(1) > 0).long()), batch_size=4, shuffle=True)
model = nn.Sequential(nn.Linear(3, 5), nn.Dropout(0.2), nn.Linear(5, 2))
"""
PLAIN = HEAD[: HEAD.index("class Drawing")] + HEAD[HEAD.index("torch.manual_seed") :]
STEP = """
loss = F.cross_entropy(model(x), y)
optimizer.zero_grad()
loss.backward()
optimizer.step()
"""
LOOP = """
for epoch in range(2):
    for x, y in loader:
{step}
        print(epoch, loss.item(), model[0].weight.sum().item(), torch.rand(1).item())
"""
MAKERS = {
    "own class": "optimizer = Drawing(model.parameters())",
    "wrapper": "optimizer = Wrapper(optim.Adam(model.parameters()))",
    "factory": "optimizer = make('wrapper', model)",
    "by name": "optimizer = getattr(optim, 'Adagrad')(model.parameters())",
    "by name in a factory": "optimizer = make('RMSprop', model)",
    "from a factory that may make none": "optimizer = pick('Adam', model)",
    "from a factory that makes none": "optimizer = pick('Adamax', model)",
    "LBFGS by name": "optimizer = getattr(optim, 'LBFGS')(model.parameters())",
    "LBFGS": "optimizer = optim.LBFGS(model.parameters())",
    "one of two": "if len(loader) > 3:\n    optimizer = Drawing(model.parameters())\nelse:\n"
    "    optimizer = optim.SGD(model.parameters(), lr=0.1)",
    "under a condition": "if len(loader) > 3:\n    optimizer = optim.SGD(model.parameters(), lr=0.1)",
    "none at first": "optimizer = None\nif len(loader) > 3:\n    optimizer = make('Adam', model)",
    "never": "if len(loader) > 30:\n    optimizer = optim.SGD(model.parameters(), lr=0.1)",
}

NONE = (MAKERS["never"], MAKERS["from a factory that makes none"])


def script(maker: str, step: str = STEP, loop: str = LOOP, head: str = HEAD) -> str:
    return head + maker + "\n" + loop.format(step=textwrap.indent(step.strip(), " " * 8))


def converted(text: str) -> str:
    result = convert_text(text)
    assert isinstance(result, Converted), result.diagnostics
    return result.after


@pytest.mark.parametrize("maker", MAKERS.values(), ids=MAKERS)
def test_the_trainer_steps_what_it_does_not_know(maker: str, runner: Runner) -> None:
    """Also what cannot be stepped so ends with the script's own exception, after the script's own lines."""
    before, after = script(maker), converted(script(maker))
    assert "manual_backward" not in after and "automatic_optimization = False" not in after
    first, second = runner.run(before), runner.run(after)
    if maker in NONE:  # None stands for a name that is not bound, and is asked to clear gradients before the forward
        assert first.status == second.status != 0 and first.lines == second.lines
    else:
        assert first_difference(first, second) is None


@pytest.mark.parametrize("name", ["own class", "wrapper", "by name", "LBFGS"])
def test_lines_behind_an_unknown_step_stay_behind_it(name: str) -> None:
    step = STEP + "print(loss.item())"
    after = converted(script(MAKERS[name], step, LOOP.replace("        print(", "        (")))
    assert after.index("def on_train_batch_end") < after.index('loss = outputs["loss"]') < after.index("self.print(")


def test_lines_behind_a_known_step_still_stand_in_front_of_it() -> None:
    loop = "for epoch in range(2):\n    for x, y in loader:\n{step}\n        print(loss.item())\n"
    after = converted(script(MAKERS["under a condition"], STEP, loop))
    assert "on_train_batch_end" not in after and "self.automatic_closure = False" in after


@pytest.mark.parametrize("maker", ["optimizer = optim.SGD(model.parameters(), lr=0.1)", MAKERS["own class"]])
def test_a_class_that_is_written_out_needs_no_closure(maker: str) -> None:
    assert "automatic_closure" not in converted(script(maker))


MANUAL = {
    "cleared with an argument": STEP.replace("zero_grad()", "zero_grad(True)"),
    "stepped twice": STEP + "optimizer.step()",
    "stepped under a condition": STEP.replace("optimizer.step()", "if loss.item() > 0: optimizer.step()"),
    "stepped with an argument": STEP.replace("optimizer.step()", "optimizer.step(None)"),
}


@pytest.mark.parametrize("step", MANUAL.values(), ids=MANUAL)
def test_the_script_steps_it_otherwise(step: str) -> None:
    result = convert_text(script(MAKERS["wrapper"], step))
    assert isinstance(result, Converted)
    assert "self.automatic_optimization = False" in result.after and "automatic_closure" not in result.after
    assert "N101" in {note.code for note in result.diagnostics}


def test_the_script_clears_behind_the_step_where_code_may_see_it(runner: Runner) -> None:
    before = script(
        MAKERS["wrapper"],
        STEP.replace("optimizer.zero_grad()\n", "") + "optimizer.zero_grad()\nprint(model.weight.grad)",
    )
    after = converted(before)
    assert "def optimizer_zero_grad" in after and "        self.optimizer.zero_grad()\n" in after
    assert first_difference(runner.run(before), runner.run(after)) is None


SEVERAL = """
class Agent:
    def __init__(self):
        self.net = nn.Linear(3, 2)
        self.optimizer = optim.SGD(self.net.parameters(), lr=0.1)


def train(agents):
    for epoch in range(2):
        for agent in agents:
            loss = F.cross_entropy(agent.net(points), (points.sum(1) > 0).long())
            agent.optimizer.zero_grad()
            loss.backward()
            agent.optimizer.step()
            print(epoch, loss.item())


train([Agent() for _ in range(3)])
"""
PAIRS = """
nets = [nn.Linear(3, 2) for _ in range(3)]
for epoch in range(2):
    for net, optimizer in zip(nets, [make("drawing", net) for net in nets]):
        loss = F.cross_entropy(net(points), (points.sum(1) > 0).long())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        print(epoch, loss.item())
"""


@pytest.mark.parametrize("text", [SEVERAL, PAIRS], ids=["held", "in pairs"])
def test_an_optimizer_that_the_loop_itself_sets(text: str, runner: Runner) -> None:
    after = converted(HEAD + text)
    assert "self.automatic_optimization = False" in after
    assert first_difference(runner.run(HEAD + text), runner.run(after)) is None


TRAINER = """
class Runner:
    def __init__(self, model, loader):
        self.model, self.loader, self.steps = model, loader, 0
        self.optimizer = {made}

    def fit(self):
        {before}
        for epoch in range(2):
            for x, y in self.loader:
                loss = F.cross_entropy(self.model(x), y)
                self.optimizer.zero_grad()
                loss.backward()
                self.optimizer.step()
                self.steps += 1
                print(self.steps, loss.item(), torch.rand(1).item())
                {behind}
{more}

runner = Runner(model, loader)
print(runner.fit(), runner.steps, sum(p.sum().item() for p in model.parameters()), torch.rand(1))
"""
SGD = "optim.SGD(model.parameters(), lr=0.1)"
HELD = [
    {"made": SGD},
    {"made": "make('drawing', model)"},
    {"made": "None", "before": "self.optimizer = make('wrapper', self.model)"},
    {"made": SGD, "before": "if self.steps == 0: self.optimizer = make('drawing', self.model)"},
    {"made": SGD, "behind": "if self.steps == 8: return 'early'"},
    {"made": SGD, "behind": "if self.steps == 2: break"},
    {"made": SGD, "behind": "print(self.optimizer.param_groups[0]['lr'])"},
]


def trainer(made: str, before: str = "pass", behind: str = "pass", more: str = "") -> str:
    return HEAD + TRAINER.format(made=made, before=before, behind=behind, more=more)


@pytest.mark.parametrize("parts", HELD, ids=str)
def test_an_optimizer_that_an_object_holds(parts: dict[str, str], runner: Runner) -> None:
    before = trainer(**parts)
    after = converted(before)
    assert "manual_backward" not in after and "return self.runner.optimizer" in after
    assert first_difference(runner.run(before), runner.run(after)) is None


BRANCHES = """
if len(loader) > {least}:
    optimizer = optim.SGD(model.parameters(), lr=0.1)
else:
    optimizer = optim.Adam({other}.parameters())
"""


@pytest.mark.parametrize("least", [3, 30])
def test_the_network_clears_what_any_branch_gave_its_optimizer(least: int, runner: Runner) -> None:
    step = STEP.replace("optimizer.zero_grad()", "model.zero_grad()")
    before = script(BRANCHES.format(least=least, other="model"), step, head=PLAIN)
    after = converted(before)
    assert "manual_backward" not in after and "zero_grad" not in after
    assert first_difference(runner.run(before), runner.run(after)) is None


def test_the_network_does_not_clear_all_that_some_branch_gave_its_optimizer(runner: Runner) -> None:
    step = STEP.replace("optimizer.zero_grad()", "model.zero_grad()")
    before = script("other = nn.Linear(2, 2)\n" + BRANCHES.format(least=30, other="other"), step, head=PLAIN)
    after = converted(before)
    assert "def optimizer_zero_grad(" in after and "        self.model.zero_grad()" in after
    assert first_difference(runner.run(before), runner.run(after)) is None


COUNTING = (
    PLAIN
    + """
class Counting:
    def __init__(self, inner):
        self.inner, self.cleared = inner, 0

    def zero_grad(self):
        self.cleared += 1
        print("cleared", self.cleared, torch.rand(1).item())
        self.inner.zero_grad()

    def step(self):
        self.inner.step()


optimizer = Counting(optim.SGD(model.parameters(), lr=0.1))
for epoch in range(2):
    for x, y in loader:
        {first}
        loss = F.cross_entropy(model(x), y)
        print(loss.item())
        {second}
        loss.backward()
        optimizer.step()
"""
)
CLEARS = "optimizer.zero_grad()"


@pytest.mark.parametrize(("first", "second"), [(CLEARS, "pass"), ("pass", CLEARS), (CLEARS, CLEARS)])
def test_clearing_that_does_more_keeps_its_place(first: str, second: str, runner: Runner) -> None:
    before = COUNTING.format(first=first, second=second)
    after = converted(before)
    assert ("manual_backward" not in after) is (second == "pass")
    assert first_difference(runner.run(before), runner.run(after)) is None


PARTS = {
    "optimizer = optim.SGD(filter(lambda p: p.requires_grad, model.parameters()), lr=0.1)": True,
    "optimizer = optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.1)": True,
    "optimizer = optim.SGD([{'params': p} for p in model.parameters()], lr=0.1)": False,
    "optimizer = optim.SGD([q for p in model.parameters() for q in [p]], lr=0.1)": False,
}


@pytest.mark.parametrize("maker", PARTS)
def test_the_network_clears_the_part_that_the_optimizer_was_given(maker: str, runner: Runner) -> None:
    step = STEP.replace("optimizer.zero_grad()", "model.zero_grad()")
    before = script("model[0].bias.requires_grad_(False)\n" + maker, step, head=PLAIN)
    after = converted(before)
    assert "manual_backward" not in after and ("def optimizer_zero_grad(" in after) is not PARTS[maker]
    assert first_difference(runner.run(before), runner.run(after)) is None


REPLACED = [
    {"made": SGD, "behind": "self.again()", "more": "    def again(self):\n        self.optimizer = " + SGD},
    {"made": SGD, "behind": "if self.steps == 5: self.optimizer = make('drawing', self.model)"},
    {"made": SGD, "behind": "setattr(self, 'optim' + 'izer', make('drawing', self.model))"},
    {"made": SGD, "behind": "self.more()", "more": "    def more(self):\n        self.optimizer.step()"},
]


@pytest.mark.parametrize("parts", REPLACED, ids=str)
def test_an_optimizer_that_an_object_may_replace(parts: dict[str, str], runner: Runner) -> None:
    before = trainer(**parts)
    after = converted(before)
    assert "self.automatic_optimization = False" in after and "manual_backward" in after
    assert first_difference(runner.run(before), runner.run(after)) is None


def test_an_object_of_another_file() -> None:
    text = (
        "from agents import agent\n"
        + HEAD
        + """
def fit(agent):
    for x, y in loader:
        loss = F.cross_entropy(agent.model(x), y)
        agent.optimizer.zero_grad()
        loss.backward()
        agent.optimizer.step()

fit(agent)
"""
    )
    assert "return self.agent.optimizer" in converted(text)


def test_lightning_alone_would_give_it_a_closure() -> None:
    result = convert_text(script(MAKERS["own class"]), options=Options(target="lightning"))
    assert not isinstance(result, Converted) or "self.automatic_optimization = False" in result.after


UNDER = """
loss = F.cross_entropy(model(x), y)
print(epoch, loss.item(), torch.rand(1).item())
if loss < LEAST:
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    print("stepped", loss.item())
else:
    print("left")
"""
ALWAYS = [
    name
    for name in MAKERS
    if MAKERS[name] not in NONE and not any(word in name for word in ("may", "under", "at first"))
]


@pytest.mark.parametrize("name", ALWAYS)
def test_a_step_that_stands_under_a_condition(name: str, runner: Runner) -> None:
    before = script(MAKERS[name], UNDER.replace("LEAST", "0.7"), LOOP[: LOOP.index("        print")])
    after = converted(before)
    assert "manual_backward" not in after and "return None" in after
    assert first_difference(runner.run(before), runner.run(after)) is None


@pytest.mark.parametrize("jump", [False, True])
@pytest.mark.parametrize("name", [name for name in MAKERS if name not in ALWAYS])
def test_no_batch_needs_the_optimizer(name: str, jump: bool, runner: Runner) -> None:
    step = "print(x.sum().item())\nif epoch < 9: continue\n" + STEP if jump else UNDER.replace("LEAST", "-1.0")
    before = script(MAKERS[name], step, LOOP[: LOOP.index("        print")])
    assert first_difference(runner.run(before), runner.run(converted(before))) is None
