"""The verdict as one HTML page that needs nothing else: style and drawings are inside it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from refactorer.config import VERSION
from refactorer.verify.report import charts, words
from refactorer.verify.report.charts import Chart
from refactorer.verify.verdict import ERROR, REFUSED, Channel, Verdict, exit_status

LOSSES = "losses"


@dataclass(frozen=True)
class Measure:
    """A quantity of both runs, as text and as shares of the larger one in percent."""

    name: str
    original: str
    converted: str
    shares: tuple[float, float]


def render(verdict: Verdict) -> str:
    """The page; everything that comes from the scripts is escaped."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    loader = FileSystemLoader(Path(__file__).parent)
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True,
                              lstrip_blocks=True)  # fmt: skip
    template = environment.get_template("page.html.j2")
    return template.render(
        verdict=verdict,
        words=words,
        size=charts,
        charts=_charts(verdict),
        measures=_measures(verdict),
        diff=_diff(verdict.diff),
        kind=_kind(verdict),
        mark=_mark,
        version=VERSION,
        style=(Path(__file__).parent / "page.css").read_text(encoding="utf-8"),
    )


def _kind(verdict: Verdict) -> str:
    """The class that colours the verdict: good, bad, or neither."""
    if verdict.outcome in (ERROR, REFUSED):
        return "unsure"
    return "good" if exit_status(verdict) == 0 else "bad"


def _mark(channel: Channel) -> tuple[str, str]:
    """The class and the sign of a check."""
    if channel.differs:
        return ("bad", "✕") if channel.decisive else ("unsure", "≠")
    return ("unsure", "–") if channel.status == "not compared" else ("good", "✓")


def _charts(verdict: Verdict) -> list[Chart]:
    one = verdict.original.losses if verdict.original else ()
    two = verdict.converted.losses if verdict.converted else ()
    if not one or not two:
        return []
    first = verdict.first.index if verdict.first and verdict.first.channel == LOSSES else None
    apart = [b - a for a, b in zip(one, two)]
    largest = max((abs(value) for value in apart if math.isfinite(value)), default=0.0)
    equal = sum(a == b or (math.isnan(a) and math.isnan(b)) for a, b in zip(one, two))
    both = f"{len(one):,} and {len(two):,} values" if len(one) != len(two) else f"{len(one):,} values"
    allowed = verdict.derived.allowed if verdict.derived else ()
    found = [
        charts.curves("Loss at each backward", both, [("original", one), ("converted", two)], first, allowed),
        charts.curves(
            "Converted minus original",
            f"{equal:,} of {len(apart):,} are equal, the largest difference is {largest:.3g}",
            [("difference", apart)],
            first,
        ),
    ]
    return [chart for chart in found if chart]


def _measures(verdict: Verdict) -> list[Measure]:
    one, two = verdict.original, verdict.converted
    if one is None or two is None:
        return []
    times = [
        ("time of the whole run", one.seconds, two.seconds),
        ("time of the training", one.training_seconds, two.training_seconds),
        ("time of a step", _each(one.training_seconds, one.steps), _each(two.training_seconds, two.steps)),
    ]
    memories = [
        ("peak memory", one.peak_memory, two.peak_memory),
        ("peak memory of the GPU", one.peak_gpu_memory, two.peak_gpu_memory),
    ]
    found = [_measure(name, a, b, words.seconds(a), words.seconds(b)) for name, a, b in times if a and b]
    return found + [_measure(name, a, b, words.memory(a), words.memory(b)) for name, a, b in memories if a and b]


def _measure(name: str, one: float, two: float, first: str, second: str) -> Measure:
    most = max(one, two)
    return Measure(name, first, second, (round(100 * one / most, 1), round(100 * two / most, 1)))


def _each(total: float | None, steps: int) -> float | None:
    return total / (steps - 1) if total and steps > 1 else None


def _diff(text: str) -> list[tuple[str, str]]:
    """The lines of a diff with the class that colours each."""
    return [(_line_class(line), line) for line in text.splitlines()]


def _line_class(line: str) -> str:
    if line.startswith(("+++", "---")):
        return "file"
    return {"+": "added", "-": "removed", "@": "place"}.get(line[:1], "same")
