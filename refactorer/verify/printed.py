"""Printed lines: which count, where they come from, and when two of them say the same."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from refactorer.verify.tolerance import Tolerance
from refactorer.verify.trace import Mark

PROGRESS = re.compile(r"\bit/s\b|\bs/it\b|\d+%\|")
NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?|\b(?:nan|inf)\b")
_UNITS = r"(?:\s*(?:ns|us|µs|ms|s|secs?|seconds?|minutes?|hours?|\w+/s(?:ec)?)|m|mins?|h|hrs?)\b"
_AFTER = r"[\s:=]*\d+\.\d+(?:[eE][-+]?\d+)?(?:\s*\(\s*\d+\.\d+\))?"
TIMING = re.compile(
    r"\b\d{4}[-/]\d\d[-/]\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?)?"  # a date
    r"|\b\d+:\d\d(?::\d\d)?(?:\.\d+)?\b"  # a clock
    rf"|(?<![\w.])\d+(?:\.\d+)?(?:[eE][-+]?\d+)?{_UNITS}"  # a number with a unit of time
    rf"|(?<=time){_AFTER}|(?<=elapsed){_AFTER}|(?<=took){_AFTER}",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Line:
    """One printed line, how many optimizer steps came before it, and the script's line that began it."""

    text: str
    step: int
    place: str | None


def read_lines(stdout: bytes, marks: Sequence[Mark]) -> list[Line]:
    """The lines of standard output without progress bars; what a carriage return overwrites is a line too."""
    known = [mark for mark in marks if mark.amount is not None]
    offsets = [mark.amount or 0 for mark in known]
    found, offset = [], 0
    for raw in stdout.split(b"\n"):
        pieces = raw.split(b"\r")
        for piece in pieces:
            text = piece.decode(errors="replace")
            if not PROGRESS.search(text) and (text or len(pieces) == 1):
                at = bisect_right(offsets, offset) - 1
                found.append(Line(text, known[at].step if at >= 0 else 0, known[at].place if at >= 0 else None))
            offset += len(piece) + 1
    if found and not found[-1].text and (stdout.endswith(b"\n") or not stdout):
        found.pop()
    return found


def without_timings(text: str) -> str:
    """The line with everything that tells a time replaced by one word."""
    return TIMING.sub("<time>", text)


class Irreproducible:
    """The numbers that the original prints differently each time it runs, found by running it twice.

    Lines of one shape (the same text around their numbers) share the positions that do not count.
    """

    def __init__(self, first: Sequence[Line], second: Sequence[Line]) -> None:
        self.positions: dict[str, set[int]] = {}
        self.whole: set[int] = set()
        for index, (one, two) in enumerate(zip(first, second, strict=False)):
            shape, numbers = _take_apart(one.text)
            other, others = _take_apart(two.text)
            if shape != other:
                self.whole.add(index)
                continue
            differing = {i for i, (a, b) in enumerate(zip(numbers, others, strict=False)) if a != b}
            self.positions.setdefault(shape, set()).update(differing)

    def same(self, index: int, original: str, converted: str) -> bool:
        """Whether two lines agree in all that the original repeats."""
        shape, numbers = _take_apart(original)
        other, others = _take_apart(converted)
        if index in self.whole:
            return True
        loose = self.positions.get(shape, set())
        same = (a == b or i in loose for i, (a, b) in enumerate(zip(numbers, others, strict=False)))
        return shape == other and all(same)


def _take_apart(text: str) -> tuple[str, list[str]]:
    text = without_timings(text)
    return NUMBER.sub("#", text), NUMBER.findall(text)


def close_lines(original: str, converted: str, tolerance: Tolerance) -> bool:
    """The same text around numbers that are equal within the tolerance."""
    if NUMBER.sub("#", original) != NUMBER.sub("#", converted):
        return False
    pairs = zip(NUMBER.findall(original), NUMBER.findall(converted), strict=False)
    return all(tolerance.close(float(a), float(b)) for a, b in pairs)
