"""Phases written out: the copies do what the loop did, and what has no clear meaning for one phase stays a loop."""

from __future__ import annotations

import contextlib
import io
import textwrap

import libcst as cst
import pytest

from refactorer import convert
from refactorer.analysis.program import Program
from refactorer.outline.training.phases import written_out
from refactorer.result import Converted
from tests.fixtures_harness import Runner, first_difference

SCRIPT = """
import torch
seen = []
class Loss:
    def backward(self):
        seen.append('backward')
class Network:
    def zero_grad(self, *args):
        seen.append('cleared')
    def train(self):
        seen.append('train')
    def eval(self):
        seen.append('eval')
model, loss = Network(), Loss()
loaders = {{'train': [1, 2], 'val': [3]}}
sizes = {{'train': 2, 'val': 1}}
best = 0
for epoch in range(2):
    print(epoch)
{body}
print(best, seen)
"""


def phases(body: str, kinds: str = "['train', 'val']") -> str:
    lines = f"for phase in {kinds}:\n" + textwrap.indent(textwrap.dedent(body).strip(), "    ")
    return SCRIPT.format(body=textwrap.indent(lines, "    "))


def output(text: str) -> str:
    """What a script prints."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(text, "script", "exec"), {})
    return printed.getvalue()


def done(text: str) -> str | None:
    return written_out(Program(cst.parse_module(text)))


CLEARS = """
    def zero_grad(self, *args):
        seen.append('cleared')"""
LEARNS = """
for x in loaders[phase]:
    print(x, torch.is_grad_enabled())
    if phase == 'train':
        loss.backward()
"""
OR = "if best > 2 and phase == 'train':\n    print('x')\nif phase == 'val' or best:\n    print('y')"
WRITTEN_OUT = {
    "branches": "if phase == 'train':\n    model.train()\nelse:\n    model.eval()\n" + LEARNS,
    "elif": "if phase == 'val':\n    model.eval()\nelif phase == 'test':\n    pass\nelse:\n    model.train()\n"
    + LEARNS,
    "an elif in the middle": "if epoch == 5:\n    print(5)\nelif phase == 'val':\n    print(6)\nelif epoch == 1:\n"
    "    print(7)\nelse:\n    print(8)\n" + LEARNS,
    "an elif that is never taken": "if epoch == 5:\n    print(5)\nelif phase == 'test':\n    print(6)\n" + LEARNS,
    "membership": "if phase in ('val', 'test'):\n    print('in')\nif phase not in ['val']:\n    print('out')\n"
    + LEARNS,
    "the other way round": "if 'val' != phase:\n    print('train')\n" + LEARNS,
    "not": "if not phase == 'train':\n    model.eval()\n" + LEARNS,
    "and, or": LEARNS
    + "if phase == 'val' and best < 5:\n    best += 2\nif best > 2 and phase == 'train':\n    print('x')\n"
    "if phase == 'val' or best:\n    print('y')",
    "three parts": "if best < 9 and phase == 'train' and epoch:\n    print('x')\n"
    "if best > 9 or phase == 'val' or epoch:\n    print('y')\n"
    "if epoch or (phase == 'train' and best < 9):\n    print('z')\n" + LEARNS,
    "a part that does something": "if model.train() or phase == 'val' or epoch:\n    print('x')\n" + LEARNS,
    "an expression": "print('learn' if phase == 'train' else 'look', phase.upper(), (phase))\n" + LEARNS,
    "a value of a condition": "flag = best and phase == 'train'\nprint(flag)\n" + LEARNS,
    "formatted strings": "print(f'{phase}: {sizes[phase]:3d}|{phase:>8s}|{phase!r:>9}', '%s' % phase)\n" + LEARNS,
    "gradients switched": "for x in loaders[phase]:\n    with torch.set_grad_enabled(phase == 'train'):\n"
    "        print(x, torch.is_grad_enabled())\n        if phase == 'train':\n            loss.backward()",
    "an emptied loop": "for x in loaders[phase]:\n    if phase == 'train':\n        loss.backward()",
    "comments": "# first\nif phase == 'train':  # learn\n    model.train()  # on\n    # end\nelse:  # look\n"
    "    model.eval()\n" + LEARNS,
}


@pytest.mark.parametrize("name", WRITTEN_OUT)
def test_the_copies_do_the_same(name: str) -> None:
    before = phases(WRITTEN_OUT[name])
    after = done(before)
    assert after is not None and "for phase in" not in after and "phase ==" not in after
    assert output(after) == output(before)


STAY = {
    "left early": "if best > 3: break\n" + LEARNS,
    "skipped": "if epoch == 1 and phase == 'val': continue\n" + LEARNS,
    "kept by a function": "seen.append(lambda: phase)\n" + LEARNS,
    "bound again": LEARNS + "phase = 'other'",
    "shown with its name": "print(f'{phase=}')\n" + LEARNS,
    "in all quotes": "print(f\"{f'{sizes[phase]}'}\")\n" + LEARNS,
    "computed format": "print(f'{phase:>{best}}')\n" + LEARNS,
    "all phases learn": "for x in loaders[phase]:\n    loss.backward()",
}


@pytest.mark.parametrize("name", STAY)
def test_the_loop_stays(name: str) -> None:
    assert done(phases(STAY[name])) is None


@pytest.mark.parametrize("kinds", ["['train']", "phases", "['train', 'train']", "['train', best]", "['a b', 'train']"])
def test_loops_over_other_things_stay(kinds: str) -> None:
    assert done(phases(LEARNS, kinds)) is None


def test_a_phase_that_is_used_behind_the_loop_stays() -> None:
    assert done(phases(LEARNS).replace("print(best, seen)", "print(phase)")) is None


def test_a_phase_that_learns_nothing_clears_nothing() -> None:
    body = "for x in loaders[phase]:\n    model.zero_grad()\n    if phase == 'train':\n        loss.backward()"
    after = done(phases(body).replace(CLEARS, ""))
    assert after is not None and after.count("zero_grad()") == 1
    assert CLEARS in phases(body) and (done(phases(body)) or "").count("zero_grad()") == 2  # which tells it


@pytest.mark.parametrize(
    "behind",
    [
        "torch.nn.utils.clip_grad_norm_([], 1.0)",
        "print(getattr(model, 'grad', 0))",
        "model.zero_grad = print",
    ],
)
def test_what_looks_at_gradients_behind_the_phases_sees_them_cleared(behind: str) -> None:
    body = "for x in loaders[phase]:\n    model.zero_grad()\n    if phase == 'train':\n        loss.backward()"
    text = phases(body).replace(CLEARS, "")
    assert (done(f"{text}\n{behind}\n") or "").count("model.zero_grad()") == 2


@pytest.mark.parametrize(("clipped", "left"), [("loss.backward()\n        ", 1), ("", 2)])
def test_clipping_in_the_training_phase_sees_its_own_gradients(clipped: str, left: int) -> None:
    body = "for x in loaders[phase]:\n    model.zero_grad()\n    if phase == 'train':\n        loss.backward()\n"
    clip = "torch.nn.utils.clip_grad_norm_([], 1.0)"
    body += f"        {clip}" if clipped else clip
    assert (done(phases(body).replace(CLEARS, "")) or "").count("zero_grad()") == left


@pytest.mark.parametrize(
    "body",
    [
        # too late
        "for x in loaders[phase]:\n    if phase == 'train':\n        loss.backward()\n    model.zero_grad()",
        "for x in loaders[phase]:\n    model.zero_grad(False)\n    if phase == 'train':\n        loss.backward()",
        "print(model.grad if epoch > 9 else 0)\nfor x in loaders[phase]:\n    model.zero_grad()\n"
        "    if phase == 'train':\n        loss.backward()",
    ],
)
def test_clearing_that_may_be_seen_stays(body: str) -> None:
    after = done(phases(body))
    assert after is not None and after.count("zero_grad(") == 3  # with the definition


def test_gradients_that_something_else_switched_are_switched_on_again() -> None:
    body = "for x in loaders[phase]:\n    with torch.set_grad_enabled(phase == 'train'):\n"
    body += "        if phase == 'train':\n            loss.backward()"
    after = done(phases(body).replace("seen = []", "seen = []\ntorch.set_grad_enabled(False)"))
    assert after is not None and "with torch.set_grad_enabled(True):" in after


def test_a_comment_behind_a_branch_on_one_line_stays() -> None:
    after = done(phases(LEARNS + "if phase == 'val': print('looked')  # at last"))
    assert after is not None and "print('looked')  # at last" in after


TWO_PASSES = """
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
torch.manual_seed(0)
x = torch.randn(30, 4)
y = (x.sum(1) > 0).long()
loaders = {part: DataLoader(TensorDataset(x, y), 8, shuffle=part == 'train') for part in ['train', 'val']}
model = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.3), nn.Linear(8, 2))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for epoch in range(3):
    for phase in ['train', 'val']:
        model.train(phase == 'train')
        total = 0
        for a, b in loaders[phase]:
            optimizer.zero_grad()
            if phase == 'val':
                with torch.no_grad():
                    out = model(a)
            else:
                out = model(a)
            loss = nn.functional.cross_entropy(out, b)
            if phase == 'train':
                if total > 1:
                    loss.backward(retain_graph=True)
                    print('twice')
                    loss.backward()
                else:
                    loss.backward()
                optimizer.step()
            total += loss.item()
        print(epoch, phase, total)
"""


def test_phases_are_written_out_where_the_step_stays_literal(runner: Runner) -> None:
    result = convert(TWO_PASSES)
    assert isinstance(result, Converted) and "def validation_step(" in result.after and "phase" not in result.after
    assert "N101" in {note.code for note in result.diagnostics}
    assert first_difference(runner.run(TWO_PASSES), runner.run(result.after)) is None


def test_notes_on_written_out_phases_have_the_line_of_the_loop() -> None:
    """The schedule is stepped in one phase alone, which the line that steps it is not indented for any more."""
    text = """
import torch
from torch import nn
from torch.utils.data import DataLoader

loaders = {p: DataLoader([(torch.rand(3), torch.rand(1))] * 4, 2) for p in ("train", "val")}
model = nn.Linear(3, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 1)
for epoch in range(2):
    for phase in ["train", "val"]:
        if phase == "train":
            model.train()
        else:
            model.eval()
        for x, y in loaders[phase]:
            optimizer.zero_grad()
            with torch.set_grad_enabled(phase == "train"):
                loss = (model(x) - y).pow(2).mean()
                if phase == "train":
                    loss.backward()
                    optimizer.step()
        if phase == "train":
            scheduler.step()
        print(phase, scheduler.get_last_lr())
"""
    result = convert(text)
    assert isinstance(result, Converted)
    steps = [i for i, line in enumerate(text.splitlines(), 1) if "scheduler.step()" in line]
    assert "def validation_step" in result.after and [note.line for note in result.diagnostics] == steps
