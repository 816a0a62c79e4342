"""Sums that a script makes by hand over an evaluation."""

from __future__ import annotations

import libcst as cst

from refactorer.analysis.scopes import Variable
from refactorer.analysis.walk import walk
from refactorer.outline.outline import Outline


def accumulators(outline: Outline, start: list[cst.CSTNode], step: list[cst.CSTNode]) -> list[Variable]:
    """Variables set to a number at the start of an evaluation and only added to in its steps."""
    zeros: list[Variable] = []
    for line in start:
        small = line.body[0] if isinstance(line, cst.SimpleStatementLine) else None
        if not isinstance(small, cst.Assign) or not isinstance(small.value, (cst.Integer, cst.Float)):
            continue
        if all(isinstance(t.target, cst.Name) for t in small.targets):
            zeros += [v for t in small.targets if (v := outline.variable(t.target)) is not None]
    found = []
    for variable in zeros:
        writes = [
            node
            for node in walk(*step)
            if isinstance(node, cst.AugAssign) and outline.variable(node.target) is variable
        ]
        all_writes = [n for n, v in outline.uses(*step) if v is variable and outline.is_write(n)]
        if writes and len(writes) == len(all_writes) and all(isinstance(w.operator, cst.AddAssign) for w in writes):
            found.append(variable)
    return found
