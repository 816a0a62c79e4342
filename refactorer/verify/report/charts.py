"""Line charts as SVG: from numbers to points, ticks and labels. The page's template only draws them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 860, 260
LEFT, RIGHT, TOP, BOTTOM = 64, 16, 14, 30
MOST_POINTS = 2000


@dataclass(frozen=True)
class Line:
    """One curve: its name, and its points in the coordinates of the drawing, `x,y` separated by spaces."""

    name: str
    points: str


@dataclass(frozen=True)
class Tick:
    """A place on an axis in the coordinates of the drawing, and its label."""

    at: float
    label: str


@dataclass(frozen=True)
class Chart:
    """A drawing of WIDTH by HEIGHT. `mark` is the x of the first difference; `band` an area around the first line."""

    title: str
    about: str
    lines: tuple[Line, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    mark: float | None = None
    band: str = ""


@dataclass(frozen=True)
class _Scale:
    low: float
    high: float
    count: int

    def x(self, index: int) -> float:
        return LEFT + index / max(self.count - 1, 1) * (WIDTH - LEFT - RIGHT)

    def y(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return HEIGHT - BOTTOM - min(max(share, 0.0), 1.0) * (HEIGHT - TOP - BOTTOM)


def curves(
    title: str,
    about: str,
    series: Sequence[tuple[str, Sequence[float]]],
    mark: int | None = None,
    allowed: Sequence[float] = (),
) -> Chart | None:
    """A chart of several curves over the same steps, or None when no value is finite.

    `mark` is the index of the first difference; `allowed` the tolerance around the values of the first curve.
    """
    finite = [value for _, values in series for value in values if math.isfinite(value)]
    if not finite:
        return None
    low, high = min(finite), max(finite)
    flat = low == high
    if flat:
        wide = abs(low) * 0.1 or 1.0
        low, high = low - wide, high + wide
    ticks = [low + wide] if flat else _round_numbers(low, high)
    scale = _Scale(min(low, ticks[0]), max(high, ticks[-1]), max(len(values) for _, values in series))
    return Chart(
        title,
        about,
        tuple(Line(name, _points(values, scale)) for name, values in series),
        _steps(scale),
        tuple(Tick(round(scale.y(value), 2), f"{value:.6g}") for value in ticks),
        None if mark is None else round(scale.x(min(mark, scale.count - 1)), 2),
        _band(series[0][1], allowed, scale) if allowed else "",
    )


def _points(values: Sequence[float], scale: _Scale) -> str:
    """The values as points, thinned to at most MOST_POINTS; what is not finite is left out."""
    every = max(1, -(-len(values) // MOST_POINTS))
    shown = (i for i, value in enumerate(values) if math.isfinite(value) and (i % every == 0 or i == len(values) - 1))
    return " ".join(f"{scale.x(i):.2f},{scale.y(values[i]):.2f}" for i in shown)


def _band(values: Sequence[float], allowed: Sequence[float], scale: _Scale) -> str:
    """The outline of the area within the tolerance."""
    pairs = [(i, value, wide) for i, (value, wide) in enumerate(zip(values, allowed)) if math.isfinite(value)]
    pairs = pairs[:: max(1, -(-len(pairs) // MOST_POINTS))]
    upper = [(scale.x(i), scale.y(value + wide)) for i, value, wide in pairs]
    lower = [(scale.x(i), scale.y(value - wide)) for i, value, wide in reversed(pairs)]
    return " ".join(f"{x:.2f},{y:.2f}" for x, y in upper + lower)


def _round_numbers(low: float, high: float) -> list[float]:
    """About five round numbers from just below `low` to just above `high`."""
    rough = (high - low) / 4
    unit = 10.0 ** math.floor(math.log10(rough))
    step = next(unit * factor for factor in (1, 2, 2.5, 5, 10) if unit * factor >= rough * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [number * step for number in range(first, last + 1)]


def _steps(scale: _Scale) -> tuple[Tick, ...]:
    if scale.count == 1:
        return (Tick(scale.x(0), "1"),)
    numbers = sorted({1, *(int(n) for n in _round_numbers(1, scale.count) if 1 <= n <= scale.count and n == int(n))})
    if len(numbers) > 2 and numbers[1] - 1 < (numbers[2] - numbers[1]) / 3:
        del numbers[1]
    return tuple(Tick(round(scale.x(number - 1), 2), f"{number:,}") for number in numbers)
