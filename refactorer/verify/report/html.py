"""The verdict as one HTML page that needs nothing else: the loss curves are drawn as SVG inside it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from refactorer.verify.report import words
from refactorer.verify.verdict import Verdict, exit_status

WIDTH, HEIGHT, MOST_POINTS = 800, 220, 2000


@dataclass(frozen=True)
class Chart:
    """Lines in a box of WIDTH by HEIGHT, each an SVG list of points, with the values at its bottom and top."""

    title: str
    lines: tuple[tuple[str, str], ...]
    low: float
    high: float
    count: int


def render(verdict: Verdict) -> str:
    """The page; everything that comes from the scripts is escaped."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    loader = FileSystemLoader(Path(__file__).parent)
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    template = environment.get_template("page.html.j2")
    return template.render(verdict=verdict, words=words, charts=_charts(verdict), passed=not exit_status(verdict))


def _charts(verdict: Verdict) -> list[Chart]:
    one = verdict.original.losses if verdict.original else ()
    two = verdict.converted.losses if verdict.converted else ()
    if not one or not two:
        return []
    apart = [b - a for a, b in zip(one, two, strict=False)]
    found = [
        _chart("Loss at each backward", [("original", one), ("converted", two)]),
        _chart("Converted minus original", [("difference", apart)]),
    ]
    return [chart for chart in found if chart]


def _chart(title: str, series: Sequence[tuple[str, Sequence[float]]]) -> Chart | None:
    finite = [value for _, values in series for value in values if math.isfinite(value)]
    if not finite:
        return None
    low, high = min(finite), max(finite)
    count = max(len(values) for _, values in series)
    lines = tuple((name, _points(values, low, high, count)) for name, values in series)
    return Chart(title, lines, low, high, count)


def _points(values: Sequence[float], low: float, high: float, count: int) -> str:
    """The values as SVG points, thinned to at most MOST_POINTS; what is not finite is left out."""
    every = max(1, -(-len(values) // MOST_POINTS))
    span = (high - low) or 1.0
    shown = [(i, v) for i, v in enumerate(values) if math.isfinite(v) and (i % every == 0 or i == len(values) - 1)]
    return " ".join(
        f"{i / max(count - 1, 1) * WIDTH:.2f},{HEIGHT - ((v - low) / span if high > low else 0.5) * HEIGHT:.2f}"
        for i, v in shown
    )
