"""Reads what the tracer wrote."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any


@dataclass(frozen=True)
class Value:
    """A value that `backward()` or `autograd.grad` started from, with the index of the step that it leads to.

    `modes` counts the calls of modules in training and in evaluation mode since the backward before; `gradients` is the
    norm of the gradients that were already there. Both are None where no checksums were computed. `unscaled` is the
    loss that a GradScaler made the value from, None where it made none.
    """

    step: int
    value: float
    dtype: str
    shape: tuple[int, ...]
    checksum: int | None
    random: dict[str, int]
    place: str | None
    modes: tuple[int, int] | None = None
    precision: str = ""
    gradients: float | None = None
    seed: int | None = None
    unscaled: float | None = None

    @property
    def key(self) -> tuple[object, ...]:
        """Equal for two values exactly when all their bits are; NaN equals NaN."""
        return (self.value.hex(), self.dtype, self.shape, self.checksum)

    @property
    def loss(self) -> float:
        """The value without the factor of a GradScaler, which is chosen anew in each precision."""
        return self.value if self.unscaled is None else self.unscaled


@dataclass(frozen=True)
class Step:
    """The state right after an optimizer step; `step` counts from 1 over all optimizers.

    Checksums and norms are None at steps that the tracer was told to leave out. `buffers` is 0 when none changed.
    `time` is in seconds; `overhead` is the part of it that the tracer itself had taken up to here.
    """

    step: int
    optimizer: str
    parameters: int | None
    norm: float | None
    gradient_norm: float | None
    rates: tuple[float | None, ...]
    random: dict[str, int]
    place: str | None
    printed: int | None
    time: float
    overhead: float
    state: int | None = None
    settings: str | None = None
    buffers: int | None = None

    @property
    def whose(self) -> str:
        """How many tensors and values each parameter group has, which tells optimizers apart."""
        groups = (self.settings or "").split("; ")
        return "; ".join(", ".join(group.split(", ")[:2]) for group in groups)


@dataclass(frozen=True)
class Mark:
    """A line began to be printed, or a loader began to be iterated, after `step` steps."""

    step: int
    place: str | None
    amount: int | None
    random: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Batch:
    """A batch that a DataLoader gave after `step` steps: the size of its first dimension, and which iteration gave it.

    Iterations are counted from 1 over all loaders; of nested ones, the inner one is named.
    """

    step: int
    checksum: int
    rows: int | None
    place: str | None
    loader: int = 0


@dataclass(frozen=True)
class Forward:
    """What a module returned after `step` steps; `name` and `depth` tell which part of the outermost module it is."""

    step: int
    module: str
    checksum: int
    gradients: bool
    training: bool
    precision: str
    place: str | None
    name: str = ""
    depth: int = 0


@dataclass(frozen=True)
class Call:
    """A call that training steps consist of: clip, unscale, zero, mode, sched. `detail` is what it was called with."""

    kind: str
    step: int
    place: str | None
    detail: str = ""


@dataclass(frozen=True)
class Update:
    """Each parameter after an optimizer step: its shape, checksums of its gradient and of its value."""

    step: int
    parameters: tuple[tuple[tuple[int, ...], int | None, int], ...]
    place: str | None


@dataclass(frozen=True)
class Weights:
    """The parameters that a backward reaches, as they are after `step` backwards: a checksum and their norm."""

    step: int
    checksum: int
    norm: float | None
    place: str | None


@dataclass
class Trace:
    """All events of the process that trained, in their order per kind.

    In a script that steps no optimizer, each `backward()` counts as a step, and `weights` holds the parameters at each.
    """

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
    batches: list[Batch] = field(default_factory=list)
    forwards: list[Forward] = field(default_factory=list)
    modules: list[Forward] = field(default_factory=list)
    updates: list[Update] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    weights: list[Weights] = field(default_factory=list)
    moments: list[float] = field(default_factory=list)
    end: dict[str, Any] | None = None

    @property
    def count(self) -> int:
        """Optimizer steps; backwards where there are none."""
        return len(self.steps) or len(self.losses) + len(self.gradients)

    @property
    def unit(self) -> str:
        """What is counted, in words."""
        return "optimizer steps" if self.steps or not self.count else "backwards"

    @property
    def cut(self) -> bool:
        """Whether the run was ended by the limit on steps."""
        return bool(self.end and self.end["cut"])

    @property
    def training_seconds(self) -> float | None:
        """Seconds from the first step to the last one, without the tracer's own."""
        return self.moments[-1] - self.moments[0] if len(self.moments) > 1 else None

    @property
    def step_seconds(self) -> float | None:
        """Median of the seconds from one step to the next, without the tracer's own."""
        return median(b - a for a, b in pairwise(self.moments)) if len(self.moments) > 1 else None

    @property
    def tracer_seconds(self) -> float | None:
        """Seconds that the tracer itself took in this process."""
        return self.end.get("own") if self.end else None

    @property
    def skipped(self) -> list[int]:
        """The steps that a GradScaler left out, counted from 1 as if it had not."""
        return [call.step + index for index, call in enumerate(self.called("skip"), 1)]

    @property
    def taken(self) -> list[int]:
        """The numbers of the steps that were taken, counted as in `skipped`."""
        left_out = set(self.skipped)
        return [number for number in range(1, len(self.steps) + len(left_out) + 1) if number not in left_out]

    def called(self, kind: str) -> list[Call]:
        """The calls of one kind, in their order."""
        return [call for call in self.calls if call.kind == kind]


def same_random(one: dict[str, int], two: dict[str, int]) -> bool:
    """Whether the generators that exist in both versions are in the same state."""
    return all(one[name] == two[name] for name in one.keys() & two.keys())


def read_traces(folder: Path) -> Trace:
    """The trace of the process that trained: the main one, or else the spawned one of rank 0."""
    traces = [read_trace(path) for path in sorted(folder.glob("trace-*.jsonl"))]
    main = next((trace for trace in traces if trace.main), Trace())
    if main.count:
        return main
    trained = [trace for trace in traces if trace.steps and trace.rank == 0]
    if not trained:
        return main
    chosen = max(trained, key=lambda trace: len(trace.steps))
    chosen.prints = main.prints
    return chosen


def read_trace(path: Path) -> Trace:
    """Reads one file; a last line that was cut short by a kill is left out."""
    events = []
    for line in path.read_text(errors="replace").splitlines():
        try:
            found = json.loads(line)
        except ValueError:
            break
        events += found if isinstance(found, list) else [found]
    if not any(event["e"] == "step" for event in events):
        _count_backwards(events)
    trace = Trace()
    for event in events:
        _READ.get(event["e"], _call)(trace, event)
    timed = ("step",) if trace.steps else ("loss", "grad")
    trace.moments = [event["t"] - event["own"] for event in events if event["e"] in timed]
    return trace


def _count_backwards(events: list[dict[str, Any]]) -> None:
    """Counts each backward as a step, where there are no others."""
    done = 0
    for event in events:
        if "s" in event:
            event["s"] = done
        done += event["e"] in ("loss", "grad")


def _start(trace: Trace, event: dict[str, Any]) -> None:
    trace.started, trace.main, trace.pid = True, event["main"], event["pid"]


def _torch(trace: Trace, event: dict[str, Any]) -> None:
    trace.torch, trace.threads = event["version"], event["threads"]


def _rank(trace: Trace, event: dict[str, Any]) -> None:
    trace.rank = event["rank"]


def _value(event: dict[str, Any]) -> Value:
    number, before = float.fromhex(event["v"]), _number(event.get("gb"))
    modes = tuple(event["m"]) if "m" in event else None
    state = (event["d"], tuple(event["n"]), event["c"], event.get("r", {}), event["at"])
    rest = (event.get("seed"), _number(event.get("u")))
    return Value(event["s"] + 1, number, *state, modes, event.get("ac", ""), before, *rest)


def _weights(trace: Trace, event: dict[str, Any]) -> None:
    if "p" in event:
        trace.weights.append(Weights(event["s"], event["p"], _number(event["pn"]), event.get("at")))


def _loss(trace: Trace, event: dict[str, Any]) -> None:
    trace.losses.append(_value(event))
    _weights(trace, event)


def _grad(trace: Trace, event: dict[str, Any]) -> None:
    trace.gradients.append(_value(event))
    _weights(trace, event)


def _number(text: str | None) -> float | None:
    return None if text is None else float.fromhex(text)


def _step(trace: Trace, event: dict[str, Any]) -> None:
    rates = tuple(_number(rate) for rate in event["lr"])
    norms = (_number(event.get("pn")), _number(event.get("g")))
    where = (event.get("at"), event.get("o"))
    state = (event.get("opt", ""), event.get("p"), *norms, rates, event.get("r", {}), *where)
    times = (event["t"], event["own"])
    trace.steps.append(Step(event["s"], *state, *times, event.get("st"), event.get("set"), event.get("b")))


def _batch(trace: Trace, event: dict[str, Any]) -> None:
    trace.batches.append(Batch(event["s"], event["c"], event["n"], event["at"], len(trace.loaders)))


def _forward(trace: Trace, event: dict[str, Any]) -> None:
    found = Forward(event["s"], event["k"], event["c"], event["g"], event["t"], event["ac"], event["at"],
                    event.get("n", ""), event.get("d", 0))  # fmt: skip
    (trace.forwards if event["e"] == "fwd" else trace.modules).append(found)


def _update(trace: Trace, event: dict[str, Any]) -> None:
    parameters = tuple((tuple(shape), gradient, value) for shape, gradient, value in event["p"])
    trace.updates.append(Update(event["s"], parameters, event["at"]))


def _call(trace: Trace, event: dict[str, Any]) -> None:
    known = {"e", "s", "at"}
    detail = ", ".join(f"{key}={item}" for key, item in event.items() if key not in known)
    trace.calls.append(Call(event["e"], event["s"], event["at"], detail))


def _out(trace: Trace, event: dict[str, Any]) -> None:
    trace.prints.append(Mark(event["s"], event["at"], event["o"]))


def _iter(trace: Trace, event: dict[str, Any]) -> None:
    trace.loaders.append(Mark(event["s"], event["at"], event["n"], event.get("r", {})))


def _end(trace: Trace, event: dict[str, Any]) -> None:
    trace.end = event
    _weights(trace, event)


_READ = {"start": _start, "torch": _torch, "rank": _rank, "loss": _loss, "grad": _grad, "step": _step, "out": _out,
         "iter": _iter, "batch": _batch, "fwd": _forward, "mod": _forward, "par": _update, "end": _end}  # fmt: skip
