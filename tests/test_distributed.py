"""A converted script on two processes: `refactorer run --devices 2`, on the CPU, with gloo."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fixtures_harness import FIXTURES, ROOT, read

SCORE = re.compile(r"Test set: Average loss: (\d+\.\d+), Accuracy: (\d+)/(\d+)")

# The script's own evaluation, of the weights that the two processes saved, on one process.
JUDGE = """
import torch, original
from torch.utils.data import DataLoader
model = original.Net()
model.load_state_dict(torch.load("bright_pixels.pt", weights_only=True))
original.test(model, torch.device("cpu"), DataLoader(original.pictures(120, seed=3), batch_size=50))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the converted script, trained on two processes; `out` holds what it printed."""
    folder = tmp_path_factory.mktemp("two_processes")
    (folder / "train.py").write_text(read(FIXTURES / "mnist_functions.out.py"))
    (folder / "original.py").write_text(read(FIXTURES / "mnist_functions.in.py"))
    hardware = ["--accelerator", "cpu", "--devices", "2", "--strategy", "ddp"]
    run = [sys.executable, "-m", "refactorer", "run", "train.py", *hardware, "--", "--epochs", "2", "--save-model"]
    done = python(run, folder)
    assert done.returncode == 0, done.stderr
    (folder / "out").write_text(done.stdout)
    return folder


def python(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
        "OMP_NUM_THREADS": "1",
    }
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=240)


def scores(text: str) -> list[tuple[str, ...]]:
    return [found.groups() for found in SCORE.finditer(text)]


def test_the_evaluation_counts_every_sample_once(folder: Path) -> None:
    last = scores((folder / "out").read_text())[-1]
    judged = python([sys.executable, "-c", JUDGE], folder)
    assert judged.returncode == 0, judged.stderr
    assert scores(judged.stdout) == [last]
    assert last[2] == "120"


def test_every_epoch_is_reported_once(folder: Path) -> None:
    assert len(scores((folder / "out").read_text())) == 2
