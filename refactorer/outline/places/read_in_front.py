"""Variables that surely have a value in front of the training: a line has read them there, and went on."""

from __future__ import annotations

import builtins
from collections.abc import Iterator

import libcst as cst

from refactorer.analysis.program import Program
from refactorer.analysis.scopes import Variable
from refactorer.analysis.walk import children
from refactorer.outline.outline import Outline
from refactorer.outline.places.taken_away import takes_away

_PERHAPS = (cst.Lambda, cst.BaseComp, cst.FunctionDef, cst.ClassDef, cst.IfExp, cst.Assert, cst.Annotation)


def read_in_front(outline: Outline) -> set[Variable]:
    """The variables that the driver reads whenever it comes to the training, and that still have their value there.

    A name that something takes away again may be unbound behind such a line; one of Python's own has a value anyway.
    """
    program = outline.program
    names = [name for part in _on_the_way(outline) for name in _evaluated(part) if isinstance(name, cst.Name)]
    found = {program.variables[name] for name in names if name in program.variables and program.access(name) != "write"}
    return {variable for variable in found if not _may_go(program, variable)}


def _may_go(program: Program, variable: Variable) -> bool:
    """Whether a name is deleted: by `del`, or at the end of the handler of an exception that it stands for."""
    return hasattr(builtins, variable.name) or any(takes_away(program, seen) for seen in variable.writes)


def _on_the_way(outline: Outline) -> Iterator[cst.CSTNode]:
    """The simple lines, and the first conditions, that run in front of the training whenever it does."""
    program = outline.program
    node: cst.CSTNode = outline.site.epoch_loop
    while node is not outline.site.driver.node and node in program.parent:
        parent = program.parent[node]
        if isinstance(parent, (cst.IndentedBlock, cst.Module)):
            for line in parent.body[: list(parent.body).index(node)]:  # type: ignore[arg-type]
                if isinstance(line, cst.If):
                    yield line.test
                elif isinstance(line, cst.SimpleStatementLine):
                    yield from line.body
        node = parent


def _evaluated(node: cst.CSTNode) -> Iterator[cst.CSTNode]:
    """The nodes of a line that are evaluated whenever it runs."""
    if isinstance(node, _PERHAPS):
        return
    yield node
    if isinstance(node, cst.BooleanOperation):
        yield from _evaluated(node.left)
    elif isinstance(node, cst.Comparison):
        yield from _evaluated(node.left)
        yield from _evaluated(node.comparisons[0].comparator)
    else:
        for child in children(node):
            yield from _evaluated(child)
