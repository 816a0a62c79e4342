"""Counts of batches that a script makes itself are the Trainer's `global_step`, where that is the same number."""

from __future__ import annotations

import re

import pytest

from refactorer import convert
from refactorer.result import Converted
from tests.fixtures_harness import Runner, first_difference

HEAD = """import torch
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
loader = DataLoader(TensorDataset(torch.randn(20, 3), torch.randn(20, 1)), batch_size=4)
model = torch.nn.Linear(3, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
"""
STEP = """
        loss = ((model(x) - y) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
"""


def script(body: str) -> str:
    """A script whose `STEP` is the usual step, indented like the line that it stands on."""

    def step(found: re.Match[str]) -> str:
        return "\n".join(found[1] + line.strip() for line in STEP.strip().splitlines())

    return HEAD + re.sub(r"( *)STEP", step, body.strip("\n")) + "\nprint(torch.rand(1))\n"


def epochs(
    front: str = "step = 0", first: str = "", counting: str = "step += 1", then: str = "print(step, loss.item())",
    end: str = "print('end', epoch, step)", behind: str = "", count: str = "range(3)"
) -> str:  # fmt: skip
    """Three epochs, with lines in front of the step, to count, behind it, and at the end of the epoch."""
    inner = [line for part in (first, "STEP", counting, then) for line in part.splitlines()]
    lines = [front, f"for epoch in {count}:", "    for x, y in loader:", *(f"        {line}" for line in inner)]
    return script("\n".join([*lines, *(f"    {line}" for line in end.splitlines()), behind]))


SUPPLIED = {
    "behind the step": epochs(),
    "in front of the step": epochs(first="step += 1\nprint('a', step)", counting=""),
    "read in front": epochs(first="print('in front', step)"),
    "in front of the step, and read behind it": epochs(
        first="step += 1", counting="", then="print(step, model.weight.sum().item())"),
    "read with what the step changes": epochs(then="print(step, model.weight.sum().item())"),
    "counted from minus one": epochs(front="step = -1"),
    "read where the step may still change places": epochs(counting="print('b', step)\nstep += 1"),
    "in arithmetic": epochs(then="print(-step, step ** 2, step * 2 + 1, not step, f'{step=} {step:03d}')"),
    "in a comprehension": epochs(then="print([step * i for i in range(3)], list(step + i for i in range(2)))"),
    "as a default": epochs(then="def shown(a=step):\n    return a\nprint(shown())"),
    "never read": epochs(then="", end="pass"),
    "no epochs": epochs(count="range(0)"),
    "later epochs": epochs(count="range(2, 4)"),
    "ends the training": epochs(then="if step == 7:\n    break", end="if step == 7:\n    break"),
    "clipping between": epochs(first="", counting="step += 1").replace(
        "        optimizer.step()", "        print(torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0), step)\n"
        "        optimizer.step()"),
    "a tuple of starts": epochs(front="best, step = 0, 0", end="best = max(best, step)\nprint(best, step)"),
    "a tuple with a list": epochs(front="best, step, seen = 0, -1, []", end="best += step\nseen.append(best)",
                                  behind="print(seen)"),
    "a tuple with a setting": epochs(front="# settings\nevery, step = 3, 0  # both", then="print(step % every)"),
    "two counts": epochs(front="step = 0\nn = 0", first="n += 1", then="print(n, step)"),
    "a function": script("""
def train(count):
    step = 0
    for epoch in range(count):
        for x, y in loader:
            STEP
            step += 1
            print(step)
train(2)
train(1)
"""),
    "a global of the epoch's function": script("""
step = 0
def train(epoch):
    global step
    for x, y in loader:
        STEP
        step += 1
        print(step)
for epoch in range(3):
    train(epoch)
"""),
    "anew in each fold": script("""
for fold in range(2):
    step = 0
    for epoch in range(2):
        for x, y in loader:
            STEP
            step += 1
            print(step)
"""),
    "an endless loop": script("""
step = 0
batches = iter(loader)
while True:
    try:
        x, y = next(batches)
    except StopIteration:
        batches = iter(loader)
        x, y = next(batches)
    STEP
    step += 1
    print(step)
    if step >= 9:
        break
"""),
    "an evaluation in every epoch": script("""
step = 0
for epoch in range(2):
    model.train()
    for x, y in loader:
        STEP
        step += 1
    model.eval()
    total = 0
    with torch.no_grad():
        for x, y in loader:
            total += ((model(x) - y) ** 2).mean().item() * step
    print(step, total)
"""),
    "an evaluation now and then": script("""
step = 0
for epoch in range(2):
    for x, y in loader:
        model.train()
        STEP
        step += 1
        if step % 3 == 0:
            model.eval()
            total = 0
            with torch.no_grad():
                for a, b in loader:
                    total += ((model(a) - b) ** 2).mean().item()
            print(step, total)
"""),
    "a scheduler in every step": script("""
scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 2)
step = 0
for epoch in range(2):
    for x, y in loader:
        STEP
        scheduler.step()
        step += 1
        print(step, scheduler.get_last_lr())
"""),
}  # fmt: skip
KEPT = {
    "counted from two": epochs(front="step = 2"),
    "a float": epochs(front="step = 0.0"),
    "a truth": epochs(front="step = True"),
    "a complement": epochs(front="step = ~0"),
    "by twos": epochs(counting="step += 2"),
    "twice": epochs(then="step += 1\nprint(step)"),
    "under a condition": epochs(counting="if epoch:\n    step += 1"),
    "set back": epochs(end="print(step)\nstep = 0"),
    "read behind the training": epochs(behind="print(step)"),
    "deleted": epochs(behind="del step"),
    "left batches": epochs(first="if x.sum() < 0:\n    continue"),
    "uncounted batches": epochs(counting="if loss.item() < 1:\n    continue\nstep += 1"),
    "left in front of the count": epochs(counting="if loss.item() < 0.9:\n    break\nstep += 1"),
    "a lambda": epochs(front="step = 0\nkept = []", then="kept.append(lambda: step)",
                       behind="print([f() for f in kept])"),
    "shown by a function": epochs(front="step = 0\ndef show():\n    print('shown', step)", end="show()"),
    "with a remark": epochs(front="# all batches\nstep = 0  # so far"),
    "counted with a remark": epochs(counting="# one more\nstep += 1"),
    "two names at once": epochs(front="step = n = 0"),
    "shared with a schedule": script("""
step = 0
scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda e: 1 / (1 + step))
for epoch in range(2):
    for x, y in loader:
        STEP
        step += 1
        scheduler.step()
        print(step, scheduler.get_last_lr())
"""),
    "accumulated": script("""
step = 0
for epoch in range(2):
    for i, (x, y) in enumerate(loader):
        loss = ((model(x) - y) ** 2).mean() / 2
        loss.backward()
        if (i + 1) % 2 == 0:
            optimizer.step()
            optimizer.zero_grad()
        step += 1
        print(step)
"""),
    "steps of some batches": script("""
step = 0
for epoch in range(2):
    for x, y in loader:
        loss = ((model(x) - y) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        if loss.item() > 0.5:
            optimizer.step()
        step += 1
        print(step)
"""),
    "two steps a batch": script("""
step = 0
for epoch in range(2):
    for x, y in loader:
        STEP
        ((model(x) - y) ** 2).mean().backward()
        optimizer.step()
        step += 1
        print(step)
"""),
    "two optimizers": script("""
other = torch.optim.SGD(model.parameters(), lr=0.01)
step = 0
for epoch in range(2):
    for x, y in loader:
        STEP
        other.step()
        step += 1
        print(step)
"""),
    "kept across runs": script("""
step = 0
def train(count):
    global step
    for epoch in range(count):
        for x, y in loader:
            STEP
            step += 1
            print(step)
train(1)
train(2)
"""),
    "kept across folds": script("""
step = 0
for fold in range(2):
    for epoch in range(2):
        for x, y in loader:
            STEP
            step += 1
            print(step)
"""),
    "kept across trainings": script("""
step = 0
for epoch in range(2):
    for x, y in loader:
        STEP
        step += 1
for epoch in range(2):
    for x, y in loader:
        STEP
        step += 1
        print(step)
"""),
    "told by a handler": script("""
step = 0
try:
    for epoch in range(2):
        for x, y in loader:
            STEP
            step += 1
            if step == 7:
                raise KeyboardInterrupt
except KeyboardInterrupt:
    print('at', step)
"""),
    "the loop goes by it": script("""
step = 0
while step < 12:
    for x, y in loader:
        STEP
        step += 1
        print(step)
"""),
    "the batches go by it": script("""
step = 0
def batches():
    for x, y in loader:
        print('made', step)
        yield x, y
for epoch in range(2):
    for x, y in batches():
        STEP
        step += 1
        print(step)
"""),
    "returned": script("""
def train(count):
    step = 0
    for epoch in range(count):
        for x, y in loader:
            STEP
            step += 1
    return step
print(train(2))
"""),
}  # fmt: skip


@pytest.fixture(scope="module")
def runner():
    with Runner() as runner:
        yield runner


def converted(text: str) -> str:
    result = convert(text)
    assert isinstance(result, Converted), result
    return result.after


@pytest.mark.parametrize("name", SUPPLIED)
def test_the_trainer_counts(name: str, runner: Runner) -> None:
    after = converted(SUPPLIED[name])
    assert not re.search(r"self\.(step|n) ", after), after
    assert first_difference(runner.run(SUPPLIED[name]), runner.run(after)) is None


@pytest.mark.parametrize("name", KEPT)
def test_the_script_counts(name: str, runner: Runner) -> None:
    after = converted(KEPT[name])
    assert "self.global_step" not in after, after
    assert first_difference(runner.run(KEPT[name]), runner.run(after)) is None


def test_a_line_of_several_starts_keeps_the_others() -> None:
    after = converted(SUPPLIED["a tuple with a setting"])
    assert "# settings\nevery = 3  # both\n" in after
    assert "self.best = 0\n" in converted(SUPPLIED["a tuple of starts"])
