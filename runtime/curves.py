"""Curves as a picture, drawn with Pillow: where matplotlib is installed, Lightning imports it in every script."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL.Image import Image

Points = Sequence[tuple[float, float]]

_SIZE = (840, 480)
_SCALE = 2  # drawn larger, then made smaller: Pillow's lines have no smooth edges
_BOX = (70, 30, 820, 440)  # left, top, right, bottom of the plotted area
_COLOURS = ("#9aa5b1", "#1f6fb4", "#d9622b", "#3a923a", "#8a4fb0", "#b8860b", "#c03d3e", "#2f9e9e")


def draw(curves: Mapping[str, Points]) -> Image:
    """Return a picture of some curves, each with its name; points that are not finite are left out.

    Raises:
        ModuleNotFoundError: Pillow is not installed; TensorBoard brings it.
    """
    from PIL import Image, ImageDraw, ImageFont

    finite = {name: [p for p in points if all(map(math.isfinite, p))] for name, points in curves.items()}
    values = [point for points in finite.values() for point in points] or [(0.0, 0.0)]
    across, up = (_Axis([value[i] for value in values], *ends) for i, ends in enumerate([_BOX[::2], _BOX[:0:-2]]))
    image = Image.new("RGB", (_SIZE[0] * _SCALE, _SIZE[1] * _SCALE), "white")
    pen, font = ImageDraw.Draw(image), ImageFont.load_default(size=13 * _SCALE)
    _grid(pen, font, across, up)
    for number, (name, points) in enumerate(finite.items()):
        _curve(pen, font, [(across.place(x), up.place(y)) for x, y in points], name, number)
    return image.resize(_SIZE, Image.Resampling.LANCZOS)


class _Axis:
    """Numbers to places in the picture, from ``first`` to ``last``, with round numbers to be marked."""

    def __init__(self, values: Sequence[float], first: int, last: int) -> None:
        low, high = min(values), max(values)
        if low == high:
            low, high = low - 0.5, high + 0.5
        rough = (high - low) / 5
        power = 10.0 ** math.floor(math.log10(rough))
        self.step = next(step * power for step in (1, 2, 5, 10) if step * power >= rough * 0.999)
        self.marks = [n * self.step for n in range(math.ceil(low / self.step), math.floor(high / self.step) + 1)]
        self.low, self.high, self.first, self.last = low, high, first, last

    def place(self, value: float) -> float:
        return (self.first + (value - self.low) / (self.high - self.low) * (self.last - self.first)) * _SCALE


def _grid(pen: Any, font: Any, across: _Axis, up: _Axis) -> None:
    left, top, right, bottom = (edge * _SCALE for edge in _BOX)
    gap = 6 * _SCALE
    for mark in up.marks:
        y = up.place(mark)
        pen.line([(left, y), (right, y)], fill="#e4e7eb", width=_SCALE)
        pen.text((left - gap, y), f"{mark:.4g}", fill="#52606d", font=font, anchor="rm")
    for mark in across.marks:
        x = across.place(mark)
        pen.line([(x, bottom), (x, bottom + gap)], fill="#9aa5b1", width=_SCALE)
        pen.text((x, bottom + gap), f"{mark:.4g}", fill="#52606d", font=font, anchor="ma")
    pen.line([(left, top), (left, bottom), (right, bottom)], fill="#9aa5b1", width=_SCALE)


def _curve(pen: Any, font: Any, places: Sequence[tuple[float, float]], name: str, number: int) -> None:
    colour = _COLOURS[number % len(_COLOURS)]
    pen.line(places, fill=colour, width=2 * _SCALE, joint="curve")
    if len(places) <= 50:
        radius = 3 * _SCALE
        for x, y in places:
            pen.ellipse([x - radius, y - radius, x + radius, y + radius], fill=colour)
    right, line = _BOX[2] * _SCALE, (_BOX[1] + 18 * number) * _SCALE
    pen.text((right, line), name, fill=colour, font=font, anchor="ra")
