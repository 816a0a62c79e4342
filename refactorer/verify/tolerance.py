"""Comparing numbers: bit for bit, in units in the last place, or within tolerances."""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass


@dataclass(frozen=True)
class Tolerance:
    """`|converted - original| <= atol + rtol * |original|`; exact when both are zero."""

    rtol: float = 0.0
    atol: float = 0.0

    @property
    def exact(self) -> bool:
        """Whether values must agree bit for bit."""
        return not (self.rtol or self.atol)

    def close(self, original: float, converted: float) -> bool:
        """NaN is close to NaN, an infinity to itself."""
        if original == converted or (math.isnan(original) and math.isnan(converted)):
            return True
        return abs(converted - original) <= self.atol + self.rtol * abs(original) and math.isfinite(original)


def ulps(first: float, second: float, dtype: str) -> int | None:
    """How many representable numbers of `dtype` lie between two numbers; None for NaN, infinities, other types."""
    if not (math.isfinite(first) and math.isfinite(second)):
        return None
    if dtype not in ("float64", "float32", "float16", "bfloat16"):
        return None
    return abs(_ordinal(first, dtype) - _ordinal(second, dtype))


def _ordinal(number: float, dtype: str) -> int:
    """The place of a number among all numbers of its type, counted from zero."""
    form, bits = {"float64": ("d", 64), "float32": ("f", 32), "bfloat16": ("f", 32), "float16": ("e", 16)}[dtype]
    pattern = int.from_bytes(struct.pack(">" + form, number), "big")
    sign, size = pattern >> (bits - 1), pattern & ((1 << (bits - 1)) - 1)
    if dtype == "bfloat16":
        size >>= 16
    return -size if sign else size
