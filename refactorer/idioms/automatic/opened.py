"""A step that stands under a condition, `if ready: ...`: other batches are left, but for the code behind the condition.

Checks that there is an optimizer (`if optimizer is not None:`) are no conditions where there surely is one.
"""

from __future__ import annotations

from dataclasses import dataclass

import libcst as cst

from refactorer.idioms.automatic.asked_again import stays
from refactorer.idioms.automatic.closures import may_fail_to_step
from refactorer.idioms.shapes import negated, trains
from refactorer.outline.blocks import block_lines, separated
from refactorer.outline.comments import behind_header, footer_of, with_comments
from refactorer.outline.control import loop_jumps, returns
from refactorer.outline.objects.optimizers import Roles
from refactorer.outline.outline import STEP, Outline


def without_checks(outline: Outline, roles: Roles) -> tuple[list[cst.CSTNode], list[cst.EmptyLine]]:
    """The body of the step with the lines that stand under `if optimizer is not None:`, which is always so.

    The comments at the end of the last block come with it.
    """
    body, waiting = list[cst.CSTNode](), list[cst.EmptyLine]()
    known = roles.optimizer is not None and not (roles.opaque or roles.tentative or may_fail_to_step(outline, roles))
    for line in outline.hooks[STEP]:
        if known and isinstance(line, cst.If) and line.orelse is None and _asks_for(outline, roles, line.test):
            first, *others = separated(block_lines(line.body))
            above = [*waiting, *line.leading_lines, *behind_header(line)]
            body += [with_comments(first, above) if above else first, *others]
            waiting = footer_of(line)
        else:
            body.append(with_comments(line, waiting) if waiting else line)
            waiting = []
    return body, waiting


def _asks_for(outline: Outline, roles: Roles, test: cst.BaseExpression) -> bool:
    """Whether a condition is `optimizer is not None`, or just `optimizer`."""
    if isinstance(test, cst.Comparison) and len(test.comparisons) == 1:
        other = test.comparisons[0]
        no = isinstance(other.comparator, cst.Name) and other.comparator.value == "None"
        return no and isinstance(other.operator, (cst.IsNot, cst.NotEqual)) and _asks_for(outline, roles, test.left)
    return isinstance(test, cst.Name) and outline.variable(test) is roles.optimizer


@dataclass(frozen=True)
class _Opened:
    """The body of a step, of which the lines in `always` run for the batches that are left, too.

    The comments at the end of the blocks come with it.
    """

    body: list[cst.CSTNode]
    always: list[cst.CSTNode]
    comments: list[cst.EmptyLine]


def opened(outline: Outline, roles: Roles) -> tuple[list[cst.CSTNode], list[cst.EmptyLine]]:
    """The body of the step with `if not ready: continue` in front of the lines under each such condition.

    The comments at the end of the blocks come with it. A body without such a condition is given as it is.
    """
    found = _open(outline, outline.hooks[STEP])
    if found is None:
        return list(outline.hooks[STEP]), []
    outline.always = found.always
    return [*found.body, *found.always], found.comments


def _open(outline: Outline, lines: list[cst.CSTNode]) -> _Opened | None:
    """The lines without the condition around the backward pass, if there is one; None where it has to stay."""
    line = next((line for line in lines if isinstance(line, cst.If) and trains(outline, line.body)), None)
    if line is None:
        return _Opened(lines, [], [])
    block, at = block_lines(line.body), lines.index(line)
    head, tail = lines[:at], lines[at + 1 :]
    inner = _open(outline, block)
    if isinstance(line.orelse, cst.If) or inner is None:
        return None
    comments = [*inner.comments, *footer_of(line)]
    if not (tail or inner.always):
        return _Opened([*head, _left_otherwise(line), *inner.body], [], comments)
    if outline.accumulates or loop_jumps([*head, line]) or returns([*head, line]):
        return None
    if inner.always and not stays(outline, line.test, [*block, *tail]):
        return None
    again: list[cst.CSTNode] = []
    if inner.always:
        again = [cst.If(line.test, cst.IndentedBlock(inner.always))]  # type: ignore[arg-type]
    always = [*again, *tail]
    always[:1] = [with_comments(always[0], comments) if comments else always[0]]
    return _Opened([*head, _left_otherwise(line), *inner.body], always, [])


def _left_otherwise(line: cst.If) -> cst.If:
    """The condition turned round, with what was its `else` and a `continue` under it."""
    others = block_lines(line.orelse.body) if line.orelse is not None else []
    header = line.body.header if isinstance(line.body, cst.IndentedBlock) else cst.TrailingWhitespace()
    if not (others and _jumps(others[-1])):
        others.append(cst.SimpleStatementLine([cst.Continue()]))
    block = cst.IndentedBlock(others, header=header)  # type: ignore[arg-type]
    return cst.If(negated(line.test), block, leading_lines=line.leading_lines)


def _jumps(line: cst.CSTNode) -> bool:
    """Whether a line surely leaves the body of the loop."""
    jumps = (cst.Continue, cst.Break, cst.Return, cst.Raise)
    return isinstance(line, cst.SimpleStatementLine) and isinstance(line.body[-1], jumps)
