"""Schedulers: when the Trainer steps them, and when the script's own call stays where it stood."""

from __future__ import annotations

import textwrap

import pytest

from refactorer import convert
from refactorer.converter import convert_text
from refactorer.result import Converted

SCRIPT = """
import random
import torch
from torch import nn, optim
model = nn.Linear(2, 1)
optimizer = optim.SGD(model.parameters(), lr=0.1)
scheduler = optim.lr_scheduler.ExponentialLR(optimizer, 0.9)
loader = [(torch.ones(2, 2), torch.ones(2, 1))]
for epoch in range(2):
    for x, y in loader:
        optimizer.zero_grad()
        loss = (model(x) - y).pow(2).mean()
        loss.backward()
        optimizer.step()
{body}
"""


def converted(body: str, text: str = SCRIPT) -> str:
    result = convert_text(text.format(body=textwrap.indent(textwrap.dedent(body).strip(), " " * 8)))
    assert isinstance(result, Converted), result.diagnostics
    return result.after


BY_TRAINER = [
    "scheduler.step()",
    "scheduler.step()\nprint(loss.item())",
    "print(loss.item())\nscheduler.step()",
    "scheduler.step()\nif loss.item() < 0.1: break",
    "scheduler.step()\nprint(model.weight)",
]
BY_SCRIPT = [
    "if loss.item() < 0.1: break\nscheduler.step()",  # not behind every batch
    "if loss.item() < 0.1: continue\nscheduler.step()",
    "print(scheduler.get_last_lr())\nscheduler.step()",  # sees the rate of this step
    "print(model.weight)\nscheduler.step()",
    "scheduler.step(epoch)",
    "scheduler.step()\nscheduler.step()",
    "if epoch: scheduler.step()",
]


@pytest.mark.parametrize("body", BY_TRAINER)
def test_the_trainer_steps_the_scheduler(body: str) -> None:
    after = converted(body)
    assert '"interval": "step"' in after and "scheduler.step()" not in after


@pytest.mark.parametrize("body", BY_SCRIPT)
def test_the_call_stays(body: str) -> None:
    after = converted(body)
    assert '"interval": "step"' not in after and "scheduler.step(" in after


def test_a_skipped_batch_does_not_move_the_rate_on() -> None:
    """`continue` in front of backward skips the scheduler too, as the Trainer does when there is no loss."""
    text = SCRIPT.replace(
        "        optimizer.zero_grad()\n", "        if x.sum() > 9: continue\n        optimizer.zero_grad()\n"
    )
    assert '"interval": "step"' in converted("scheduler.step()", text)


def test_parameters_that_a_class_hands_out_itself_are_asked_for_where_the_script_asks() -> None:
    own = "class Net(nn.Linear):\n    def parameters(self, recurse=True):\n        print('asked')\n"
    own += "        return super().parameters(recurse)\nmodel = Net(2, 1)"
    after = converted("print(loss.item())", SCRIPT.replace("model = nn.Linear(2, 1)", own))
    assert "return self.optimizer" in after


@pytest.mark.parametrize(
    ("skip", "literal"),
    [
        ("N101", "self.automatic_optimization = False"),
        ("N106", "self.scheduler.step()"),
    ],
)
def test_an_idiom_that_is_left_out_leaves_the_literal_form_and_no_note(skip: str, literal: str) -> None:
    result = convert(SCRIPT.format(body="        scheduler.step()"), skip=[skip])
    assert isinstance(result, Converted)
    assert literal in result.after and skip not in {note.code for note in result.diagnostics}


def test_only_one_idiom() -> None:
    result = convert(SCRIPT.format(body="        scheduler.step()"), only=["N101"])
    assert isinstance(result, Converted)
    assert "manual_backward" not in result.after and "self.scheduler.step()" in result.after


def test_the_notes_say_what_stays_with_the_script() -> None:
    result = convert_text(SCRIPT.format(body="        scheduler.step(epoch)"))
    assert isinstance(result, Converted)
    assert [(note.code, note.message) for note in result.diagnostics] == [
        ("N106", "the script steps scheduler: step() is given an argument")
    ]


BETWEEN = SCRIPT.replace("loader = [", "{between}\nloader = [")


def made_by_the_module(between: str) -> bool:
    after = converted("scheduler.step()", BETWEEN.replace("{between}", between))
    return "self.optimizer" not in after and "optimizer = optim.SGD(self.model.parameters()" in after


def test_a_function_that_is_only_defined_in_between_changes_nothing() -> None:
    assert made_by_the_module("def show():\n    print(model(torch.ones(1, 2)))")


def test_a_function_that_is_called_in_between_may_change_the_model() -> None:
    assert not made_by_the_module("def show():\n    print(model(torch.ones(1, 2)))\nshow()")


def test_settings_that_are_added_to_something_stay_the_same() -> None:
    settings = "import argparse\nparser = argparse.ArgumentParser()\nparser.add_argument('--n', type=int, default=1)\n"
    settings += "opt = parser.parse_args()\ndone = 0\nmodel ="
    text = SCRIPT.replace("model =", settings, 1).replace("lr=0.1)", "lr=opt.n)")
    assert "self.optimizer" not in converted("scheduler.step()\ndone += opt.n", text)
    assert "self.optimizer" not in converted("scheduler.step()\nopt.n += done", text)
    assert "self.optimizer" in converted("scheduler.step()", text.replace("\nloader =", "\nopt.n += done\nloader ="))


SETTINGS = """
import torch
from argparse import Namespace
from elsewhere import Writer, prepare
args = Namespace(lr=0.1, folder="runs", optim=Namespace(decay=0.1))
model = torch.nn.Linear(2, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=args.lr, weight_decay=args.optim.decay)
{between}
loader = [(torch.ones(2, 2), torch.ones(2, 1))]
for epoch in range(2):
    for x, y in loader:
        optimizer.zero_grad()
        loss = (model(x) - y).pow(2).mean()
        loss.backward()
        optimizer.step()
"""


@pytest.mark.parametrize(
    "between",
    [
        "w = Writer(args.folder)",
        "w = Writer(log_dir=args.folder + '/x')",
        "prepare(str(args.folder), len(args.folder))",
    ],
)
def test_other_settings_may_be_handed_to_functions_of_other_files(between: str) -> None:
    assert "return torch.optim.SGD(" in converted("pass", SETTINGS.replace("{between}", between))


@pytest.mark.parametrize(
    "between",
    [
        "prepare(args)", "prepare([args])", "prepare(args.optim)", "prepare(args.lr)", "prepare(args.reset())",
        "prepare(model.bias)", "args.reset()", "prepare(args.folder, args)", "prepare(optimizer.param_groups)",
    ],
)  # fmt: skip
def test_settings_of_the_optimizer_may_be_changed_by_functions_of_other_files(between: str) -> None:
    assert "return self.optimizer" in converted("pass", SETTINGS.replace("{between}", between))
