"""Small scripts that set traps: aliases, late binding, order, modes, gradients, jumps, names, odd formatting.

Each file in tests/fuzz/cases/ holds many, one under each line `=== name`. All start with head.txt, which makes data,
model, criterion and optimizer; a line `STEP` stands for the usual four lines of a training step. Those in
tests/fuzz/traps/ are whole scripts.
"""

from __future__ import annotations

import pathlib
import re

FOLDER = pathlib.Path(__file__).parent / "cases"
STEP = ["optimizer.zero_grad()", "loss = criterion(model(x), y)", "loss.backward()", "optimizer.step()"]


def cases() -> dict[str, str]:
    """The text of every script by its name."""
    head = (FOLDER / "head.txt").read_text()
    found: dict[str, str] = {}
    for path in [*sorted(FOLDER.glob("*.txt")), *sorted((FOLDER.parent / "traps").glob("*.txt"))]:
        for name, body in re.findall(r"^=== (\w+)\n(.*?)(?=^=== |\Z)", path.read_text(), re.DOTALL | re.MULTILINE):
            assert name not in found, f"two cases are called {name}"
            found[name] = head + "\n" + expanded(body) if path.parent == FOLDER else body
    return found


def expanded(body: str) -> str:
    lines = []
    for line in body.rstrip("\n").splitlines():
        indentation = line[: len(line) - len(line.lstrip())]
        lines += [indentation + part for part in STEP] if line.strip() == "STEP" else [line]
    return "\n".join(lines) + "\n"
