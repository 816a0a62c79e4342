"""Gradients of several batches for one step: when the Trainer counts the batches, and when the script goes on."""

from __future__ import annotations

import re
import textwrap

import pytest

from refactorer import convert
from refactorer.result import Converted
from tests.fixtures_harness import Runner, first_difference

SCRIPT = """
import argparse
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
torch.manual_seed(0)
parser = argparse.ArgumentParser()
parser.add_argument("--n", type=int, default=3)
args = parser.parse_args()
n = 3
model = nn.Sequential(nn.Linear(4, 6), nn.Dropout(0.2), nn.Linear(6, 1))
loader = DataLoader(TensorDataset(torch.randn(28, 4), torch.randn(28, 1)), batch_size=4, shuffle=True)  # 7 batches
criterion = nn.MSELoss()
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 2, gamma=0.5)
total = 0.0
steps = 0
{front}
for epoch in range(3):
{start}
    for i, (x, y) in enumerate(loader{first}):
{body}
print(total, steps, [p.sum().item() for p in model.parameters()])
"""
LAST = "if (i + 1) % n == 0 or i + 1 == len(loader):\n    optimizer.step()\n    optimizer.zero_grad()"
PLAIN = "if (i + 1) % n == 0:\n    optimizer.step()\n    optimizer.zero_grad()"
LOSS = "loss = criterion(model(x), y)\n"
DIVIDED = LOSS + "loss = loss / n\nloss.backward()\n"
SUMMED = LOSS + "loss.backward()\n"
CLEARED = "optimizer.zero_grad()"
GUESSED = """
class Guessed(torch.utils.data.IterableDataset):
    def __iter__(self):
        return ((torch.randn(4), torch.randn(1)) for _ in range(22))
    def __len__(self):
        return 36
loader = DataLoader(Guessed(), batch_size=4)
"""
IN_STEP, IN_SUM = "accumulate_grad_batches=n", "accumulate_grad_batches=n, divide_loss=False"


def script(body: str, front: str = "", start: str = "", first: str = "") -> str:
    def indented(text: str, by: int) -> str:
        return textwrap.indent(textwrap.dedent(text).strip() or "pass", " " * by)

    return SCRIPT.format(front=front, start=indented(start, 4), body=indented(body, 8), first=first)


def converted(text: str, skip: str = "") -> Converted:
    result = convert(text, skip=[skip] if skip else [])
    assert isinstance(result, Converted), result.diagnostics
    return result


def arguments(after: str) -> str:
    """What the Trainer is given besides the number of epochs."""
    found = re.search(r"Trainer\(max_epochs=3(?:, (.*))?\)\n", after)
    assert found is not None
    return found[1] or ""


#: name: (script, arguments of the Trainer, text that the result has, text that it has not)
AUTOMATIC = {
    "last window stepped": (script(DIVIDED + LAST), IN_STEP, "return self.criterion(", "/ n"),
    "last window carried": (script(DIVIDED + PLAIN), f'{IN_STEP}, last_window="carry"', "return self.crit", "/ n"),
    "last window dropped": (script(DIVIDED + PLAIN, start=CLEARED), f'{IN_STEP}, last_window="drop"', "", "zero_grad"),
    "cleared in front": (script(DIVIDED + PLAIN, front=CLEARED), f'{IN_STEP}, last_window="carry"', "", "zero_grad"),
    "cleared twice": (script(DIVIDED + LAST, CLEARED, CLEARED), IN_STEP, "configure_optimizers", "zero_grad"),
    "a sum": (script(SUMMED + LAST), IN_SUM, "return self.criterion(", "batch_idx +"),
    "divided where it is made": (script("loss = criterion(model(x), y) / n\nloss.backward()\n" + LAST),
                                 IN_STEP, "return self.criterion(self.model(x), y)\n", "/ n"),
    "divided on the way": (script(LOSS + "(loss / n).backward()\n" + LAST), IN_STEP, "return self.criterion(", "/ n"),
    "divided on the way, printed behind": (script(LOSS + "(loss / n).backward()\n" + LAST + "\nprint(loss.item())"),
                                           IN_STEP, "return loss\n", "/ n"),
    "divided in parentheses": (script("loss = (criterion(model(x), y) + 0.1) / n\nloss.backward()\n" + LAST),
                               IN_STEP, "return self.criterion(self.model(x), y) + 0.1\n", "/ n"),
    "counted up in front of it": (script(LOSS + "total += loss.item()\nloss = loss / n\nloss.backward()\n" + LAST),
                                  IN_STEP, "self.total += loss.item()", "/ n"),
    "the quotient is used": (script(DIVIDED + "total += loss.item() * n\n" + LAST), IN_SUM, "loss / n", ""),
    "the last quotient is used": (script("if i: total += loss.item()\n" + DIVIDED + LAST), IN_SUM, "loss / n", ""),
    "divided in place": (script(LOSS + "loss /= n\nloss.backward()\n" + LAST), IN_SUM, "loss /= n", ""),
    "divided by another number": (script(LOSS + "loss = loss / 2\nloss.backward()\n" + LAST), IN_SUM, "loss / 2", ""),
    "not": (script(DIVIDED + PLAIN.replace("(i + 1) % n == 0", "not (i + 1) % n")),
            f'{IN_STEP}, last_window="carry"', "", "% n"),
    "from one on": (script(DIVIDED + LAST.replace("(i + 1)", "i").replace("i + 1", "i"), first=", 1"),
                    IN_STEP, "", "% n"),
    "the other way round": (script(DIVIDED + LAST.replace("(i + 1) % n == 0", "0 == (1 + i) % n")
                                   .replace("i + 1 ==", "i >=").replace("len(loader)", "len(loader) - 1")),
                            IN_STEP, "", "% n"),
    "n - 1": (script(DIVIDED + LAST.replace("(i + 1) % n == 0", "i % n == n - 1")), IN_STEP, "", "% n"),
    "a length with a name": (script(DIVIDED + LAST.replace("len(loader)", "batches"), front="batches = len(loader)"),
                             IN_STEP, "", "% n"),
    "a setting": (script((DIVIDED + LAST).replace("% n", "% args.n").replace("/ n", "/ args.n")),
                  "accumulate_grad_batches=args.n", "", "% args.n"),
    "a number": (script((DIVIDED + LAST).replace("% n", "% 3").replace("/ n", "/ 3")),
                 "accumulate_grad_batches=3", "", "% 3"),
    "cleared at the start of a window": (
        script("if i % n == 0:\n    optimizer.zero_grad()\n" + DIVIDED + "if (i + 1) % n == 0:\n    optimizer.step()"),
        f'{IN_STEP}, last_window="drop"', "return self.criterion(", "% n"),
    "clipped": (script(DIVIDED + LAST.replace("optimizer.step", "nn.utils.clip_grad_norm_(model.parameters(), 0.1)\n"
                                              "    optimizer.step")),
                IN_STEP, "def on_before_optimizer_step(self, optimizer):\n        nn.utils.clip_grad_norm_", "% n"),
    "the norm is printed": (
        script(DIVIDED + LAST.replace("optimizer.step", "norm = nn.utils.clip_grad_norm_(model.parameters(), 0.1)\n"
                                      "    print(norm.item())\n    optimizer.step")),
        IN_STEP, "def on_before_optimizer_step", "% n"),
    "a scheduler for each step": (script(DIVIDED + LAST.replace(CLEARED, f"scheduler.step()\n    {CLEARED}")),
                                  IN_STEP, '"interval": "step"', "% n"),
    "a scheduler behind all": (script(DIVIDED + LAST + "\n    scheduler.step()"), IN_STEP, '"interval": "step"', "% n"),
    "a scheduler for each batch": (script(DIVIDED + LAST + "\nscheduler.step()"), IN_STEP, "self.scheduler.step()", ""),
    "steps are counted": (script(DIVIDED + LAST + "\n    steps += 1\n    print(steps, i)"),
                          IN_STEP, "if (batch_idx + 1) % n == 0 or", ""),
    "the loss is printed behind": (script(SUMMED + LAST + "\nif i % 2 == 0:\n    print(i, loss.item())"),
                                   IN_SUM, "if batch_idx % 2 == 0:", ""),
    "an epoch is left": (script(DIVIDED + PLAIN + "\nif i == 4: break"), f'{IN_STEP}, last_window="carry"', "", "% n"),
    "batches are left out": (script("if i == 2: continue\n" + DIVIDED + PLAIN, start=CLEARED),
                             f'{IN_STEP}, last_window="drop"', "return None", "% n"),
    "an epoch is left, all cleared": (script(DIVIDED + LAST + "\nif i == 4: break", start=CLEARED), IN_STEP, "", "% n"),
    "code behind each backward pass": (script(DIVIDED + "print(model[0].bias.grad.sum().item())\n" + PLAIN),
                                       f'{IN_STEP}, last_window="carry"', "def on_after_backward(self):", "% n"),
    "clipped behind each backward pass": (
        script(DIVIDED + "nn.utils.clip_grad_norm_(model.parameters(), 0.01)\n" + PLAIN.replace(
            "optimizer.s", "print(model[0].bias.grad.sum().item())\n    optimizer.s")),
        f'{IN_STEP}, last_window="carry"',
        "clip_grad_norm_(self.model.parameters(), 0.01)\n\n    def on_before_optimizer_step(self, optimizer):", "% n"),
    "gradients are read": (script(DIVIDED + PLAIN + "\nprint(model[0].bias.grad is None)"),
                           f'{IN_STEP}, last_window="carry"', "The script clears the gradients itself.", ""),
    "cleared through a part": (script(DIVIDED + PLAIN.replace("optimizer.zero", "model[0].zero")),
                               f'{IN_STEP}, last_window="carry"', "The script clears the gradients itself.", ""),
    "a part is cleared behind, and all at the start": (
        script(DIVIDED + PLAIN.replace("optimizer.zero", "first.zero"), "first = model[0]", CLEARED),
        f'{IN_STEP}, last_window="carry"', "The script clears the gradients itself.", ""),
    "a part is cleared behind, and all in front": (
        script("if i % n == 0: optimizer.zero_grad()\n" + DIVIDED + PLAIN.replace("optimizer.zero", "first.zero"),
               "first = model[0]"),
        f'{IN_STEP}, last_window="drop"', "if (batch_idx + 1) % n == 0:\n            first.zero_grad()", ""),
    "the gradients of all are cleared": (
        script(DIVIDED + PLAIN.replace("optimizer.zero", "model.zero")).replace(
            "(model.parameters()", "(model[0].parameters()").replace("for epoch", "model.zero_grad()\nfor epoch"),
        f'{IN_STEP}, last_window="carry"', "optimizer_zero_grad", "% n"),
    "through the networks": (script(DIVIDED + LAST.replace("optimizer.zero", "model.zero")), IN_STEP, "", "% n"),
}  # fmt: skip

#: name: (script, the reason in the note)
LITERAL = {
    "cleared for every batch": (script("optimizer.zero_grad()\n" + DIVIDED + "if (i + 1) % n == 0: optimizer.step()"),
                                "they are cleared for every batch"),
    "cleared behind every batch": (script(DIVIDED + "if (i + 1) % n == 0: optimizer.step()\noptimizer.zero_grad()"),
                                   "they are cleared for every batch"),
    "cleared in front of the step": (script(DIVIDED + "if (i + 1) % n == 0:\n    optimizer.zero_grad()\n"
                                            "    optimizer.step()"), "zero_grad does not stand before backward"),
    "never cleared": (script(DIVIDED + "if (i + 1) % n == 0: optimizer.step()"), "do not stand once each"),
    "cleared late": (script(DIVIDED + PLAIN.replace(CLEARED, f"if i: {CLEARED}")), "do not stand once each"),
    "one batch early": (script(DIVIDED + PLAIN.replace("(i + 1)", "i")), "is not one that the Trainer knows"),
    "one batch late": (script(DIVIDED + PLAIN, first=", 1"), "is not one that the Trainer knows"),
    "last but one": (script(DIVIDED + LAST.replace("i + 1 ==", "i + 2 ==")), "is not one that the Trainer knows"),
    "a length that may be wrong": (script(DIVIDED + LAST, front=GUESSED), "is not one that the Trainer knows"),
    "another length": (script(DIVIDED + LAST.replace("len(loader)", "len(loader.dataset)")),
                       "is not one that the Trainer knows"),
    "steps of all epochs": (script(LOSS + "loss.backward()\nsteps += 1\n" + PLAIN.replace("(i + 1)", "steps")),
                            "is not one that the Trainer knows"),
    "the number grows": (script(DIVIDED + PLAIN, start="n = epoch + 1"), "is not one that is known"),
    "the setting grows": (script(SUMMED + PLAIN.replace("% n", "% args.n"), start="args.n = epoch + 1"),
                          "is not one that is known"),
    "the batch has another number": (script("i = i + 1\n" + DIVIDED + PLAIN), "changes the number of the batch"),
    "left in front of a step": (script(DIVIDED + LAST + "\nif i == 4: break"), "an epoch may be left"),
    "left out at the start of a window": (
        script("if i == 3: continue\nif i % n == 0:\n    optimizer.zero_grad()\n" + DIVIDED
               + "if (i + 1) % n == 0:\n    optimizer.step()"), "a batch may be left out"),
    "left between backward and step": (script(DIVIDED + "if i == 3: continue\n" + PLAIN),
                                       "may be left between backward and step"),
    "counted in front of the step": (script(DIVIDED + PLAIN.replace("optimizer.s", "steps += 1\n    optimizer.s")),
                                     "would run for other batches"),
}  # fmt: skip


@pytest.mark.parametrize("name", AUTOMATIC)
def test_the_trainer_counts(name: str) -> None:
    text, expected, there, gone = AUTOMATIC[name]
    result = converted(text)
    assert arguments(result.after) == expected
    assert there in result.after
    assert "automatic_optimization" not in result.after
    module = result.after[result.after.index("class Lit") : result.after.index("torch.manual_seed(0)")]
    assert not gone or gone not in module
    assert not [d for d in result.diagnostics if d.code in ("N101", "N111")]


@pytest.mark.parametrize("name", LITERAL)
def test_the_script_counts(name: str) -> None:
    text, reason = LITERAL[name]
    result = converted(text)
    assert arguments(result.after) == ""
    assert "self.automatic_optimization = False" in result.after
    notes = [d for d in result.diagnostics if d.code in ("N101", "N111")]
    assert [note.code for note in notes] == ["N111"]
    assert reason in notes[0].message


@pytest.mark.parametrize("name", AUTOMATIC)
def test_trains_the_same(name: str, runner: Runner) -> None:
    text = AUTOMATIC[name][0]
    before = runner.run(text, [])
    assert before.status == 0 and before.events, before.error
    assert first_difference(before, runner.run(converted(text).after, [])) is None


@pytest.mark.parametrize("code", ["N101", "N111"])
def test_left_out_on_request(code: str) -> None:
    after = converted(AUTOMATIC["last window stepped"][0], skip=code).after
    assert "self.automatic_optimization = False" in after
    assert "if (batch_idx + 1) % n == 0 or batch_idx + 1 == len(self.trainer.train_dataloader):" in after


OTHER_FILE = """
kept = []


def report(model):
    print([None if p.grad is None else p.grad.sum().item() for p in model.parameters()])


def keep(model):
    kept.append(model)


def report_kept():
    for model in kept:
        report(model)


class Logger:
    def attach(self, model):
        self.model = model

    def log(self, *values):
        print(values)
        report(self.model)

    step = log
"""


@pytest.mark.parametrize(
    ("front", "behind"),
    [
        ("other.keep(model)", "other.report_kept()"),
        ("logger = other.Logger()\n    logger.attach(model)", "logger.log(i)"),
        ("logger = other.Logger()\n    logger.model = model", "logger.log(i)"),
        ("scheduler = other.Logger()\n    scheduler.attach(model)", "scheduler.step()"),
        ("show = functools.partial(other.report, model)", "show()"),
        ("show = lambda: other.report(model)", "show()"),
        ("logger = other.Logger()\n    logger.attach(model)\n    show = logger.log", "show(i)"),
        ("name = 'gra' + 'd'", "print([getattr(p, name) for p in model.parameters()])"),
    ],
)
@pytest.mark.parametrize("place", ["step", "batch", "epoch"])
def test_other_code_sees_gradients_that_are_cleared_behind_the_step(
    front: str, behind: str, place: str, runner: Runner
) -> None:
    text = f"""
import functools
import other
import torch
from torch import nn
torch.manual_seed(0)
loader = [(torch.randn(4, 2), torch.randn(4, 1)) for _ in range(5)]
model = nn.Linear(2, 1)


def train():
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    {front}
    optimizer.zero_grad()
    for epoch in range(2):
        for i, (x, y) in enumerate(loader):
            loss = (model(x) - y).pow(2).mean()
            loss.backward()
            if (i + 1) % 2 == 0 or i + 1 == len(loader):
                optimizer.step()
                model.zero_grad()
                {behind if place == "step" else "pass"}
            {behind if place == "batch" else "pass"}
        {behind if place == "epoch" else "pass"}


train()
"""
    beside = {"other.py": OTHER_FILE}
    before, after = runner.run(text, beside=beside), runner.run(converted(text).after, beside=beside)
    assert first_difference(before, after) is None
