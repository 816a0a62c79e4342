"""The rows of a text: where its code ends in each, and which brackets it stands in. It needs no LibCST tree."""

from __future__ import annotations

import io
import keyword
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass, field

_BLANK = {tokenize.NL, tokenize.NEWLINE, tokenize.COMMENT, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}
_OPENING, _CLOSING = {*"([{"}, {*")]}"}
#: What ends the names that a word binds: the commas between them part no items.
_BINDING = {"lambda": ":", "for": "in"}
#: Since Python 3.12 the parts of a formatted string are tokens too.
_STRING_STARTS, _STRING_ENDS = {"FSTRING_START", "TSTRING_START"}, {"FSTRING_END", "TSTRING_END"}


@dataclass(frozen=True, order=True)
class Place:
    """Where a token begins: its row, counted from one, and its column, counted from zero."""

    row: int
    column: int


@dataclass(eq=False)
class Bracket:
    """A pair of brackets: what follows the opening one, where further items begin, where the closing one stands."""

    opened: Place
    depth: int
    calls: bool
    subscribes: bool
    first: Place = Place(0, 0)
    closed: Place = Place(0, 0)
    items: list[Place] = field(default_factory=list)

    @property
    def hangs(self) -> bool:
        """Whether nothing follows the opening bracket in its row."""
        return self.first.row > self.opened.row


@dataclass
class Statement:
    """The brackets of a statement or a header, where each row begins and in which of them, and where its code ends.

    A row that begins within a string has no start.
    """

    is_header: bool = False
    brackets: list[Bracket] = field(default_factory=list)
    starts: dict[int, tuple[int, Bracket | None]] = field(default_factory=dict)
    ends: dict[int, int] = field(default_factory=dict)


def statements(text: str) -> Iterator[Statement]:
    """The statements and headers of a file.

    Raises:
        tokenize.TokenError, SyntaxError: the text is not valid Python.
    """
    tokens: list[tokenize.TokenInfo] = []
    strings = 0
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        kind = tokenize.tok_name[token.type]
        strings -= kind in _STRING_ENDS
        if token.type == tokenize.NEWLINE:
            yield _statement(tokens)
            tokens = []
        elif token.type not in _BLANK and not strings:
            tokens.append(token)
        strings += kind in _STRING_STARTS


def _statement(tokens: list[tokenize.TokenInfo]) -> Statement:
    found = Statement(is_header=bool(tokens) and tokens[-1].string == ":")
    stack: list[Bracket] = []
    bound: list[tuple[str, int]] = []
    before = ""
    for token in tokens:
        place, text = Place(*token.start), token.string
        if stack and before in _OPENING:
            stack[-1].first = place
        elif stack and before == "," and not bound and text not in _CLOSING:
            stack[-1].items.append(place)
        if text in _CLOSING:
            stack.pop().closed = place
        if place.row not in found.ends:
            found.starts[place.row] = (place.column, stack[-1] if stack else None)
        found.ends[token.end[0]] = token.end[1]
        if bound and (text, len(stack)) == bound[-1]:
            bound.pop()
        elif text in _BINDING:
            bound.append((_BINDING[text], len(stack)))
        if text in _OPENING:
            stack.append(_opened(place, before, text, len(stack)))
            found.brackets.append(stack[-1])
        before = text
    return found


def _opened(place: Place, before: str, text: str, depth: int) -> Bracket:
    """A bracket, which follows a value if it calls or subscribes it."""
    on_value = before in _CLOSING or (before.isidentifier() and not keyword.iskeyword(before))
    return Bracket(place, depth, calls=on_value and text == "(", subscribes=on_value and text == "[")
