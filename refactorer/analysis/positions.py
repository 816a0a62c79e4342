"""Lines and columns of nodes. Only diagnostics need them, so no more of the file is looked at than they take."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import libcst as cst
from libcst.metadata import MetadataWrapper, PositionProvider

from refactorer.analysis.walk import STATEMENTS, child_fields, is_kind

_NEWLINE = re.compile(r"\r\n?|\n")
Place = tuple[int, int]


class Positions:
    """The positions in one module, worked out statement by statement.

    `parent` maps the nodes of the module to the nodes around them. The lines and columns are those of LibCST's
    PositionProvider, which is slow for a whole file.
    """

    def __init__(self, module: cst.Module, parent: Mapping[cst.CSTNode, cst.CSTNode]) -> None:
        self._module, self._parent = module, parent
        self._index: dict[cst.CSTNode, int] = {node: at for at, node in enumerate(module.body)}
        self._starts = [sum(map(self._lines, module.header))]
        self._known: dict[cst.CSTNode, dict[cst.CSTNode, Place]] = {}

    def of(self, node: cst.CSTNode) -> Place:
        """1-based line and column; (0, 0) for a node that is in no statement of the module."""
        if node is self._module:
            return (1, 1)
        statement = node
        while statement in self._parent and not is_kind(type(statement), STATEMENTS):
            statement = self._parent[statement]
        # A few names, such as those of attributes and keywords, are not among the nodes that have a parent.
        return self._found_in([statement] if statement in self._parent else self._module.body, node)

    def _found_in(self, statements: Sequence[cst.CSTNode], node: cst.CSTNode) -> Place:
        return next((places[node] for places in map(self._within, statements) if node in places), (0, 0))

    def _within(self, statement: cst.CSTNode) -> dict[cst.CSTNode, Place]:
        """The positions of everything in a statement: those that it has in a file without the lines above it."""
        if statement not in self._known:
            top, above = self._alone(statement)
            newline, indent = self._module.default_newline, self._module.default_indent
            alone = cst.Module([top], default_indent=indent, default_newline=newline)  # type: ignore[list-item]
            ranges = MetadataWrapper(alone, unsafe_skip_copy=True).resolve(PositionProvider)
            self._known[statement] = {
                at: (where.start.line + above, where.start.column + 1) for at, where in ranges.items()
            }
        return self._known[statement]

    def _alone(self, statement: cst.CSTNode) -> tuple[cst.CSTNode, int]:
        """The statement of the top level around a statement without the lines beside it; how many of them are above."""
        at = top = statement
        above = 0
        while at not in self._index:
            around = self._parent[at]
            if isinstance(around, cst.IndentedBlock):
                before = around.body[: list(around.body).index(at)]  # type: ignore[arg-type]
                above += sum(map(self._lines, before))
                top = around.with_changes(body=[top])
            else:
                top = _with_child(around, at, top)
            at = around
        return top, above + self._start(self._index[at])

    def _start(self, index: int) -> int:
        """How many lines there are above a statement of the top level and the comments that belong to it."""
        while len(self._starts) <= index:
            before = self._module.body[len(self._starts) - 1]
            self._starts.append(self._starts[-1] + self._lines(before))
        return self._starts[index]

    def _lines(self, node: cst.CSTNode) -> int:
        return len(_NEWLINE.findall(self._module.code_for_node(node)))


def _with_child(node: cst.CSTNode, old: cst.CSTNode, new: cst.CSTNode) -> cst.CSTNode:
    """A node with one child replaced."""
    for name in child_fields(type(node)):
        value = getattr(node, name)
        if value is old:
            return node.with_changes(**{name: new})
        if isinstance(value, Sequence) and any(item is old for item in value):
            return node.with_changes(**{name: [new if item is old else item for item in value]})
    raise ValueError("the node is not a child")
