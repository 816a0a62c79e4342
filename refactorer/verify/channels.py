"""The channels of evidence: what each run recorded of one kind, as entries that can be compared one by one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from refactorer.verify.tolerance import Tolerance, ulps
from refactorer.verify.trace import Trace, Value
from refactorer.verify.verdict import Channel, Divergence

LOSSES = "losses"
GRADIENTS = "autograd.grad"
NORMS = "gradient norms"
RATES = "learning rates"
PARAMETERS = "parameters"
RANDOM = "random state"
LOADERS = "loader iterations"
PRINTED = "printed lines"
FILES = "files"
STATUS = "exit status"

# Of two channels that differ at one step, the earlier in this list is the cause and is reported.
ORDER = (LOSSES, GRADIENTS, NORMS, RATES, PARAMETERS, RANDOM, PRINTED, FILES, STATUS)


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


def gradients(trace: Trace) -> list[Entry]:
    """What `torch.autograd.grad` was called on."""
    return [_value("value given to autograd.grad,", i, value) for i, value in enumerate(trace.gradients, 1)]


def gradient_norms(trace: Trace) -> list[Entry]:
    """The norm of all gradients that each optimizer step used."""
    return [_number(s.step, f"gradient norm at step {s.step}", s.gradient_norm, s.place) for s in trace.steps]


def rates(trace: Trace) -> list[Entry]:
    """The learning rate of every parameter group at each optimizer step."""
    return [
        _number(s.step, f"learning rate of group {group} at step {s.step}", rate, s.place, "float64")
        for s in trace.steps
        for group, rate in enumerate(s.rates)
    ]


def parameters(trace: Trace) -> list[Entry]:
    """The parameters of the optimizer after each of its steps."""
    return [
        Entry(
            s.step,
            f"parameters after step {s.step}",
            (s.parameters, s.norm.hex()),
            f"norm {s.norm!r}, checksum {s.parameters:08x}",
            s.norm,
            "",
            s.place,
        )
        for s in trace.steps
    ]


def loaders(trace: Trace) -> list[Entry]:
    """Each time that a DataLoader began to be iterated."""
    return [
        Entry(m.step, f"loader iteration {i}", (m.step, m.amount), f"{m.amount} batches", place=m.place)
        for i, m in enumerate(trace.loaders, 1)
    ]


def _number(step: int, quantity: str, number: float | None, place: str | None, dtype: str = "") -> Entry:
    return Entry(step, quantity, None if number is None else number.hex(), repr(number), number, dtype, place)


NUMERIC: dict[str, Entries] = {
    LOSSES: losses,
    GRADIENTS: gradients,
    NORMS: gradient_norms,
    RATES: rates,
    PARAMETERS: parameters,
}


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
    some = one or two
    assert some is not None
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
