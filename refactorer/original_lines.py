"""Where the code of a text that is made of the original stood in the original."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import libcst as cst

from refactorer.analysis.program import Program


@dataclass(frozen=True)
class Prepared:
    """A text that does the same as that of `program`, with functions that are copies of functions there."""

    text: str
    program: Program
    copies: Mapping[cst.FunctionDef, cst.FunctionDef]

    def line_before(self, program: Program, node: cst.CSTNode, line: int, text: str) -> int:
        """The line of a text that a line was before it was prepared."""
        copy = next((copy for copy in self.copies if copy in program.order and program.contains(copy, node)), None)
        if copy is None:
            return same_line(text, self.text, line)
        first, of = program.position(copy)[0], self.copies[copy]
        code = cst.Module([]).code_for_node
        within = line - first + 1 + len(copy.leading_lines)
        return self.program.position(of)[0] + same_line(code(of), code(copy), within) - len(of.leading_lines) - 1


@dataclass
class OriginalLines:
    """Finds places in a file; `parts` are the functions of the original that functions of the text are parts of."""

    original: str
    parts: Mapping[str, str] = field(default_factory=dict)
    prepared: Prepared | None = None

    def position(self, program: Program, node: cst.CSTNode, text: str) -> tuple[int, int]:
        """Line and column, 1-based, of a node of a text; the line is 0 where an earlier training has changed it."""
        line, column = program.position(node)
        prepared = self.prepared
        if prepared is not None and node in program.order and program.module.code == prepared.text:
            line = prepared.line_before(program, node, line, text)
        if text is self.original or not line:
            return line, column
        before, after = self.original.splitlines(), text.splitlines()
        rest = len(after) - line + 1
        if before[-rest:] == after[-rest:]:
            return len(before) - rest + 1, column
        for one, other in ((before, after), ([*map(str.strip, before)], [*map(str.strip, after)])):
            for block in difflib.SequenceMatcher(None, one, other, autojunk=False).get_matching_blocks():
                if block.b <= line - 1 < block.b + block.size:
                    return line - block.b + block.a, column
        return self._of_part(program, node, after[line - 1 : line], before), column

    def _of_part(self, program: Program, node: cst.CSTNode, lines: list[str], before: list[str]) -> int:
        """The line of the original that a line of a part of a divided function was, or that of its function; else 0."""
        around = [node, *program.ancestors(node)]
        name = next((f.name.value for f in around if isinstance(f, cst.FunctionDef) and f.name.value in self.parts), "")
        of = self.parts.get(name, "")
        start = next((i for i, line in enumerate(before) if re.match(rf"\s*def {of}\b", line)), None) if of else None
        if start is None:
            return 0
        same = [i for i, line in enumerate(before) if i > start and [line.strip()] == [part.strip() for part in lines]]
        return (same or [start])[0] + 1


def same_line(before: str, after: str, line: int) -> int:
    """The number of the line of one text that a line of the other is, or the last one in front of it."""
    old, new = ([part.strip() for part in text.splitlines()] for text in (before, after))
    blocks = difflib.SequenceMatcher(None, old, new, autojunk=False).get_matching_blocks()
    block = [block for block in blocks if block.b < line and block.size][-1:]
    return block[0].a + min(line - block[0].b, block[0].size) if block else 1
