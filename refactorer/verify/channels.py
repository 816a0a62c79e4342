"""The channels of evidence: what each run recorded of one kind, as entries that can be compared one by one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from refactorer.verify.tolerance import Tolerance, ulps
from refactorer.verify.trace import Trace, Value
from refactorer.verify.verdict import Channel, Divergence

LOSSES = "losses"
GRADIENTS = "autograd.grad"
NORMS = "gradient norms"
RATES = "learning rates"
PARAMETERS = "parameters"
SETTINGS = "optimizer settings"
BUFFERS = "buffers"
STATE = "optimizer state"
SCHEDULERS = "scheduler steps"
BATCHES = "batches"
FORWARDS = "forward values"
RANDOM = "random state"
LOADERS = "loader iterations"
PRINTED = "printed lines"
FILES = "files"
STATUS = "exit status"

# Of two channels that differ at one step, the earlier in this list is the cause and is reported.
ORDER = (LOSSES, GRADIENTS, NORMS, RATES, SETTINGS, PARAMETERS, BUFFERS, STATE, RANDOM, PRINTED, FORWARDS, BATCHES,
         FILES, STATUS)  # fmt: skip
# What belongs to the batch of the step that follows, or to an evaluation in front of it; there, losses come first.
LATE = (PRINTED, FORWARDS, BATCHES)


@dataclass(frozen=True)
class Entry:
    """One recorded value. Two entries agree when their `key` is the same, or their numbers within a tolerance.

    `dtype` is the type that the number was computed in, empty for a summary of many.
    """

    step: int
    quantity: str
    key: object
    text: str
    number: float | None = None
    dtype: str = ""
    place: str | None = None


Entries = Callable[[Trace], list[Entry]]


def _value(what: str, index: int, value: Value) -> Entry:
    shape = f" of shape {value.shape}" if value.shape else ""
    sums = "sum " if value.checksum is not None else ""
    bits = f", checksum {value.checksum:08x}" if value.checksum is not None else ""
    text = f"{sums}{value.value!r} ({value.dtype}{shape}{bits})"
    return Entry(value.step, f"{what} {index}", value.key, text, value.value, value.dtype, value.place)


def losses(trace: Trace) -> list[Entry]:
    """What `backward()` was called on."""
    return [_value("loss", i, value) for i, value in enumerate(trace.losses, 1)]


def unscaled_losses(trace: Trace) -> list[Entry]:
    """The losses as they are before a GradScaler multiplies them."""
    return [
        _value("loss", i, value if value.unscaled is None else replace(value, value=value.unscaled, dtype=""))
        for i, value in enumerate(trace.losses, 1)
    ]


def gradients(trace: Trace) -> list[Entry]:
    """What `torch.autograd.grad` was called on."""
    return [_value("value given to autograd.grad,", i, value) for i, value in enumerate(trace.gradients, 1)]


def gradient_norms(trace: Trace) -> list[Entry]:
    """The norm of all gradients that each optimizer step used."""
    return [
        _number(s.step, f"gradient norm at step {s.step}", s.gradient_norm, s.place)
        for s in trace.steps
        if s.gradient_norm is not None
    ]


def rates(trace: Trace) -> list[Entry]:
    """The learning rate of every parameter group at each optimizer step."""
    return [
        _number(s.step, f"learning rate of group {group} at step {s.step}", rate, s.place, "float64")
        for s in trace.steps
        for group, rate in enumerate(s.rates)
    ]


def parameters(trace: Trace) -> list[Entry]:
    """The parameters of the optimizer after each of its steps; those that each backward reaches where there is none."""
    if not trace.steps:
        return [_bits(w.step, _moment(w.step, trace), w.checksum, w.place, w.norm) for w in trace.weights]
    return [
        _bits(s.step, f"parameters after step {s.step}", s.parameters, s.place, s.norm)
        for s in trace.steps
        if s.parameters is not None
    ]


def _moment(done: int, trace: Trace) -> str:
    return f"parameters before backward {done + 1}" if done < trace.count else "parameters at the end"


def buffers(trace: Trace) -> list[Entry]:
    """The buffers that changed since the step before, such as the statistics of batch normalisation."""
    found = [_bits(s.step, f"buffers at step {s.step}", s.buffers, s.place) for s in trace.steps if s.buffers]
    return [replace(entry, key=(entry.step, entry.key)) for entry in found]


def optimizer_states(trace: Trace) -> list[Entry]:
    """What the optimizer remembers of earlier steps: momenta, averages of squares, counters."""
    return [
        _bits(s.step, f"state of the optimizer after step {s.step}", s.state, s.place)
        for s in trace.steps
        if s.state is not None
    ]


def settings(trace: Trace) -> list[Entry]:
    """The class of the optimizer and all its settings besides learning rates."""
    texts = [(s, f"{s.optimizer}: {s.settings}") for s in trace.steps if s.settings is not None]
    return [
        Entry(s.step, f"settings of the optimizer at step {s.step}", text, text, place=s.place) for s, text in texts
    ]


def schedulers(trace: Trace) -> list[Entry]:
    """Each step of a learning-rate scheduler, the one that its constructor takes included."""
    return [
        Entry(c.step, f"step {i} of a scheduler", (c.step, c.detail), c.detail, place=c.place)
        for i, c in enumerate(trace.called("sched"), 1)
    ]


def batches(trace: Trace) -> list[Entry]:
    """Each batch that a DataLoader gave, in the order in which they were asked for."""
    return [
        replace(_bits(b.step, f"batch {i}", b.checksum, b.place), text=f"{b.rows} rows, checksum {b.checksum:08x}")
        for i, b in enumerate(trace.batches, 1)
    ]


def forwards(trace: Trace) -> list[Entry]:
    """What each module that the script calls itself returned."""
    return [_bits(f.step, f"output {i}, of {f.module}", f.checksum, f.place) for i, f in enumerate(trace.forwards, 1)]


def loaders(trace: Trace) -> list[Entry]:
    """Each time that a DataLoader began to be iterated."""
    return [
        Entry(m.step, f"loader iteration {i}", (m.step, m.amount), f"{m.amount} batches", place=m.place)
        for i, m in enumerate(trace.loaders, 1)
    ]


def _bits(step: int, quantity: str, checksum: int | None, place: str | None, norm: float | None = None) -> Entry:
    bits = f"checksum {checksum or 0:08x}"
    text = bits if norm is None else f"norm {norm!r}, {bits}"
    return Entry(step, quantity, (checksum, norm.hex() if norm is not None else None), text, norm, "", place)


def _number(step: int, quantity: str, number: float | None, place: str | None, dtype: str = "") -> Entry:
    return Entry(step, quantity, None if number is None else number.hex(), repr(number), number, dtype, place)


NUMERIC: dict[str, Entries] = {
    LOSSES: losses,
    GRADIENTS: gradients,
    NORMS: gradient_norms,
    RATES: rates,
    SETTINGS: settings,
    PARAMETERS: parameters,
}
# Checksums, which say nothing about how far two values are apart: they decide where values must agree bit for bit.
BITS: dict[str, Entries] = {BUFFERS: buffers, STATE: optimizer_states, FORWARDS: forwards, BATCHES: batches}


def compare_entries(
    name: str, original: Sequence[Entry], converted: Sequence[Entry], tolerance: Tolerance, decisive: bool = True
) -> Channel:
    """Compares two sequences in order; a missing value is a divergence."""
    counts = (len(original), len(converted))
    for index in range(max(counts)):
        one = original[index] if index < len(original) else None
        two = converted[index] if index < len(converted) else None
        if one is None or two is None or not _agree(one, two, tolerance):
            return Channel(name, "differs", *counts, divergence(name, index, one, two), decisive=decisive)
    return Channel(name, "equal", *counts, decisive=decisive)


def _agree(one: Entry, two: Entry, tolerance: Tolerance) -> bool:
    if one.key == two.key:
        return True
    if tolerance.exact or one.number is None or two.number is None:
        return False
    return tolerance.close(one.number, two.number)


def divergence(channel: str, index: int, one: Entry | None, two: Entry | None) -> Divergence:
    """What is known about one differing pair, of which one may be missing."""
    known = [entry for entry in (one, two) if entry]
    # Of what happens at some steps only, the earlier one is the one that the other version lacks.
    some = min(known, key=lambda entry: entry.step) if channel in (BUFFERS, SCHEDULERS) else known[0]
    apart = distance = None
    if one and two and one.number is not None and two.number is not None:
        apart = two.number - one.number
        distance = ulps(one.number, two.number, one.dtype) if one.dtype == two.dtype else None
    return Divergence(
        channel,
        some.step,
        index,
        some.quantity,
        one.text if one else None,
        two.text if two else None,
        apart,
        distance,
        one.place if one else None,
        two.place if two else None,
    )
