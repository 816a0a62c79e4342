"""Lines that a conversion made too long, broken at commas of the outermost bracket that reaches too far.

Names grow when they become attributes, and expressions take the place of names. Only whitespace between tokens within
brackets changes: no string, no comment, and no line that the script has as it is.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import pairwise

from refactorer.emit.rows import Bracket, Place, Statement, statements

#: Columns that a written line may take before it is broken, where the script has no longer ones.
WIDTH = 120


@dataclass(frozen=True)
class Style:
    """How a script breaks its calls: behind the opening bracket or under what follows it, and where they are closed."""

    hanging: bool = False
    closes_apart: bool = False
    indent: str = "    "


def shortened(before: str, after: str) -> str:
    """The text that a script has become, without the lines that are longer than those that the script had."""
    if 0 < after.count("\r") == after.count("\r\n") == after.count("\n"):
        return shortened(before.replace("\r\n", "\n"), after.replace("\r\n", "\n")).replace("\n", "\r\n")
    if max(map(len, after.split("\n"))) <= WIDTH or "\r" in after:
        return after
    own = list(statements(before))
    width = max([WIDTH, *(end for statement in own for end in statement.ends.values())])
    return broken(after, width, _style(before, own), {row.strip() for row in before.split("\n")})


def broken(text: str, width: int, style: Style = Style(), kept: Collection[str] = ()) -> str:
    """A text whose lines take no more columns, as far as commas allow it, except for those that are kept."""
    rows = text.split("\n")
    if max(map(len, rows)) <= width:
        return text
    for statement in statements(text):
        for number, end in statement.ends.items():
            row = rows[number - 1]
            if end > width and number in statement.starts and row.strip() not in kept:
                rows[number - 1] = "\n".join(_LongRow(statement, number, row, width, style).broken())
    return "\n".join(rows)


def _style(text: str, own: Sequence[Statement]) -> Style:
    """How most calls over several rows are written."""
    calls = [b for statement in own for b in statement.brackets if b.calls and b.closed.row > b.opened.row]
    hanging = [bracket for bracket in calls if bracket.hangs]
    rows = text.split("\n")
    apart = [b for b in hanging if not rows[b.closed.row - 1][: b.closed.column].strip()]
    margins = {rows[row - 1][:column] for statement in own for row, (column, _) in [*statement.starts.items()][:1]}
    indent = min(margins - {""}, key=len, default="    ")
    return Style(2 * len(hanging) > len(calls), 2 * len(apart) > len(hanging), indent)


@dataclass(frozen=True)
class _LongRow:
    """A row of a statement that is too long."""

    statement: Statement
    number: int
    text: str
    width: int
    style: Style

    def broken(self) -> list[str]:
        """The rows that it becomes; the row itself where they would not be short enough."""
        for bracket in sorted(self.statement.brackets, key=lambda bracket: bracket.depth):
            for room in (min(WIDTH, self.width), self.width) if self._reaches_too_far(bracket) else ():
                layouts = [self._under(bracket, room), self._hanging(bracket, room)]
                fitting = [rows for rows in layouts if len(rows) > 1 and self._fits(rows, room)]
                if fitting:
                    return min(fitting, key=self._price)
        return [self.text]

    def _price(self, rows: Sequence[str]) -> tuple[bool, int, int, bool]:
        """Items far to the right are the worst, then many rows, long ones, and what is not the script's style."""
        hangs = rows[0].endswith(("(", "[", "{"))
        far = len(rows[1]) - len(rows[1].lstrip()) > WIDTH // 2
        over = max(0, max(map(len, rows)) - WIDTH)
        return far, len(rows) - (hangs and self.style.closes_apart), over, hangs != self.style.hanging

    def _reaches_too_far(self, bracket: Bracket) -> bool:
        """Whether a bracket with several items begins in the columns that there are, and ends behind them."""
        ends = Place(self.number, self.width)
        return not bracket.subscribes and bool(self._items(bracket)) and bracket.opened < ends <= bracket.closed

    def _items(self, bracket: Bracket) -> list[int]:
        """The columns at which items of a bracket begin behind a comma of this row."""
        start = self.statement.starts[self.number][0]
        return [item.column for item in bracket.items if item.row == self.number and item.column > start]

    def _under(self, bracket: Bracket, room: int) -> list[str]:
        """Further items under the first one, or under the beginning of the row."""
        column, innermost = self.statement.starts[self.number]
        margin = self._margin(column if innermost is bracket else bracket.first.column)
        return self._filled("", bracket, margin, room)

    def _hanging(self, bracket: Bracket, room: int) -> list[str]:
        """All items in rows of their own; none where other rows have more of them, or the body of a block follows."""
        if bracket.opened.row != self.number or bracket.closed.row != self.number or self.statement.is_header:
            return []
        own, start = self._margin(self.statement.starts[self.number][0]), bracket.first.column
        inner = own + self.style.indent
        rows = [self.text[:start].rstrip(), *self._filled(inner, bracket, inner, room, start)]
        if self.style.closes_apart:
            tail = len(self.text) - bracket.closed.column
            rows[-1:] = [rows[-1][:-tail], own + rows[-1][-tail:]]
        return rows

    def _margin(self, column: int) -> str:
        """The whitespace in front of a column: that of this row, as far as it goes."""
        own = self.text[: len(self.text) - len(self.text.lstrip())]
        return own[:column] + " " * (column - len(own))

    def _filled(self, head: str, bracket: Bracket, margin: str, room: int, start: int = 0) -> list[str]:
        """The text from a column on behind a head, with a new row wherever an item does not fit."""
        rows, end = [head], self.statement.ends[self.number]
        for begin, stop in pairwise([start, *self._items(bracket), len(self.text)]):
            if begin > start and len(rows[-1] + self.text[begin : min(stop, end)].rstrip()) > room:
                rows[-1:] = [rows[-1].rstrip(), margin]
            rows[-1] += self.text[begin:stop]
        return rows

    def _fits(self, rows: Sequence[str], room: int) -> bool:
        """Whether no row is too long, but for a comment, and no later row is aligned with anything that has moved."""
        comment = len(self.text) - self.statement.ends[self.number]
        moved = [
            bracket for bracket in self.statement.brackets
            if bracket.opened.row == self.number < bracket.closed.row and bracket.opened.column >= len(rows[0])
        ]  # fmt: skip
        lengths = [*map(len, rows[:-1]), len(rows[-1]) - comment]
        return not moved and max(lengths) <= room
