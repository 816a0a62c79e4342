"""The layout of what is written: continuation lines under their brackets, docstrings at their depth, no gaps.

Names grow when they become attributes. A line that was aligned with the bracket above it stays aligned with it.
"""

from __future__ import annotations

import io
import tokenize
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import dropwhile

import libcst as cst
from libcst.metadata import MetadataWrapper, WhitespaceInclusivePositionProvider

from refactorer.analysis.program import Program
from refactorer.analysis.walk import find, walk
from refactorer.emit.edits import Edit, Node, apply


@dataclass(frozen=True)
class _Continuation:
    """Where a line within brackets begins; the line of its innermost bracket, and the column of what follows that one.

    The column is None where nothing follows on the same line.
    """

    line: int
    column: int
    bracket: int
    under: int | None


_Continuations = dict[cst.ParenthesizedWhitespace, _Continuation]


def with_aligned(module: cst.Module, name: str, sources: Iterable[cst.CSTNode]) -> cst.Module:
    """The file, with the lines of one class as aligned as in the statements of the original that it was made of."""
    written = next(node for node in module.body if isinstance(node, cst.ClassDef) and node.name.value == name)
    now = {line: found for line in _lines(written) if (found := _continuations(line))}
    if not now:
        return module
    aligned = {
        node
        for source in sources for line in _lines(source) for node, found in _continuations(line).items()
        if found.column == found.under
    }  # fmt: skip
    widths = {line: _widths(found, aligned) for line, found in now.items()}
    edits: dict[cst.CSTNode, Edit] = {line: line.visit(_Realigned(own)) for line, own in widths.items() if own}  # type: ignore[misc]
    body = [apply(node, edits) if node is written else node for node in module.body]
    return module.with_changes(body=body) if edits else module


def _lines(node: cst.CSTNode) -> Iterator[cst.SimpleStatementLine]:
    """The simple statements in a statement."""
    if isinstance(node, cst.SimpleStatementLine):
        yield node
        return
    for name in ("body", "handlers", "cases", "orelse", "finalbody"):
        part = getattr(node, name, ())
        for inner in part if isinstance(part, Sequence) else [part]:
            if isinstance(inner, cst.CSTNode) and not isinstance(inner, cst.BaseExpression):
                yield from _lines(inner)


def _continuations(line: cst.SimpleStatementLine) -> _Continuations:
    """The continuation lines of a statement, by the whitespace in front of them."""
    alone = cst.Module([line.with_changes(leading_lines=())])
    code = alone.code
    if code.count("\n") < 2:
        return {}
    opened = _brackets(code)
    places = MetadataWrapper(alone, unsafe_skip_copy=True).resolve(WhitespaceInclusivePositionProvider)
    return {
        node: _Continuation(where.end.line, where.end.column, *opened[where.end.line])
        for node, where in places.items()
        if isinstance(node, cst.ParenthesizedWhitespace) and where.end.line in opened
    }


def _brackets(code: str) -> dict[int, tuple[int, int | None]]:
    """For each line within brackets, the line of the innermost one and the column of what follows it there."""
    found: dict[int, tuple[int, int | None]] = {}
    stack: list[tuple[int, int | None]] = []
    fresh, last = False, 0
    for token in tokenize.generate_tokens(io.StringIO(code).readline):
        if token.type in (tokenize.NL, tokenize.NEWLINE, tokenize.COMMENT):
            continue
        line, column = token.start
        if fresh and line == last:
            stack[-1] = (line, column)
        fresh = token.type == tokenize.OP and token.string in "([{"
        if stack and line != last:
            found[line] = stack[-1]
        if fresh:
            stack.append((line, None))
        elif token.type == tokenize.OP and token.string in ")]}" and stack:
            stack.pop()
        last = token.end[0]
    return found


def _widths(now: _Continuations, aligned: set[cst.ParenthesizedWhitespace]) -> dict[cst.ParenthesizedWhitespace, int]:
    """How much whitespace lines need, where that is not what they have: others move with the line of their bracket."""
    widths: dict[cst.ParenthesizedWhitespace, int] = {}
    shifts: dict[int, int] = {}
    for node, found in sorted(now.items(), key=lambda item: item[1].line):
        shift = shifts.get(found.bracket, 0)
        if node in aligned and found.under is not None:
            shift += found.under - found.column
        width = len(node.last_line.value) + shift
        if shift and width >= 0:
            shifts[found.line], widths[node] = shift, width
    return widths


class _Realigned(cst.CSTTransformer):
    def __init__(self, widths: dict[cst.ParenthesizedWhitespace, int]) -> None:
        self.widths = widths

    def leave_ParenthesizedWhitespace(
        self, original_node: cst.ParenthesizedWhitespace, updated_node: cst.ParenthesizedWhitespace
    ) -> cst.ParenthesizedWhitespace:
        width = self.widths.get(original_node)
        return updated_node if width is None else updated_node.with_changes(last_line=cst.SimpleWhitespace(" " * width))


def deeper(docstring: cst.CSTNode, indent: str) -> cst.CSTNode:
    """A docstring, whose lines go one level deeper than they were."""
    small = docstring.body[0] if isinstance(docstring, cst.SimpleStatementLine) else None
    text = small.value if isinstance(small, cst.Expr) else None
    if not isinstance(text, cst.SimpleString) or "\n" not in text.value or "\\\n" in text.value:
        return docstring
    first, *rest = text.value.split("\n")
    moved = "\n".join([first, *(indent + line if line.strip() else line for line in rest)])
    return docstring.with_changes(body=[cst.Expr(text.with_changes(value=moved))])


def without_gaps(written: cst.ClassDef, program: Program) -> cst.ClassDef:
    """The class without blank lines right behind headers that the script does not have there.

    They stood in front of what is under a new `with` now, and go in front of that, or behind a line that is gone.
    """
    own = {id(_gap(block)) for block in program.find(cst.IndentedBlock)}
    edits: dict[cst.CSTNode, Edit] = {}
    for outer in walk(written):
        for position, inner in enumerate(outer.body if isinstance(outer, cst.IndentedBlock) else ()):
            block = getattr(inner, "body", None)
            gap = _gap(block)
            if not isinstance(block, cst.IndentedBlock) or gap is None or id(gap) in own:
                continue
            edits[block.body[0]] = without_gap(block.body[0])
            if isinstance(inner, cst.With) and position and not inner.leading_lines:
                edits[inner] = inner.with_changes(leading_lines=[gap])
    return apply(written, edits)


def evenly_indented(written: cst.ClassDef, program: Program) -> cst.ClassDef:
    """The class without blocks in tabs where the file has spaces, or the other way round: some scripts mix them."""
    usual = set(program.module.default_indent)
    blocks = [block for block in find(cst.IndentedBlock, written) if not usual.issuperset(block.indent or "")]
    return apply(written, {block: block.with_changes(indent=None) for block in blocks})


def without_gap(line: Node) -> Node:
    """A statement without the blank lines above its comments."""
    return line.with_changes(leading_lines=without_blank_start(getattr(line, "leading_lines", ())))


def _gap(block: object) -> cst.EmptyLine | None:
    """The blank line that a block begins with."""
    if not isinstance(block, cst.IndentedBlock):
        return None
    lines = getattr(block.body[0], "leading_lines", ())
    return lines[0] if lines and lines[0].comment is None else None


def without_blank_start(lines: Iterable[cst.EmptyLine]) -> list[cst.EmptyLine]:
    """The lines above a statement, from the first comment on."""
    return list(dropwhile(lambda line: line.comment is None, lines))
