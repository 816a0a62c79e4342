"""Reads what the tracer wrote."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Value:
    """A value that `backward()` or `autograd.grad` started from, with the index of the step that it leads to."""

    step: int
    value: float
    dtype: str
    shape: tuple[int, ...]
    checksum: int | None
    random: dict[str, int]
    place: str | None

    @property
    def key(self) -> tuple[object, ...]:
        """Equal for two values exactly when all their bits are; NaN equals NaN."""
        return (self.value.hex(), self.dtype, self.shape, self.checksum)


@dataclass(frozen=True)
class Step:
    """The state right after an optimizer step; `step` counts from 1 over all optimizers."""

    step: int
    optimizer: str
    parameters: int
    norm: float
    gradient_norm: float
    rates: tuple[float | None, ...]
    random: dict[str, int]
    place: str | None
    printed: int | None
    time: float
    overhead: float


@dataclass(frozen=True)
class Mark:
    """A line began to be printed, or a loader began to be iterated, after `step` steps."""

    step: int
    place: str | None
    amount: int | None


@dataclass
class Trace:
    """All events of the process that trained, in their order per kind."""

    started: bool = False
    main: bool = False
    rank: int = 0
    pid: int = 0
    torch: str | None = None
    threads: int | None = None
    losses: list[Value] = field(default_factory=list)
    gradients: list[Value] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    prints: list[Mark] = field(default_factory=list)
    loaders: list[Mark] = field(default_factory=list)
    end: dict[str, Any] | None = None

    @property
    def cut(self) -> bool:
        """Whether the run was ended by the limit on steps."""
        return bool(self.end and self.end["cut"])

    @property
    def training_seconds(self) -> float | None:
        """Seconds from the first optimizer step to the last one, without the tracer's own."""
        if len(self.steps) < 2:
            return None
        first, last = self.steps[0], self.steps[-1]
        return (last.time - last.overhead) - (first.time - first.overhead)


def read_traces(folder: Path) -> Trace:
    """The trace of the process that trained: the main one, or else the spawned one of rank 0."""
    traces = [read_trace(path) for path in sorted(folder.glob("trace-*.jsonl"))]
    main = next((trace for trace in traces if trace.main), Trace())
    if main.steps or main.losses:
        return main
    trained = [trace for trace in traces if trace.steps and trace.rank == 0]
    if not trained:
        return main
    chosen = max(trained, key=lambda trace: len(trace.steps))
    chosen.prints = main.prints
    return chosen


def read_trace(path: Path) -> Trace:
    """Reads one file; a last line that was cut short by a kill is left out."""
    trace = Trace()
    for line in path.read_text(errors="replace").splitlines():
        try:
            event = json.loads(line)
        except ValueError:
            break
        _READ[event["e"]](trace, event)
    return trace


def _start(trace: Trace, event: dict[str, Any]) -> None:
    trace.started, trace.main, trace.pid = True, event["main"], event["pid"]


def _torch(trace: Trace, event: dict[str, Any]) -> None:
    trace.torch, trace.threads = event["version"], event["threads"]


def _rank(trace: Trace, event: dict[str, Any]) -> None:
    trace.rank = event["rank"]


def _value(event: dict[str, Any]) -> Value:
    number = float.fromhex(event["v"])
    return Value(event["s"] + 1, number, event["d"], tuple(event["n"]), event["c"], event["r"], event["at"])


def _loss(trace: Trace, event: dict[str, Any]) -> None:
    trace.losses.append(_value(event))


def _grad(trace: Trace, event: dict[str, Any]) -> None:
    trace.gradients.append(_value(event))


def _step(trace: Trace, event: dict[str, Any]) -> None:
    norm, gradient_norm = float.fromhex(event["pn"]), float.fromhex(event["g"])
    rates = tuple(None if rate is None else float.fromhex(rate) for rate in event["lr"])
    state = (event["opt"], event["p"], norm, gradient_norm, rates, event["r"], event["at"])
    trace.steps.append(Step(event["s"], *state, event["o"], event["t"], event["own"]))


def _out(trace: Trace, event: dict[str, Any]) -> None:
    trace.prints.append(Mark(event["s"], event["at"], event["o"]))


def _iter(trace: Trace, event: dict[str, Any]) -> None:
    trace.loaders.append(Mark(event["s"], event["at"], event["n"]))


def _end(trace: Trace, event: dict[str, Any]) -> None:
    trace.end = event


_READ = {"start": _start, "torch": _torch, "rank": _rank, "loss": _loss, "grad": _grad, "step": _step, "out": _out,
         "iter": _iter, "end": _end}  # fmt: skip
