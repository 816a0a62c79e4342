"""Examples of inference and of metrics that are right on several devices."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.runtime.examples import FEATURES, Examples

ROOT = FEATURES.parents[1]


def test_inference(examples: Examples) -> None:
    example = examples.run("inference")
    device = next(example.module.parameters()).device
    assert example.module.moved_to == example.trained_on == {device}
    assert example.predictions.shape == (360, 10)
    torch.testing.assert_close(example.predictions.sum(1), torch.ones(360))
    data = torch.stack([sample["digit"] for sample in example.samples])
    example.module.eval()
    with torch.no_grad():
        torch.testing.assert_close(example.predictions, example.module.model(data).softmax(1))


@pytest.mark.slow
def test_multi_device_metrics(examples: Examples, tmp_path: Path) -> None:
    """Two processes, four batches of unequal size: every metric is that of the whole data."""
    single = examples.run("multi_device_metrics")
    guessed, target = [], []
    single.module.eval()
    with torch.no_grad():
        for data, labels in single.test_loader:
            guessed.append(single.module.model(data).argmax(1))
            target.append(labels)
    right = int((torch.cat(guessed) == torch.cat(target)).sum())
    f1 = single.f1_score(torch.cat(target), torch.cat(guessed), average="macro")
    assert single["values"] == pytest.approx({"accuracy": right / 360, "mistakes": 360 - right, "f1": f1})
    assert single.output.splitlines()[0] == f"right: {right}"
    options = ["--accelerator", "cpu", "--devices", "2", "--strategy", "ddp"]
    command = [sys.executable, "-m", "refactorer", "run", str(FEATURES / "multi_device_metrics.py"), *options]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stdout == single.output
