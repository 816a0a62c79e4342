"""Comments on moves to the device, which go with them where they say no more: `# move tensors to the GPU`."""

from __future__ import annotations

import re
from collections.abc import Iterable

import libcst as cst

from refactorer.analysis.walk import STATEMENTS, walk
from refactorer.emit.edits import Edit
from refactorer.idioms.device.lines import text_of
from refactorer.outline.comments import lines_above

#: One of these makes a comment one on a move, the others may stand around it: no word is about anything else.
_MOVES = """
convert converts copy cpu cuda device devices gpu gpus move moved moves moving send sends transfer transfers
"""
_AROUND = """
a all allocate and any as available batch batches buffers configuration configured copies current data default each
everything for if image images in input inputs into is it its label labels model models need needed net network networks
of on onto or our parameter parameters possible put puts same sample samples selected set sets setting settings
specified target targets tensor tensors that the them then these this to use using variable variables we weights when
with x y your
"""
_ABOUT_MOVES = frozenset(_MOVES.split())
_KNOWN = _ABOUT_MOVES | frozenset(_AROUND.split())
_WORD = re.compile(r"\w+")


def says_no_more(comment: str) -> bool:
    """Whether a comment only says that something is moved to a device."""
    words = set(_WORD.findall(comment.lower()))
    return bool(words & _ABOUT_MOVES) and words <= _KNOWN


def leaves_nothing(line: cst.CSTNode) -> bool:
    """Whether the comments of a line, or in a branch, only say that something is moved, and there are some."""
    inner = text_of(line.with_changes(leading_lines=()))
    said = [*_said(lines_above(line)[1]), *re.findall("#.*", inner)]
    return bool(said) and all(map(says_no_more, said))


def without_remarks(body: Iterable[cst.CSTNode], edits: dict[cst.CSTNode, Edit]) -> dict[cst.CSTNode, Edit]:
    """The edits that take moves out of lines, and the comments that only say so out of the same lines."""
    cleaned: dict[cst.CSTNode, Edit] = {}
    for line in walk(*body):
        if not isinstance(line, STATEMENTS) or line in edits or not _is_edited(line, edits):
            continue
        if (left := without_remark(line)) is not line:
            cleaned[line] = left
    return {**edits, **cleaned}


def without_remark(line: cst.CSTNode) -> cst.CSTNode:
    """A line without the comments above it, or behind it, that only say that something is moved."""
    if not isinstance(line, cst.SimpleStatementLine):
        return line
    above = lines_above(line)[1]
    if any(part.comment is not None for part in above) and all(map(says_no_more, _said(above))):
        line = line.with_changes(leading_lines=[part for part in line.leading_lines if part not in above])
    behind = _said([line.trailing_whitespace])
    return line.with_changes(trailing_whitespace=cst.TrailingWhitespace()) if any(map(says_no_more, behind)) else line


def _is_edited(line: cst.CSTNode, edits: dict[cst.CSTNode, Edit]) -> bool:
    return any(node in edits for node in walk(line))


def _said(places: Iterable[cst.EmptyLine | cst.TrailingWhitespace]) -> list[str]:
    return [place.comment.value for place in places if place.comment is not None]
