"""What a verification found, as values."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from refactorer.diagnostics import Diagnostic
from refactorer.verify.measured import Flag, Part, SeedResult, Tolerances

SCHEMA = "refactorer.verify/1"

EQUIVALENT = "equivalent"
SIMILAR = "statistically equivalent"
NOT_EQUIVALENT = "not equivalent"
REFUSED = "refused"
NOTHING = "nothing to verify"
ERROR = "error"

_STATUS = {EQUIVALENT: 0, SIMILAR: 0, NOTHING: 0, NOT_EQUIVALENT: 1, ERROR: 2, REFUSED: 3}


@dataclass(frozen=True)
class Divergence:
    """One place where the two versions differ.

    `step` is the index, from 1, of the optimizer step that the quantity belongs to, 0 before the first one. `original`
    and `converted` are the two values in full precision, None where that version has no such value; `difference` is
    converted minus original. Places are `file:line` in each version, with the source text of that line.
    """

    channel: str
    step: int
    index: int
    quantity: str
    original: str | None
    converted: str | None
    difference: float | None = None
    ulps: int | None = None
    original_place: str | None = None
    converted_place: str | None = None
    original_source: str | None = None
    converted_source: str | None = None


@dataclass(frozen=True)
class Cause:
    """What usually makes two versions differ in this way: a name from the catalogue, and why it is thought to be it.

    Places are `file:line` in each version, with the source text of that line; None where nothing can be pointed at.
    """

    name: str
    text: str
    original_place: str | None = None
    converted_place: str | None = None
    original_source: str | None = None
    converted_source: str | None = None


@dataclass(frozen=True)
class Channel:
    """One kind of evidence: how many values each version has and whether they agree.

    A channel that is not `decisive` is shown but does not make the verdict.
    """

    name: str
    status: str
    original: int
    converted: int
    first: Divergence | None = None
    note: str = ""
    decisive: bool = True

    @property
    def differs(self) -> bool:
        """Whether the two versions disagree here."""
        return self.status == "differs"


@dataclass(frozen=True)
class RunSummary:
    """One run: exit status (negative for a signal, None at the time limit), times in seconds, memory in bytes.

    `step_seconds` is the median from one optimizer step to the next, without the tracer; `tracer_seconds` is what the
    tracer itself took in all.
    """

    status: int | None
    seconds: float
    training_seconds: float | None
    steps: int
    losses: tuple[float, ...]
    peak_memory: int | None
    peak_gpu_memory: int | None
    error: str | None
    stderr_tail: str
    torch: str | None
    threads: int | None
    step_seconds: float | None = None
    tracer_seconds: float | None = None


@dataclass(frozen=True)
class Verdict:
    """The outcome with its evidence. `steps` is the limit on optimizer steps, None for whole runs.

    `likely` are the causes by name, the likeliest first; `causes` are their texts. `origin` is the first batch,
    output of a module or update that differs ("batch", "forward value", "update"), where a closer look was taken.
    `synthetic` says which data were generated, `setting` under which settings of the Trainer the converted version ran,
    `derived` where the tolerances come from, `repeats` how it is known that the original repeats itself, and `diff` is
    the unified diff of the two versions.
    """

    outcome: str
    message: str
    script: str
    converted_script: str | None = None
    args: tuple[str, ...] = ()
    seed: int = 0
    steps: int | None = None
    rtol: float | None = None
    atol: float | None = None
    channels: tuple[Channel, ...] = ()
    first: Divergence | None = None
    notes: tuple[str, ...] = ()
    original: RunSummary | None = None
    converted: RunSummary | None = None
    diagnostics: tuple[Diagnostic, ...] = ()
    epochs: int | None = None
    synthetic: tuple[str, ...] = ()
    setting: str = ""
    derived: Tolerances | None = None
    seeds: tuple[SeedResult, ...] = ()
    statistics: tuple[Part, ...] = ()
    environment: tuple[Flag, ...] = ()
    repeats: str = ""
    diff: str = ""
    likely: tuple[Cause, ...] = ()
    origin: Cause | None = None

    @property
    def causes(self) -> tuple[str, ...]:
        """The likely causes in words, the likeliest first."""
        return tuple(cause.text for cause in self.likely)

    @property
    def ratio(self) -> float | None:
        """Training time of the converted version over that of the original."""
        if not (self.original and self.converted):
            return None
        before, after = self.original.training_seconds, self.converted.training_seconds
        return after / before if before and after else None

    @property
    def tolerances(self) -> str:
        """How values were compared, in words."""
        if self.statistics:
            return "by the spread over several runs"
        if self.derived:
            return "within derived tolerances"
        if self.rtol is None and self.atol is None:
            return "bit for bit"
        return f"within rtol={self.rtol or 0:g}, atol={self.atol or 0:g}"

    def channel(self, name: str) -> Channel:
        """The channel of that name. Raises `KeyError` when there is none."""
        for channel in self.channels:
            if channel.name == name:
                return channel
        raise KeyError(name)

    def to_dict(self) -> dict[str, Any]:
        """A JSON-ready form; numbers that JSON lacks (nan, inf) become strings."""
        fields = {
            "schema": SCHEMA,
            **asdict(self),
            "causes": self.causes,
            "ratio": self.ratio,
            "exit_status": exit_status(self),
        }
        return {key: _plain(value) for key, value in fields.items()}


def exit_status(verdict: Verdict) -> int:
    """0 equivalent (also statistically) or nothing to verify, 1 not equivalent, 2 error, 3 refused."""
    return _STATUS[verdict.outcome]


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return repr(value)
    return value
