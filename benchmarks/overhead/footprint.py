"""Peak memory and time to start of each way, each in a process of its own.

python -m benchmarks.overhead.footprint WAY [DEVICE]    prints one JSON object
"""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass

MODEL = "small transformer"


@dataclass(frozen=True)
class Footprint:
    """Processor seconds from the start of Python to the end of the first epoch, and megabytes at the peak."""

    seconds: float
    memory: float
    device_memory: float


def measure(name: str, device: str, rounds: int = 3) -> Footprint:
    """The median of a few processes."""
    command = [sys.executable, "-m", "benchmarks.overhead.footprint", name, device]
    outputs = [subprocess.run(command, check=True, capture_output=True, text=True).stdout for _ in range(rounds)]
    runs = [json.loads(output) for output in outputs]
    middle = {key: sorted(run[key] for run in runs)[rounds // 2] for key in runs[0]}
    return Footprint(**middle)


def main() -> None:
    """Train once in this process and say what it took."""
    name, device = sys.argv[1], sys.argv[2]
    with tempfile.TemporaryDirectory() as folder, open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
        device_memory = _train(name, device, pathlib.Path(folder))
    print(json.dumps({"seconds": time.process_time(), "memory": _peak(), "device_memory": device_memory}))


def _peak() -> float:
    """Megabytes; Linux says it for this program alone, while ``getrusage`` also counts the process that started it."""
    status = pathlib.Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    peaks = [int(line.split()[1]) for line in lines if line.startswith("VmHWM:")]
    return (peaks[0] if peaks else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss) / 1024


def _train(name: str, device: str, folder: pathlib.Path) -> float:
    import torch

    from benchmarks.overhead import ways
    from benchmarks.overhead.cases import Case

    torch.set_num_threads(1)
    ways.load(name).train(Case(MODEL, device=device, folder=folder))
    return 0.0 if device == "cpu" else torch.cuda.max_memory_allocated() / 2**20


if __name__ == "__main__":
    main()
