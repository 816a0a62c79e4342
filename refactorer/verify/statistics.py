"""Comparing trainings that cannot be compared bit for bit: by the spread of several runs of the original.

The losses of all runs are cut into PARTS parts of equal length, and the mean of a part is one number for each run. If
both versions train alike, the difference of their means, over the standard error that follows from the spread of the
original's runs alone, has Student's distribution with one degree of freedom less than runs of the original. The limit
of t is that of a chance of FALSE_ALARM over all parts together (Bonferroni), so that versions that train alike are
found to differ in one case of a hundred. The converted version's own spread excuses nothing.

Runs that spread widely agree with anything. So two versions only count as alike when a difference of MARGIN of the mean
would have been found in every part.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from itertools import pairwise

from refactorer.verify.measured import Part

RUNS = 5
PARTS = 5
FALSE_ALARM = 0.01
MARGIN = 0.25


def compare_losses(original: Sequence[Sequence[float]], converted: Sequence[Sequence[float]]) -> tuple[Part, ...]:
    """The parts of the loss curves, compared; every sequence is one run, and what exceeds the shortest is left out."""
    size = min(len(losses) for losses in (*original, *converted))
    count = min(PARTS, size)
    bounds = [round(size * part / count) for part in range(count + 1)]
    return tuple(_part(original, converted, low, high, count) for low, high in pairwise(bounds))


def _part(
    original: Sequence[Sequence[float]], converted: Sequence[Sequence[float]], low: int, high: int, count: int
) -> Part:
    one, two = ([sum(losses[low:high]) / (high - low) for losses in runs] for runs in (original, converted))
    (mean, deviation), (other, spread) = _moments(one), _moments(two)
    error = deviation * math.sqrt(1 / len(one) + 1 / len(two))
    limit = student_limit(FALSE_ALARM / count, len(one) - 1)
    apart = other - mean
    t = apart / error if error else 0.0 if apart == 0 else math.copysign(math.inf, apart)
    if not math.isfinite(apart):
        same = [math.isfinite(value) for value in one] == [math.isfinite(value) for value in two]
        t = 0.0 if same else math.inf
    return Part((low + 1, high), mean, deviation, other, spread, t, limit, limit * error)


def telling(part: Part) -> bool:
    """Whether a difference of MARGIN of the mean would have been found in this part."""
    return part.noticed <= MARGIN * abs(part.original_mean)


def _moments(values: Sequence[float]) -> tuple[float, float]:
    mean = sum(values) / len(values)
    return mean, math.sqrt(sum((value - mean) ** 2 for value in values) / (len(values) - 1))


@functools.lru_cache
def student_limit(chance: float, degrees: int) -> float:
    """The number that |t| exceeds with that chance, for Student's distribution with so many degrees of freedom."""
    low, high = 0.0, 1.0
    while _beyond(high, degrees) > chance:
        high *= 2
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if _beyond(middle, degrees) > chance else (low, middle)
    return high


def _beyond(t: float, degrees: int) -> float:
    """The chance of a larger |t|: Simpson's rule over the angle whose tangent is t / sqrt(degrees)."""
    end = math.atan(t / math.sqrt(degrees))
    steps = 400
    width = end / steps
    weights = (1 if i in (0, steps) else 4 if i % 2 else 2 for i in range(steps + 1))
    inside = sum(weight * math.cos(i * width) ** (degrees - 1) for i, weight in enumerate(weights)) * width / 3
    scale = math.exp(math.lgamma((degrees + 1) / 2) - math.lgamma(degrees / 2)) * 2 / math.sqrt(math.pi)
    return float(max(1 - scale * inside, 0.0))
