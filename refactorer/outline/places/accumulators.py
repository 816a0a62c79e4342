"""Sums that a script makes by hand over an evaluation."""

from __future__ import annotations

import libcst as cst

from refactorer.analysis.scopes import Variable
from refactorer.analysis.walk import walk
from refactorer.outline.outline import Outline


def accumulators(outline: Outline, start: list[cst.CSTNode], step: list[cst.CSTNode]) -> list[Variable]:
    """Variables set to zero at the start of an evaluation and only added to in its steps."""
    zeros: list[Variable] = []
    for number, line in enumerate(start):
        small = line.body[0] if isinstance(line, cst.SimpleStatementLine) else None
        for target, value in assigned_pairs(small) if isinstance(small, cst.Assign) else []:
            variable = outline.variable(target)
            zero = isinstance(value, (cst.Integer, cst.Float)) and value.evaluated_value == 0
            if variable is not None and zero and len(_writes(outline, variable, start[number:])) == 1:
                zeros.append(variable)
    return [variable for variable in zeros if _is_only_added_to(outline, variable, step)]


def _writes(outline: Outline, variable: Variable, lines: list[cst.CSTNode]) -> list[cst.CSTNode]:
    return [node for node, used in outline.uses(*lines) if used is variable and outline.is_write(node)]


def _is_only_added_to(outline: Outline, variable: Variable, step: list[cst.CSTNode]) -> bool:
    added = [node for node in walk(*step) if _adds_to(outline, variable, node)]
    return bool(added) and len(added) == len(_writes(outline, variable, step))


def _adds_to(outline: Outline, variable: Variable, node: cst.CSTNode) -> bool:
    """`total += loss` and `total = total + loss`"""
    if isinstance(node, cst.AugAssign):
        return outline.variable(node.target) is variable and isinstance(node.operator, cst.AddAssign)
    if not isinstance(node, cst.Assign) or outline.variable(node.targets[0].target) is not variable:
        return False
    value = node.value
    added = isinstance(value, cst.BinaryOperation) and isinstance(value.operator, cst.Add)
    return added and outline.variable(value.left) is variable and not outline.mentions(variable, value.right)  # type: ignore[attr-defined]


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
