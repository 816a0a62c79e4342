"""The list of reserved attribute names covers the installed versions of Lightning and torch."""

from __future__ import annotations

import subprocess
import sys

from refactorer.emit.reserved import RESERVED
from tests.fixtures_harness import ROOT

NAMES = "import runtime; m = runtime.Module(); print(*sorted({*dir(m), *vars(m)}))"


def test_every_name_of_a_module_is_reserved() -> None:
    found = subprocess.run([sys.executable, "-c", NAMES], cwd=ROOT, capture_output=True, text=True, check=True)
    names = {name for name in found.stdout.split() if not name.startswith("__")}
    assert {"log", "device", "trainer", "training_step", "epoch"} <= names
    assert names <= RESERVED
