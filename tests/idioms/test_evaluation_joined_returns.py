"""Functions that evaluate and end with an `if` that returns in each branch: each branch binds the result."""

from __future__ import annotations

import pytest

from refactorer import convert
from refactorer.result import Converted
from tests.fixtures_harness import Runner, first_difference

END = """\
    if regression:
        print("error", total)
        return total
    else:
        print("score", -total)
        return -total
"""
CALL = "    best = evaluate(model, val_loader)\n"
UNWANTED = "    evaluate(model, val_loader)\n"
SCRIPT = f"""\
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
regression = torch.rand(1).item() < 2
x = torch.randn(50, 6)
y = x.sum(1, keepdim=True)
train_loader = DataLoader(TensorDataset(x[:32], y[:32]), batch_size=8, shuffle=True)
val_loader = DataLoader(TensorDataset(x[32:], y[32:]), batch_size=5)
model = nn.Sequential(nn.Linear(6, 8), nn.Dropout(0.4), nn.Linear(8, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.9)


class Kept:
    def __init__(self, value):
        self.value = value

    @property
    def shown(self):
        print("asked", self.value)
        return self.value

    @property
    def plain(self):
        return self.value


def evaluate(model, loader, test=False):
    model.eval()
    total = 0
    with torch.no_grad():
        for a, b in loader:
            total += (model(a) - b).square().mean().item()
    kept = Kept(total)
    if test:
        print("tested")
{END}

best = 9.0
for epoch in range(3):
    model.train()
    for a, b in train_loader:
        optimizer.zero_grad()
        loss = (model(a) - b).square().mean()
        loss.backward()
        optimizer.step()
{CALL}    print(epoch, loss.item(), best)
print(best, torch.rand(1))
"""


def but(*changes: tuple[str, str]) -> str:
    text = SCRIPT
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return text


def ending(text: str) -> str:
    return but((END, text))


def calling(text: str) -> str:
    return but((CALL, f"    {text}\n"))


THREE = """\
    if total > 9:
        return 1
    elif regression:
        return total
    else:
        return 2
"""
NESTED = """\
    if regression:
        if total > 2:
            return 2
        else:
            print("small"); return total
    else:
        return 1
"""
BEHIND = """\
    if not regression:
        return 1
    print("behind")
    return total
"""
LOOP = """\
    if regression:
        for i in range(3):
            return i
        return 3
    else:
        return 2
"""
TRY = """\
    try:
        return total
    finally:
        print("left")
"""
KNOWN = """\
    best = total = result = 0
    print(best, result, result_)
"""


def either(first: str, second: str) -> str:
    return ending(f"    if {first}:\n        return total\n    else:\n        {second}\n")


MOVED = {
    "both": SCRIPT,
    "three": ending(THREE),
    "branches in a branch": ending(NESTED),
    "a branch that raises": either("regression", "raise ValueError(total)"),
    "a bare one": either("not regression", "return"),
    "a condition that draws": either("torch.rand(1) > 0.5", "return 7"),
    "the name is known to the function": but(("    total = 0\n", "    best = total = 0\n    print(best)\n")),
    "all names are known": but(("    total = 0\n", KNOWN), ("best = 9.0\n", "best = 9.0\nresult_ = 4\n")),
    "part of a calculation": calling("best = min(best, evaluate(model, val_loader))"),
    "added": calling("best += evaluate(model, val_loader)"),
    "shown": calling("print(evaluate(model, val_loader))"),
    "not wanted": calling("evaluate(model, val_loader)"),
    "not wanted, but called": but((CALL, UNWANTED), ("return -total", "return print(-total)")),
    "not wanted, but asked for": but((CALL, UNWANTED), ("return total", "return kept.shown")),
    "in a test as well": but(("print(best, torch", "evaluate(model, val_loader, test=True)\nprint(best, torch")),
}
KEPT = {
    "a branch goes on": ending(THREE.replace("    else:\n        return 2\n", "")),
    "no other branch": ending("    if regression:\n        return total\n"),
    "code behind it": ending(BEHIND),
    "in front of it": but(("    total = 0\n", "    total = 0\n    if not regression:\n        return 1\n")),
    "in a loop": ending(LOOP),
    "in a `try`": ending(TRY),
    "nothing left of a branch": but((CALL, UNWANTED), ('        print("error", total)\n', "")),
    "the name is one that the training binds": but(("    total = 0\n", "    total = 0\n    print(best)\n")),
    "by name": but(("    kept = ", "    print(sorted(locals()))\n    kept = ")),
}


@pytest.mark.parametrize("name", [*MOVED, *KEPT])
def test_it_trains_the_same(name: str, runner: Runner) -> None:
    text = {**MOVED, **KEPT}[name]
    result = convert(text)
    assert isinstance(result, Converted), result.diagnostics
    assert ("def validation_step" in result.after) == (name in MOVED), result.after
    before = runner.run(text)
    assert before.status == 0, before.error
    assert first_difference(before, runner.run(result.after)) is None


def test_each_branch_binds_the_result() -> None:
    result = convert(SCRIPT)
    assert isinstance(result, Converted)
    assert 'self.print("error", self.total)\n            ' in result.after
    assert "def evaluate(" not in result.after
    assert "= result" not in result.after


def test_a_branch_that_the_call_rules_out_is_left_out() -> None:
    result = convert(MOVED["in a test as well"])
    assert isinstance(result, Converted)
    assert result.after.count("tested") == 1 and "if test" not in result.after and "if False" not in result.after
    assert "trainer.test(" in result.after


def test_a_property_that_nobody_wants_is_asked_if_it_does_something() -> None:
    text = but((CALL, UNWANTED), (END, "    return kept.shown\n"))
    result = convert(text)
    assert isinstance(result, Converted) and "        kept.shown\n" in result.after
    result = convert(text.replace("kept.shown", "kept.plain"))
    assert isinstance(result, Converted) and "kept.plain" not in result.after
