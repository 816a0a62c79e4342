"""Scripts with a `GradScaler`, a real one on the CPU: when the Trainer scales, and when the script goes on."""

from __future__ import annotations

import re
import textwrap

import pytest

from refactorer import convert
from refactorer.result import Converted
from tests.fixtures_harness import Runner, first_difference

SCRIPT = """
import torch
from torch import nn
from torch.amp import GradScaler
from torch.utils.data import DataLoader, TensorDataset
torch.manual_seed(0)
model = nn.Sequential(nn.Linear(4, 6), nn.Dropout(0.2), nn.Linear(6, 1))
x = torch.randn(26, 4)
x[11] = 1e30  # its gradients overflow, and that step is left out
loader = DataLoader(TensorDataset(x, torch.randn(26, 1)), batch_size=4)
criterion = nn.MSELoss()
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 2, gamma=0.5)
scaler = GradScaler("cpu", init_scale=1024.0, growth_interval=3{enabled})
total = 0.0
for epoch in range(3):
    for i, (x, y) in enumerate(loader):
{body}
torch.save({{"model": model.state_dict(), "scaler": scaler.state_dict()}}, "checkpoint.pt")
print(total, scaler.get_scale())
"""
ZERO = "optimizer.zero_grad()\n"
LOSS = 'with torch.autocast("cpu", dtype=torch.bfloat16):\n    loss = criterion(model(x), y)\n'
SCALED = LOSS + "scaler.scale(loss).backward()\n"
UNSCALE = "scaler.unscale_(optimizer)\n"
CLIP = "nn.utils.clip_grad_norm_(model.parameters(), 0.1)\n"
STEP = "scaler.step(optimizer)\nscaler.update()\n"


def script(body: str, enabled: str = "") -> str:
    return SCRIPT.format(body=textwrap.indent(body.strip("\n"), " " * 8), enabled=enabled)


def under(condition: str, body: str) -> str:
    return f"if {condition}:\n" + textwrap.indent(body, "    ")


#: name: (script, text that the result has)
AUTOMATIC = {
    "plain": (script(ZERO + SCALED + STEP), "scaler=scaler)"),
    "switched off": (script(ZERO + SCALED + STEP, enabled=", enabled=False"), "scaler=scaler)"),
    "all under a condition": (script(under("i != 1", ZERO + SCALED + STEP)), "if batch_idx == 1:"),
    "clipped, under a condition": (script(under("i != 1", ZERO + SCALED + UNSCALE + CLIP + STEP) + "total += i"),
                                   "on_before_optimizer_step"),
    "on one line": (script(ZERO + LOSS + "scaler.scale(loss).backward(); scaler.step(optimizer); scaler.update()\n"),
                    "scaler=scaler)"),
    "clipped on one line": (
        script(ZERO + LOSS + "scaler.scale(loss).backward(); scaler.unscale_(optimizer)\n" + CLIP
               + "scaler.step(optimizer); scaler.update()\n"), "on_before_optimizer_step"),
    "cleared behind": (script(SCALED + STEP + ZERO), "scaler=scaler)"),
    "cleared in front of update()": (script(SCALED + "scaler.step(optimizer)\n" + ZERO + "scaler.update()"), ""),
    "clipped": (script(ZERO + SCALED + UNSCALE + CLIP + STEP), "on_before_optimizer_step"),
    "clipped on a condition": (script(ZERO + SCALED + under("epoch", UNSCALE + CLIP) + STEP),
                               "def on_before_optimizer_step(self, optimizer):\n        if self.current_epoch:"),
    "never cleared": (script(SCALED + STEP), "Nothing clears the gradients: they add up."),
    "unscaled for nothing": (script(ZERO + SCALED + UNSCALE + STEP), "scaler=scaler)"),
    "the norm is printed": (script(ZERO + SCALED + UNSCALE + f"norm = {CLIP}" + "print(norm.item())\n" + STEP),
                            "on_before_optimizer_step"),
    "printed in between": (script(ZERO + SCALED + "total += loss.item()\n" + UNSCALE + CLIP + STEP), "self.total +="),
    "the scale is printed": (script(ZERO + SCALED + STEP + "print(scaler.get_scale())"), "on_train_batch_end"),
    "another kind of scaler is printed": (
        script(ZERO + SCALED + STEP + "print(scaler._enabled)").replace(
            'GradScaler("cpu",', "torch.cuda.amp.GradScaler("), "on_train_batch_end"),
    "the scale is printed in front": (script(ZERO + "print(scaler.get_scale())\n" + SCALED + STEP), "training_step"),
    "a scheduler behind": (script(ZERO + SCALED + STEP + "scheduler.step()"), '"interval": "step"'),
    "a scheduler in front of update()": (script(ZERO + SCALED + STEP.replace("\n", "\nscheduler.step()\n", 1)),
                                         '"interval": "step"'),
    "accumulated": (script(SCALED.replace("(loss)", "(loss / 3)")
                           + under("(i + 1) % 3 == 0", UNSCALE + CLIP + STEP + ZERO)),
                    'scaler=scaler, accumulate_grad_batches=3, last_window="carry")'),
    "divided in autocast": (script(SCALED.replace("y)", "y) / 3") + under("(i + 1) % 3 == 0", STEP + ZERO)),
                            'scaler=scaler, accumulate_grad_batches=3, last_window="carry")'),
}  # fmt: skip

MADE = "torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)"
ELSEWHERE = """
import pathlib, sys
pathlib.Path("elsewhere.py").write_text('''
import torch
class Plain(torch.optim.SGD):
    def step(self):
        print("stepped", torch.rand(1).item())
        super().step()
class Wrapper:
    def __init__(self, model):
        self.inner = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
        self.param_groups = self.inner.param_groups
    def zero_grad(self):
        self.inner.zero_grad()
    def step(self):
        self.inner.step()
        for group in self.param_groups:
            group["lr"] *= 0.99
def make(model):
    return torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
''')
sys.path.insert(0, ".")
from elsewhere import Plain, Wrapper, make
"""


def opaque(made: str, body: str) -> str:
    """A script whose optimizer is made out of sight, without the scheduler that not everything takes."""
    text = script(body).replace("scheduler =", "pass # scheduler =")
    return ELSEWHERE + text.replace(MADE, made)


CLASSES = {
    "made elsewhere": "make(model)",
    "a class of another file": "Plain(model.parameters(), lr=0.1)",
    "no optimizer of torch": "Wrapper(model)",
    "adam, fused or not": "getattr(torch.optim, 'Ad' + 'am')(model.parameters(), lr=0.1)",
}
BODIES = {
    "plain": ZERO + SCALED + STEP,
    "cleared behind": SCALED + STEP + ZERO,
    "clipped": ZERO + SCALED + UNSCALE + CLIP + STEP,
    "printed behind": ZERO + SCALED + STEP + "print(loss.item(), optimizer.param_groups[0]['lr'])",
    "printed in between": ZERO + SCALED + "total += loss.item()\n" + STEP,
}
OPAQUE = {f"{kind}, {name}": opaque(made, body) for kind, made in CLASSES.items() for name, body in BODIES.items()}

#: name: (script, the reason in the note)
LITERAL = {
    "clipped without unscaling": (script(ZERO + SCALED + CLIP + STEP), "before they are unscaled"),
    "clipped in front of unscaling": (script(ZERO + SCALED + CLIP + UNSCALE + STEP), "before they are unscaled"),
    "gradients are read too early": (script(ZERO + SCALED + "print(model[0].bias.grad)\n" + UNSCALE + STEP),
                                     "before they are unscaled"),
    "updated by hand": (script(ZERO + SCALED + STEP.replace("update(", "update(512.0")), "do not stand once each"),
    "never updated": (script(ZERO + SCALED + "scaler.step(optimizer)"), "do not stand once each"),
    "updated now and then": (script(ZERO + SCALED + "scaler.step(optimizer)\nif i % 2: scaler.update()"),
                             "do not stand once each"),
    "the scale is read in between": (
        script(ZERO + SCALED + STEP.replace("\n", "\nprint(scaler.get_scale())\n", 1)), "do not stand once each"),
    "unscaled elsewhere": (script(ZERO + SCALED + "for o in [optimizer]: scaler.unscale_(o)\n" + STEP),
                           "unscale_() of scaler is called in more than one place"),
    "a scaler for each epoch": (script(under("i == 0", 'scaler = GradScaler("cpu")\n') + ZERO + SCALED + STEP),
                                "is not made in front of the training"),
    "stepped under another condition": (script(ZERO + SCALED + under("i != 3", STEP)), "stands under a condition"),
}  # fmt: skip


def converted(text: str, **options: object) -> Converted:
    result = convert(text, **options)  # type: ignore[arg-type]
    assert isinstance(result, Converted), result.diagnostics
    return result


@pytest.mark.parametrize("name", AUTOMATIC)
def test_the_trainer_scales(name: str) -> None:
    text, there = AUTOMATIC[name]
    result = converted(text)
    assert there in result.after
    assert re.search(r"Trainer\(max_epochs=3, scaler=scaler[,)]", result.after)
    assert not re.search(r"scaler\.(scale|unscale_|step|update)\(|automatic_optimization", result.after)
    assert 'with torch.autocast("cpu", dtype=torch.bfloat16):' in result.after
    assert not [d for d in result.diagnostics if d.code in ("N101", "N111", "N112")]


@pytest.mark.parametrize("name", LITERAL)
def test_the_script_scales(name: str) -> None:
    text, reason = LITERAL[name]
    result = converted(text)
    assert "scaler=" not in result.after
    assert "self.manual_backward(" in result.after and "scaler.step(" in result.after
    notes = [d for d in result.diagnostics if d.code in ("N101", "N111", "N112")]
    assert [note.code for note in notes] == ["N112"]
    assert reason in notes[0].message


@pytest.mark.parametrize("name", AUTOMATIC)
def test_trains_the_same(name: str, runner: Runner) -> None:
    text = AUTOMATIC[name][0]
    before = runner.run(text, [])
    assert before.status == 0 and before.events, before.error
    assert first_difference(before, runner.run(converted(text).after, [])) is None


@pytest.mark.parametrize("text", OPAQUE.values(), ids=OPAQUE)
def test_an_optimizer_out_of_sight(text: str, runner: Runner) -> None:
    after = converted(text).after
    assert "scaler=scaler)" in after and "automatic_optimization" not in after
    before = runner.run(text, [])
    assert before.status == 0 and before.events, before.error
    assert first_difference(before, runner.run(after, [])) is None


@pytest.mark.parametrize("options", [{"skip": ["N101"]}, {"skip": ["N112"]}, {"target": "lightning"}])
def test_left_out_on_request(options: dict[str, object]) -> None:
    after = converted(AUTOMATIC["plain"][0], **options).after
    assert "self.automatic_optimization = False" in after
    assert "self.manual_backward(scaler.scale(loss))" in after
