"""Jumps: which `break`, `continue` and `return` leave a piece of code, and by which loop they are caught."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import libcst as cst

from refactorer.analysis.walk import children

_OWN_JUMPS = (cst.FunctionDef, cst.ClassDef, cst.Lambda)


def loop_jumps(statements: Iterable[cst.CSTNode]) -> list[cst.Break | cst.Continue]:
    """The `break` and `continue` that act on the loop around these statements."""
    return [node for node in _own(statements, inside_loops=False) if isinstance(node, (cst.Break, cst.Continue))]


def returns(statements: Iterable[cst.CSTNode]) -> list[cst.Return]:
    """The `return` that act on the function around these statements."""
    return [node for node in _own(statements, inside_loops=True) if isinstance(node, cst.Return)]


def may_reach_end(block: cst.BaseSuite) -> bool:
    """Whether the code behind a block may run: its last line is no `return` or `raise`, nor ends so in each branch."""
    last = block.body[-1] if block.body else None
    if isinstance(last, cst.SimpleStatementLine):
        last = last.body[-1]
    if isinstance(last, cst.If):
        return _may_pass(last)
    return not isinstance(last, (cst.Return, cst.Raise))


def _may_pass(branch: cst.If | cst.Else) -> bool:
    if isinstance(branch, cst.If):
        return branch.orelse is None or may_reach_end(branch.body) or _may_pass(branch.orelse)
    return may_reach_end(branch.body)


def suspensions(statements: Iterable[cst.CSTNode]) -> list[cst.CSTNode]:
    """The `yield` and `await` that act on the function around these statements."""
    return [node for node in _own(statements, inside_loops=True) if isinstance(node, (cst.Yield, cst.Await))]


def _own(nodes: Iterable[cst.CSTNode], inside_loops: bool) -> Iterator[cst.CSTNode]:
    for node in nodes:
        yield node
        if isinstance(node, _OWN_JUMPS):
            continue
        if isinstance(node, (cst.For, cst.While)) and not inside_loops:
            if node.orelse is not None:
                yield from _own([node.orelse], inside_loops)
            continue
        yield from _own(children(node), inside_loops)
