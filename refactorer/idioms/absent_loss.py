"""Losses that may be None, on which `backward()` fails: a step that leaves batches out would leave these out too."""

from __future__ import annotations

from collections.abc import Sequence

import libcst as cst

from refactorer.analysis.program import Program
from refactorer.analysis.scopes import Variable
from refactorer.analysis.walk import walk
from refactorer.outline.control import loop_jumps, may_reach_end, returns, suspensions
from refactorer.outline.outline import Outline


def may_be_absent(outline: Outline, lines: Sequence[cst.CSTNode], loss: cst.BaseExpression) -> bool:
    """Whether some lines may leave a batch, and may as well make its loss None without asking for that."""
    variable = outline.variable(loss)
    if variable is None or not loop_jumps(lines):
        return False
    asked = any(_asks_for_none(outline, node, variable) for node in walk(*lines))
    return not asked and any(_may_make_none(outline, node, variable) for node in walk(*lines))


def _asks_for_none(outline: Outline, node: cst.CSTNode, variable: Variable) -> bool:
    """Whether a condition asks whether a variable is there."""
    asked = node.test if isinstance(node, (cst.If, cst.IfExp, cst.Assert)) else None
    return asked is not None and any(used is variable for _, used in outline.uses(asked))


def _may_make_none(outline: Outline, node: cst.CSTNode, variable: Variable) -> bool:
    if not isinstance(node, cst.Assign):
        return False
    targets = (outline.variable(target.target) for target in node.targets)
    return any(target is variable for target in targets) and _may_be_none(outline.program, node.value)


def _may_be_none(program: Program, value: cst.BaseExpression) -> bool:
    """Whether an expression says None, or calls a function that does so on some of its ways."""
    if isinstance(value, cst.IfExp):
        return _may_be_none(program, value.body) or _may_be_none(program, value.orelse)
    function = program.function(value.func) if isinstance(value, cst.Call) else None
    if function is None or function.asynchronous is not None or suspensions(function.body.body):
        return isinstance(value, cst.Name) and value.value == "None"
    left = [way.value for way in returns(function.body.body)]
    return _may_end_without(function.body) or any(way is None or _may_be_none(program, way) for way in left)


def _may_end_without(block: cst.BaseSuite) -> bool:
    """Whether the last line of a function may be passed; a `try` is trusted to return in all its parts."""
    last = block.body[-1]
    if isinstance(last, cst.With):
        return _may_end_without(last.body)
    return not isinstance(last, cst.Try) and may_reach_end(block)
