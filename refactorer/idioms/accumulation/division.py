"""The loss divided by the number of batches, which the Trainer does as well: the script's division can go."""

from __future__ import annotations

from dataclasses import dataclass

import libcst as cst

from refactorer.analysis.scopes import Variable
from refactorer.emit.edits import Edit
from refactorer.idioms.accumulation.windows import same
from refactorer.outline.blocks import block_lines
from refactorer.outline.outline import STEP, Outline


@dataclass(frozen=True)
class Division:
    """The division of a loss, and the edits that take it out of the step."""

    edits: dict[cst.CSTNode, Edit]


def find_division(
    outline: Outline, head: list[cst.CSTNode], backward: cst.Call, batches: cst.BaseExpression
) -> Division | None:
    """The division that only `backward()` sees; None where there is none, or where something else sees it too."""
    assert isinstance(backward.func, cst.Attribute)
    loss = backward.func.value
    if isinstance(loss, cst.BinaryOperation):
        undivided = _numerator(outline, loss, batches)
        return Division({loss: undivided}) if undivided is not None else None
    variable = outline.variable(loss)
    writes = [line for line in _plain_lines(head) if _binds(outline, line, variable)] if variable is not None else []
    line = writes[-1] if writes else None
    if variable is None or line is None or not _sees_only_backward(outline, variable, writes, loss):
        return None
    small = line.body[0]
    assert isinstance(small, cst.Assign)
    undivided = _numerator(outline, small.value, batches)
    if undivided is None:
        return None
    itself = isinstance(undivided, cst.Name) and outline.variable(undivided) is variable
    return Division({line: None} if itself else {small.value: undivided})


def _numerator(outline: Outline, node: cst.BaseExpression, batches: cst.BaseExpression) -> cst.BaseExpression | None:
    """What is divided by the number of batches."""
    if not isinstance(node, cst.BinaryOperation) or not isinstance(node.operator, cst.Divide):
        return None
    if not same(outline, node.right, batches):
        return None
    bare = isinstance(node.left, cst.BinaryOperation) and "\n" not in cst.Module([]).code_for_node(node.left)
    return node.left.with_changes(lpar=[], rpar=[]) if bare else node.left


def _plain_lines(lines: list[cst.CSTNode]) -> list[cst.SimpleStatementLine]:
    """The lines that run in every step, those in `with` among them."""
    found: list[cst.SimpleStatementLine] = []
    for line in lines:
        if isinstance(line, cst.With):
            found += _plain_lines(block_lines(line.body))
        elif isinstance(line, cst.SimpleStatementLine):
            found.append(line)
    return found


def _binds(outline: Outline, line: cst.SimpleStatementLine, variable: Variable | None) -> bool:
    small = line.body[0]
    alone = isinstance(small, cst.Assign) and len(line.body) == len(small.targets) == 1
    return alone and outline.variable(small.targets[0].target) is variable  # type: ignore[attr-defined]


def _sees_only_backward(
    outline: Outline, variable: Variable, writes: list[cst.SimpleStatementLine], loss: cst.BaseExpression
) -> bool:
    """Whether every use of a loss stands between its first assignment and its last, `backward()` aside."""
    order, last = outline.program.order, outline.program.last
    inside = [node for node, used in outline.uses(*outline.hooks[STEP]) if used is variable]
    if not all(node in order for node in (*writes, *inside)):  # lines that the conversion has written have no place
        return False
    first, end = order[writes[0]], last[writes[-1]]
    own = {id(node) for line in writes for node, _ in outline.uses(line)} | {id(loss)}
    if any(id(node) not in own and (outline.is_write(node) or not first < order[node] <= end) for node in inside):
        return False
    known = {id(node) for node in inside}
    return all(id(seen.node) in known or seen.order < 0 for seen in variable.occurrences)
