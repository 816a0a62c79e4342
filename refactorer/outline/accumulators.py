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
        for target, value in assigned_pairs(small) if isinstance(small, cst.Assign) else []:
            variable = outline.variable(target)
            if variable is not None and isinstance(value, (cst.Integer, cst.Float)):
                zeros.append(variable)
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


def assigned_pairs(assign: cst.Assign) -> list[tuple[cst.CSTNode, cst.CSTNode]]:
    """Each name with its value: of `a = b = 0`, and of `a, b = 0, 0`."""
    found: list[tuple[cst.CSTNode, cst.CSTNode]] = []
    for target in (part.target for part in assign.targets):
        if isinstance(target, cst.Name):
            found.append((target, assign.value))
        elif isinstance(target, cst.Tuple) and isinstance(assign.value, cst.Tuple):
            elements = zip(target.elements, assign.value.elements)
            found += [(left.value, right.value) for left, right in elements if isinstance(left.value, cst.Name)]
    return found
