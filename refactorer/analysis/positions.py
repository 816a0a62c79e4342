"""Lines and columns of nodes. Only diagnostics need them, so no more of the file is looked at than they take."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property

import libcst as cst
from libcst.metadata import MetadataWrapper, PositionProvider

from refactorer.analysis.walk import STATEMENTS, child_fields, is_kind

Place = tuple[int, int]


class Positions:
    """The positions in one module, worked out statement by statement.

    `parent` maps the nodes of the module to the nodes around them; `statements` are those that Python's own parser
    calls so, outer ones first. It says on which line of the text each begins. The lines and columns are those of
    LibCST's PositionProvider, which is slow for a whole file.
    """

    def __init__(
        self,
        module: cst.Module,
        parent: Mapping[cst.CSTNode, cst.CSTNode],
        statements: Sequence[cst.CSTNode],
        text: str,
    ) -> None:
        self._module, self._parent, self._statements, self._text = module, parent, statements, text
        self._known: dict[tuple[cst.CSTNode, bool], dict[cst.CSTNode, Place]] = {}

    def of(self, node: cst.CSTNode) -> Place:
        """1-based line and column; (0, 0) for a node that is in no statement of the module."""
        if node is self._module:
            return (1, 1)
        statement = node
        while statement in self._parent and not is_kind(type(statement), STATEMENTS):
            statement = self._parent[statement]
        # A few names, such as those of attributes and keywords, are not among the nodes that have a parent.
        known = [statement] if statement in self._parent else self._module.body
        found = (places[node] for one in known for places in self._within(one) if node in places)
        return next(found, (0, 0))

    def _within(self, statement: cst.CSTNode) -> Iterator[dict[cst.CSTNode, Place]]:
        """The positions of what is in a statement: at first in its header alone, which most diagnostics point at."""
        if self._lines is None:
            yield self._places(self._module, statement, 0)
            return
        header = _without_body(statement)
        for shown in (statement,) if header is None else (header, statement):
            yield self._places(shown, statement, self._lines[statement])

    def _places(self, shown: cst.CSTNode, statement: cst.CSTNode, line: int) -> dict[cst.CSTNode, Place]:
        """The positions in what is shown of a statement that begins on a line; 0 if the whole file is shown."""
        key = (statement, shown is statement)
        if key not in self._known:
            module = self._alone(statement, shown) if line else self._module
            ranges = MetadataWrapper(module, unsafe_skip_copy=True).resolve(PositionProvider)
            above = line - ranges[shown].start.line if line else 0
            places = {at: (where.start.line + above, where.start.column + 1) for at, where in ranges.items()}
            places[statement] = places[shown] if line else places[statement]
            self._known[key] = places
        return self._known[key]

    def _alone(self, statement: cst.CSTNode, shown: cst.CSTNode) -> cst.Module:
        """What is shown of a statement with all that is around it, but without the lines beside it."""
        at, top = statement, shown
        while self._parent[at] is not self._module:
            around = self._parent[at]
            if isinstance(around, cst.IndentedBlock):
                top = around.with_changes(body=[top])
            else:
                top = _with_child(around, at, top)
            at = around
        newline, indent = self._module.default_newline, self._module.default_indent
        return cst.Module([top], default_indent=indent, default_newline=newline)  # type: ignore[list-item]

    @cached_property
    def _lines(self) -> dict[cst.CSTNode, int] | None:
        """The line that each statement begins on; None where Python's parser cannot say: the syntax may be newer."""
        try:
            lines = _first_lines(ast.parse(self._text))
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return None
        if len(self._statements) != len(lines):
            return None
        found: dict[cst.CSTNode, int] = {}
        for statement, line in zip(self._statements, lines):
            found[statement] = line
            found.setdefault(self._parent[statement], line)
        return found


def _first_lines(tree: ast.AST) -> list[int]:
    """The lines on which the statements of a file begin, outer ones first."""
    lines: list[int] = []
    stack = [tree]
    while stack:
        node = stack.pop()
        if isinstance(node, ast.stmt):
            lines.append(node.lineno)
        inner = [part for part in ast.iter_child_nodes(node) if isinstance(part, _HOLDERS)]
        stack += reversed(inner)
    return lines


_HOLDERS = (ast.stmt, ast.ExceptHandler, ast.match_case)


def _without_body(statement: cst.CSTNode) -> cst.CSTNode | None:
    """A compound statement with nothing but its header; None for others."""
    if not isinstance(statement, (cst.If, cst.For, cst.While, cst.With, cst.FunctionDef, cst.ClassDef)):
        return None
    others = {} if isinstance(statement, (cst.With, cst.FunctionDef, cst.ClassDef)) else {"orelse": None}
    return statement.with_changes(body=cst.SimpleStatementSuite([cst.Pass()]), **others)


def _with_child(node: cst.CSTNode, old: cst.CSTNode, new: cst.CSTNode) -> cst.CSTNode:
    """A node with one child replaced."""
    for name in child_fields(type(node)):
        value = getattr(node, name)
        if value is old:
            return node.with_changes(**{name: new})
        if isinstance(value, Sequence) and any(item is old for item in value):
            return node.with_changes(**{name: [new if item is old else item for item in value]})
    raise ValueError("the node is not a child")
