"""The lines of blocks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import libcst as cst

_TRAINING = ("zero_grad", "backward", "step", "train", "eval")


def block_lines(block: cst.BaseSuite) -> list[cst.CSTNode]:
    """The lines of a block; one for each part of a suite that stands on the line of its header."""
    if not isinstance(block, cst.SimpleStatementSuite):
        return list(block.body)
    return one_line_each(block.body, block)


def one_line_each(smalls: Iterable[cst.BaseSmallStatement], around: cst.CSTNode) -> list[cst.CSTNode]:
    """A line for each statement; comments above and behind the line or suite that they stood on go with the outer."""
    lines = [cst.SimpleStatementLine([s.with_changes(semicolon=cst.MaybeSentinel.DEFAULT)]) for s in smalls]
    lines[0] = lines[0].with_changes(leading_lines=getattr(around, "leading_lines", ()))
    lines[-1] = lines[-1].with_changes(trailing_whitespace=around.trailing_whitespace)  # type: ignore[attr-defined]
    return [*lines]


def separated(lines: Iterable[cst.CSTNode]) -> Iterator[cst.CSTNode]:
    """The lines, `loss.backward(); optimizer.step()` as two of them: the Trainer may make either call."""
    for line in lines:
        if isinstance(line, cst.SimpleStatementLine) and len(line.body) > 1 and any(map(_trains, line.body)):
            yield from one_line_each(line.body, line)
        else:
            yield line


def _trains(small: cst.BaseSmallStatement) -> bool:
    call = small.value if isinstance(small, cst.Expr) else None
    func = call.func if isinstance(call, cst.Call) else None
    return isinstance(func, cst.Attribute) and func.attr.value in _TRAINING


def is_docstring(line: cst.CSTNode) -> bool:
    """Whether a line is a string on its own."""
    return (
        isinstance(line, cst.SimpleStatementLine)
        and isinstance(line.body[0], cst.Expr)
        and isinstance(line.body[0].value, (cst.SimpleString, cst.ConcatenatedString))
    )


def is_pass(line: cst.CSTNode) -> bool:
    """Whether a line does nothing."""
    return isinstance(line, cst.SimpleStatementLine) and all(isinstance(small, cst.Pass) for small in line.body)
