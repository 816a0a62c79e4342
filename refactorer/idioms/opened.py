"""A step that stands under a condition: `if ready: ...` at the end of the body, whose batches are left otherwise.

Checks that there is an optimizer (`if optimizer is not None:`) are no conditions where there surely is one.
"""

from __future__ import annotations

import libcst as cst

from refactorer.analysis.walk import holds
from refactorer.idioms.closures import may_fail_to_step
from refactorer.idioms.shapes import negated
from refactorer.outline.blocks import block_lines, separated
from refactorer.outline.comments import footer_of, with_comments
from refactorer.outline.optimizers import Roles
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
            above = [*waiting, *line.leading_lines, *_behind_header(line)]
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


def _behind_header(line: cst.If) -> list[cst.EmptyLine]:
    """The comment behind `if ...:`; that of a block on the same line stays behind its last statement."""
    comment = line.body.header.comment if isinstance(line.body, cst.IndentedBlock) else None
    return [cst.EmptyLine(comment=comment)] if comment is not None else []


def opened(outline: Outline, roles: Roles) -> tuple[list[cst.CSTNode], list[cst.EmptyLine]]:
    """The body of the step with `if not ready: continue` in front of the lines under each such condition.

    The comments at the end of the blocks come with it. A body without such a condition is given as it is.
    """
    body, comments = list(outline.hooks[STEP]), list[cst.EmptyLine]()
    while body:
        last = body[-1]
        if not isinstance(last, cst.If) or isinstance(last.orelse, cst.If) or not _trains(outline, last.body):
            break
        comments = [*footer_of(last), *comments]
        body[-1:] = [_left_otherwise(last), *block_lines(last.body)]
    return body, comments


def _trains(outline: Outline, block: cst.CSTNode) -> bool:
    return all(holds([block], call) for call in outline.site.backwards)


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
