"""Trains scripts in two processes each and reads what the processes did."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.fixtures_harness import ROOT


def run_in_processes(
    scripts: Mapping[str, str], folders: pytest.TempPathFactory, arguments: Sequence[str] = ()
) -> dict[str, list[dict[str, Any]]]:
    """For each script the losses, the printed lines and the saved states, of both ranks."""
    places = {name: folders.mktemp("processes") for name in scripts}
    for name, text in scripts.items():
        (places[name] / "train.py").write_text(text)
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-m", "tests.two_processes", *arguments],
        input=json.dumps([str(place) for place in places.values()]), cwd=ROOT, text=True, capture_output=True,
        env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return {name: [_result(place, rank) for rank in (0, 1)] for name, place in places.items()}


def _result(folder: Path, rank: int) -> dict[str, Any]:
    did: dict[str, Any] = json.loads((folder / f"rank{rank}.json").read_text())
    assert did["status"] == 0, did["errors"]
    states = {path.name: torch.load(path, weights_only=True) for path in sorted(folder.glob("*.pt"))}
    values = {name: {key: value.tolist() for key, value in state.items()} for name, state in states.items()}
    return {**did, "state": values}
