"""Helpers of the verification's tests: pairs of scripts, defects made by hand, single traced runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from refactorer.verify.check import Bench, verdict_of
from refactorer.verify.compare import compare_runs
from refactorer.verify.execute import Run, Settings
from refactorer.verify.project import find_project
from refactorer.verify.tolerance import Tolerance
from refactorer.verify.verdict import ERROR, Verdict

PAIRS = Path(__file__).parent / "pairs"
QUICK = {"PYTHONPATH": str(Path(__file__).parent / "quick")}

# Trains a linear model for `steps` steps; `body` runs after each step with its number `i`.
TINY = """\
import os
import sys
import torch

torch.manual_seed(1)
model = torch.nn.Linear(3, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for i in range(1, {steps} + 1):
    optimizer.zero_grad()
    loss = model(torch.randn(4, 3)).pow(2).mean()
    loss.backward()
    optimizer.step()
    {body}
{after}
"""


def tiny(body: str = "pass", after: str = "", steps: int = 4) -> str:
    return TINY.format(steps=steps, body=body, after=after)


def defect(text: str, *replacements: tuple[str, str]) -> str:
    """The text with each replacement made, of a passage that occurs exactly once."""
    for old, new in replacements:
        assert text.count(old) == 1, f"{text.count(old)} times: {old}"
        text = text.replace(old, new)
    return text


def run_script(folder: Path, text: str, **settings: Any) -> Run:
    """One traced run of a script that lies alone in its folder."""
    settings.setdefault("env", QUICK)
    place = folder / "project"
    place.mkdir(parents=True, exist_ok=True)
    (place / "script.py").write_text(text)
    bench = Bench(find_project(place / "script.py"), folder, Settings(**settings))
    return bench.run("run")


def judge(original: Run, converted: Run, tolerance: Tolerance | None = None) -> Verdict:
    comparison = compare_runs(original, converted, tolerance or Tolerance())
    return verdict_of(comparison, original, converted, Verdict(ERROR, "", "script.py"))
