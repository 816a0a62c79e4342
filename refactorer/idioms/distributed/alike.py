"""Branches that differed by the wrapper alone are the same without it: one of them is left.

`model.module.state_dict() if args.ddp else model.state_dict()` becomes `model.state_dict()`.
"""

from __future__ import annotations

import libcst as cst
from libcst import matchers

from refactorer.emit.edits import Edit, apply
from refactorer.idioms.distributed.guards import Guard
from refactorer.outline.blocks import block_lines
from refactorer.outline.outline import Outline


def merge_branches(outline: Outline, guard: Guard, edits: dict[cst.CSTNode, Edit]) -> None:
    """Adds edits that leave one of two branches of the script's condition, where `edits` make them the same."""
    program = outline.program
    for choice in program.find(cst.IfExp):
        if _is_known(guard, choice.test) and _touches(choice, edits):
            body, orelse = _edited(choice.body, edits), _edited(choice.orelse, edits)
            if body.deep_equals(orelse):
                edits[choice] = _within(body, choice)
    for branch in program.find(cst.If):
        if not isinstance(branch.orelse, cst.Else) or not _is_known(guard, branch.test) or not _touches(branch, edits):
            continue
        block, other = apply(branch.body, edits), apply(branch.orelse.body, edits)
        if block.deep_equals(other) and not _has_comments(branch):
            first, *rest = block_lines(block)
            edits[branch] = [first.with_changes(leading_lines=branch.leading_lines), *rest]


def _is_known(guard: Guard, test: cst.BaseExpression) -> bool:
    return guard.known(test, True) is not None and guard.known(test, False) is not None


def _touches(node: cst.CSTNode, edits: dict[cst.CSTNode, Edit]) -> bool:
    return any(part in edits for part in _all(node))


def _all(node: cst.CSTNode) -> list[cst.CSTNode]:
    return [node, *(part for child in node.children for part in _all(child))]


def _edited(node: cst.BaseExpression, edits: dict[cst.CSTNode, Edit]) -> cst.BaseExpression:
    edit = edits.get(node)
    return edit if isinstance(edit, cst.BaseExpression) else apply(node, edits)


def _within(node: cst.BaseExpression, choice: cst.IfExp) -> cst.BaseExpression:
    """An expression in the parentheses of the one that it replaces."""
    if isinstance(node, cst.Name):
        return node  # needs none, and a copy would mean no variable
    return node.with_changes(lpar=[*choice.lpar, *node.lpar], rpar=[*node.rpar, *choice.rpar])


def _has_comments(node: cst.If) -> bool:
    inside = matchers.findall(node.with_changes(leading_lines=[]), matchers.Comment())
    return bool(inside)
