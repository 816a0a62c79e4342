"""Annotated names that a method declares global: Python takes no annotation of them there.

total: float = 0.0                     global total
                                       total = 0.0
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import libcst as cst

from refactorer.analysis.walk import walk
from refactorer.emit.edits import Edit
from refactorer.outline.outline import Outline


def unannotated(outline: Outline, body: Sequence[cst.CSTNode], names: Collection[str]) -> dict[cst.CSTNode, Edit]:
    """The lines that annotate one of the module's own names, without the annotation."""
    module = outline.program.scope[outline.program.module]
    edits: dict[cst.CSTNode, Edit] = {}
    for node in walk(*body):
        if isinstance(node, cst.AnnAssign) and isinstance(node.target, cst.Name) and node.target.value in names:
            variable = outline.variable(node.target)
            if variable is not None and variable.owner is module:
                edits[node] = _plain(node)
    return edits


def _plain(line: cst.AnnAssign) -> cst.BaseSmallStatement:
    if line.value is None:
        return cst.Pass(semicolon=line.semicolon)
    return cst.Assign([cst.AssignTarget(line.target)], line.value, semicolon=line.semicolon)
