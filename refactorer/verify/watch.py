"""Watches a run from outside: how many optimizer steps it has done, and whether it waits for clients for ever."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

STEP, BACKWARD = b'"e": "step"', b'"e": "loss"'
QUIET = (
    20.0  # seconds in which a process that listens on a port neither computes nor writes before it counts as waiting
)
IDLE = 0.02  # of the time; a process that waits for clients uses less of its processor


class Watch:
    """Looks at the files of a run every `every` seconds.

    `waits_at` becomes the port on which the run waits for clients, as a server does, and will never end.
    """

    every = 0.25

    def __init__(self, records: Path, pid: int, progress: Callable[[int], None] | None = None) -> None:
        self.records, self.pid, self.progress = records, pid, progress
        self.waits_at: int | None = None
        self.steps, self.backwards, self.read = 0, 0, 0
        self.rest = b""
        self.quiet, self.size, self.worked = 0.0, -1, 0.0

    def look(self) -> bool:
        """Tells of the progress; whether the run waits for clients and is to be stopped."""
        if self.progress is not None:
            self._count()
            self.progress(self.steps or self.backwards)
        port = self._port()
        if port is None:
            return False
        size, worked = self._written(), _processor_seconds(self.pid)
        idle = worked is not None and worked - self.worked < IDLE * self.every and size == self.size
        self.quiet = self.quiet + self.every if idle else 0.0
        self.size, self.worked = size, worked or 0.0
        if self.quiet >= QUIET:
            self.waits_at = port
        return self.waits_at is not None

    def _count(self) -> None:
        """Adds the steps in what was written since the last look to the trace that is longest."""
        traces = sorted(self.records.glob("trace-*.jsonl"), key=lambda path: path.stat().st_size)
        if not traces:
            return
        with open(traces[-1], "rb") as file:
            file.seek(self.read)
            new = self.rest + file.read()
            self.read = file.tell()
        whole, _, self.rest = new.rpartition(b"\n")
        self.steps += whole.count(STEP)
        self.backwards += whole.count(BACKWARD)

    def _port(self) -> int | None:
        path = self.records / "listening.jsonl"
        if not path.exists():
            return None
        return int(json.loads(path.read_text().splitlines()[-1])["port"])

    def _written(self) -> int:
        return sum(path.stat().st_size for path in self.records.iterdir())


def _processor_seconds(pid: int) -> float | None:
    """Seconds that a process has computed; None where the system does not tell."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return (int(fields[11]) + int(fields[12])) / float(os.sysconf("SC_CLK_TCK"))
