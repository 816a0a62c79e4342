"""Steps that are scaled or not as a setting says: the Trainer gets the script's scaler, or none."""

from __future__ import annotations

import re

import pytest

from refactorer.converter import convert_text
from refactorer.result import Converted
from tests.fixtures_harness import Runner, first_difference

SCRIPT = """
import argparse
import torch
from torch import nn, optim
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
parser = argparse.ArgumentParser()
parser.add_argument("--amp", type=int, default={amp})
args = parser.parse_args([])
data = DataLoader(TensorDataset(torch.randn(7, 4), torch.randn(7, 2)), batch_size=3, shuffle=True)
net = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.3), nn.Linear(8, 2))
optimizer = optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
{made}
for epoch in range(2):
    for i, (x, y) in enumerate(data):
        {first}
        optimizer.zero_grad()
{step}
        print(net[0].weight.sum().item())
    print(epoch, loss.item(), torch.rand(1).item(){last})
"""
MADE = 'if args.amp:\n    scaler = torch.amp.GradScaler("cpu", init_scale=8.0)'
AT_END = """
        loss = nn.functional.mse_loss(net(x), y)
        # either way
        if args.amp:
            # scaled
            scaler.scale(loss).backward()
            scaler.step(optimizer)  # a step
            scaler.update()
        else:
            # as it is
            loss.backward()
            optimizer.step()
"""
WITH_FORWARD = """
        if args.amp:
            with torch.autocast("cpu", enabled=True):
                loss = nn.functional.mse_loss(net(x).float(), y)
            scaler.scale(loss).backward()
            scaler.unscale_(optimizer)
            nn.utils.clip_grad_norm_(net.parameters(), 0.1)
            scaler.step(optimizer)
            scaler.update()
        else:
            loss = nn.functional.mse_loss(net(x), y)
            loss.backward()
            nn.utils.clip_grad_norm_(net.parameters(), 0.1)
            optimizer.step()
"""


def script(step: str = AT_END, amp: int = 1, made: str = MADE, first: str = "pass", last: str = "") -> str:
    return SCRIPT.format(step=step.strip("\n"), amp=amp, made=made, first=first, last=last)


CLIP = "            nn.utils.clip_grad_norm_(net.parameters(), 0.1)\n"
MANUAL = {
    "another loss": script(AT_END.replace("            loss.b", "            (2 * loss).b")),
    "another optimizer": script(AT_END.replace("            optimizer.step", "            other.step")).replace(
        "if args.amp:", "other = optim.Adam(net.parameters())\nif args.amp:", 1),
    "a setting that changes": script(first="args.amp = i % 2"),
    "a condition that calls": script(AT_END.replace("if args.amp", "if bool(args.amp)")),
    "another scaler for each epoch": script(first=MADE.split(":", 1)[1].strip()),
    "looked at elsewhere": script(first="if args.amp: scaler.update(4.0)"),
    "clipped in one of them": script(WITH_FORWARD.replace(f"{CLIP}            optimizer", "            optimizer")),
    "clipped while scaled": script(WITH_FORWARD.replace("            scaler.unscale_(optimizer)\n", "")),
    "clipped otherwise": script(WITH_FORWARD.replace("0.1)\n            scaler", "0.2)\n            scaler")),
    "not updated": script(AT_END.replace("            scaler.update()\n", "")),
    "not of torch": script(made="from somewhere import scaler"),
}  # fmt: skip


@pytest.mark.parametrize("amp", [0, 1])
@pytest.mark.parametrize("step", [AT_END, WITH_FORWARD], ids=["at the end", "with the forward pass"])
def test_the_trainer_gets_the_scaler_or_none(step: str, amp: int, runner: Runner) -> None:
    text = script(step, amp)
    after = converted(text)
    assert "scaler=scaler if args.amp else None" in after and "automatic_optimization = False" not in after
    for comment in re.findall(r"# .*", text):
        assert comment in after
    before = runner.run(text)
    assert not before.status, before.error
    assert first_difference(before, runner.run(after)) is None


@pytest.mark.parametrize("text", MANUAL.values(), ids=MANUAL)
def test_the_script_scales_itself(text: str) -> None:
    assert "automatic_optimization = False" in converted(text)


def converted(text: str) -> str:
    result = convert_text(text)
    assert isinstance(result, Converted), result.diagnostics
    return result.after
