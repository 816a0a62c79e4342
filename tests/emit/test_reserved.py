"""The list of reserved attribute names covers the installed versions of Lightning and torch."""

from __future__ import annotations

import subprocess
import sys

import pytest

from refactorer.converter import convert_text
from refactorer.emit.reserved import RESERVED
from refactorer.result import Converted
from tests.fixtures_harness import ROOT

NAMES = "import runtime; m = runtime.Module(); print(*sorted({*dir(m), *vars(m)}))"


def test_every_name_of_a_module_is_reserved() -> None:
    found = subprocess.run([sys.executable, "-c", NAMES], cwd=ROOT, capture_output=True, text=True, check=True)
    names = {name for name in found.stdout.split() if not name.startswith("__")}
    assert {"log", "device", "trainer", "training_step", "epoch"} <= names
    assert names <= RESERVED


OLD_HOOKS = "from runtime.old_hooks import REMOVED, RENAMED; print(*REMOVED, *RENAMED)"


def test_hooks_of_older_versions_are_reserved() -> None:
    found = subprocess.run([sys.executable, "-c", OLD_HOOKS], cwd=ROOT, capture_output=True, text=True, check=True)
    names = set(found.stdout.split())
    assert {"training_epoch_end", "on_epoch_end", "training_step_end"} <= names
    assert names <= RESERVED


SCRIPT = """
import torch

model = torch.nn.Linear(3, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
data = [torch.randn(4, 3) for _ in range(3)]


def {name}(batch):
    global steps
    steps += 1
    optimizer.zero_grad()
    loss = model(batch).mean()
    loss.backward()
    optimizer.step()
    return loss.item()


def main():
    global steps
    steps = 0
    for epoch in range(2):
        for batch in data:
            total = {name}(batch) + {name}(batch)


main()
"""


@pytest.mark.parametrize(
    ("name", "method"),
    [("training_epoch_end", "training_epoch_end_"), ("on_epoch_end", "on_epoch_end_"), ("learn", "learn")],
)
def test_a_function_becomes_no_old_hook(name: str, method: str) -> None:
    """A method of the module with such a name would be an error, or bring a warning that the script did not give."""
    result = convert_text(SCRIPT.format(name=name))
    assert isinstance(result, Converted)
    assert f"    def {method}(self, batch):" in result.after
