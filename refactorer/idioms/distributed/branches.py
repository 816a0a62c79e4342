"""The branches of conditions that a piece of code stands in."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from refactorer.analysis.program import Program


def branches(program: Program, node: cst.CSTNode) -> Iterator[tuple[cst.If, bool]]:
    """The `if` statements around a node, the innermost first, and whether it stands in their body or behind `else`."""
    inner = node
    for outer in program.ancestors(node):
        if isinstance(outer, (cst.FunctionDef, cst.ClassDef, cst.Lambda)):
            return
        if isinstance(outer, cst.If) and inner is not outer.test:
            yield outer, inner is outer.body
        inner = outer


def are_exclusive(program: Program, one: cst.CSTNode, other: cst.CSTNode) -> bool:
    """Whether two nodes stand in different branches of the same `if`."""
    sides = dict(branches(program, one))
    return any(sides.get(outer, side) is not side for outer, side in branches(program, other))
