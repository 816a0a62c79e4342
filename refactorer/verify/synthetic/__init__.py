"""Training without the data: known data sets become small generated samples, in both versions alike.

`inject` is put on the path of a verified script. Its `refactorer_synthetic` replaces what makes data sets, so neither
files nor a network are needed. `standins` holds small packages for libraries that cannot be imported at all.

Everything is generated from fixed seeds of its own, so the script's generators are not touched, and both versions see
the same data. What was replaced is written down by the script's process and told in the report.
"""

from __future__ import annotations

import json
from pathlib import Path

INJECT = Path(__file__).resolve().parent / "inject"
PLUGIN = "refactorer_synthetic"
SAMPLES = 256
"""Samples for training by default; half as many for testing."""


def variables(samples: int) -> dict[str, str]:
    """The environment that tells a verified script's process to generate its data."""
    return {"REFACTORER_SYNTHETIC": str(samples)}


def read_used(records: Path) -> tuple[str, ...]:
    """What a run replaced, in words, each once and in the order of its first use."""
    found: dict[str, None] = {}
    for path in sorted(records.glob("synthetic-*.jsonl")):
        for line in path.read_text(errors="replace").splitlines():
            found[json.loads(line)["text"]] = None
    return tuple(found)
