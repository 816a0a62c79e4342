"""Lines behind the optimizer's step that use what other files give, which may know the model."""

from __future__ import annotations

import pytest

from refactorer.converter import convert_text
from refactorer.result import Converted

SCRIPT = """
import torch
from torch import nn
{making}
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
loader = [(torch.ones(2, 2), torch.ones(2, 1))]
for epoch in range(2):
    for i, (x, y) in enumerate(loader):
        optimizer.zero_grad()
        loss = (model(x) - y).pow(2).mean()
        loss.backward()
        optimizer.step()
        {line}
"""

KNOWN = [
    ("from shared import model, head", "print(head.weight.sum().item())"),
    ("from shared import model, head", "print(head.bias)"),
    ("from shared import *", "print(head.bias)"),
    ("import shared\nmodel = shared.model", "print(shared.head.bias)"),
    ("import shared\nmodel = shared.model\nhead = shared.head", "print(head.bias)"),
    ("from shared import Net, tracker\nmodel = Net()\ntracker.watch(model)", "print(tracker.norm())"),
    ("from shared import Net, tracker\nmodel = Net()\ntracker.watch(model)", "print(tracker.value)"),
    ("from shared import Net, watch, norm\nmodel = Net()\nwatch(model)", "print(norm())"),
    ("from shared import Net, watch, norm\nmodel = Net()\nwatch(model.parameters())", "print(norm())"),
    ("from shared import Net, watch\nimport shared\nmodel = Net()\nwatch(model)", "print(shared.norm)"),
    ("from lib import watch\nfrom lib.numbers import norm\nmodel = nn.Linear(2, 1)\nwatch(model)", "print(norm())"),
    ("from .shared import watch, norm\nmodel = nn.Linear(2, 1)\nwatch(model)", "print(norm())"),
    ("from shared import *\nmodel = Net()\nwatch(model)", "print(tracker.value)"),
    ("from shared import *\nmodel = Net()\ncfg.seen = model", "print(cfg.value)"),
    ("from shared import head\nmodel = nn.Sequential(nn.ReLU(), head)", "print(head.bias)"),
    ("from shared import head\nlayers = [nn.ReLU()]\nlayers.append(head)\nmodel = nn.Sequential(*layers)",
     "print(head.weight.norm().item())"),
]  # fmt: skip
UNKNOWN = [
    ("from shared import Net, every\nmodel = Net()", "if i % every == 0: print(loss.item())"),
    ("from shared import Net, cfg\nmodel = Net(cfg)", "if i % cfg.every == 0: print(loss.item())"),
    ("from shared import Net\nfrom tools import show\nmodel = Net()", "show(i, loss.item())"),
    ("from shared import Net, Average\nfrom tools import show\nmodel = Net()\nema = Average(model)", "show(i)"),
    ("from config import width, every\nmodel = nn.Linear(width, 1)", "if i % every == 0: print(loss.item())"),
    ("from tools import *\nmodel = nn.Linear(2, 1)", "if i % every == 0: print(loss.item())"),
    ("import wandb\nmodel = nn.Linear(2, 1)\nwandb.watch(model)", "wandb.log({'loss': loss.item()})"),
]


def _converted(making: str, line: str) -> str:
    result = convert_text(SCRIPT.format(making=making, line=line))
    assert isinstance(result, Converted), result.diagnostics
    return result.after


@pytest.mark.parametrize(("making", "line"), KNOWN)
def test_lines_that_may_show_the_model_stay_behind_the_step(making: str, line: str) -> None:
    after = _converted(making, line)
    assert "def on_train_batch_end(" in after
    assert "print(" not in after.split("def training_step(")[1].split("def ")[0]


@pytest.mark.parametrize(("making", "line"), UNKNOWN)
def test_lines_that_use_other_things_of_other_files_stand_in_the_step(making: str, line: str) -> None:
    after = _converted(making, line)
    assert "def on_train_batch_end(" not in after


def test_a_scheduler_stays_where_lines_behind_it_may_show_the_optimizer() -> None:
    lines = "scheduler.step()\n    print(tracker.rate)"
    script = SCRIPT.format(making="from shared import tracker\nmodel = nn.Linear(2, 1)", line="pass")
    made = "scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 1)\n"
    watched = script.replace("loader = ", made + "tracker.watch(optimizer)\nloader = ") + f"    {lines}\n"
    result = convert_text(watched)
    assert isinstance(result, Converted)
    assert "scheduler.step()" in result.after
    result = convert_text(watched.replace("tracker.watch(optimizer)\n", ""))
    assert isinstance(result, Converted)
    assert "scheduler.step()" not in result.after
