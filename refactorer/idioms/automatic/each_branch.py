"""A step that both branches of a condition make: it stands behind the one condition and in front of the other.

    if plain:                    if not plain:
        optimizer.step()             convert(model)
    else:                        optimizer.step()
        convert(model)           if not plain:
        optimizer.step()             convert_back(model)
        convert_back(model)

Sound when the condition gives the same when it is asked again, and no line leaves a branch.
"""

from __future__ import annotations

import libcst as cst

from refactorer.analysis.scopes import Variable
from refactorer.idioms.automatic.asked_again import stays
from refactorer.idioms.shapes import method_line, method_name, negated, only_call
from refactorer.outline.blocks import block_lines
from refactorer.outline.comments import behind_header, comments_of, footer_of, with_comments
from refactorer.outline.control import loop_jumps, returns
from refactorer.outline.objects.optimizers import Held, Roles
from refactorer.outline.outline import STEP, Outline


def with_one_step(outline: Outline, roles: Roles) -> tuple[list[cst.CSTNode], list[cst.EmptyLine]]:
    """The body of the step with a step behind each condition that chose between two; no comments are left over."""
    body: list[cst.CSTNode] = []
    for line in outline.hooks[STEP]:
        body += _joined(outline, line, roles.stepping) or [line]
    return body, []


def steps_in_each_branch(line: cst.CSTNode) -> bool:
    """Whether a line is a condition of which each branch calls the `step()` of one object, on one of its own lines."""
    if not isinstance(line, cst.If) or not isinstance(line.orelse, cst.Else):
        return False
    first, second = (_stepped(block_lines(block)) for block in (line.body, line.orelse.body))
    return first is not None and second is not None and first.deep_equals(second)


def _stepped(lines: list[cst.CSTNode]) -> cst.BaseExpression | None:
    calls = (call for call in map(only_call, lines) if call is not None and method_name(call) == "step")
    return next((call.func for call in calls), None)


def _joined(outline: Outline, line: cst.CSTNode, owner: Variable | Held | None) -> list[cst.CSTNode]:
    """The lines that a condition becomes; none where it has to stay."""
    if not isinstance(line, cst.If) or not isinstance(line.orelse, cst.Else):
        return []
    first, second = block_lines(line.body), block_lines(line.orelse.body)
    at, also = _step_in(outline, first, owner), _step_in(outline, second, owner)
    if at is None or also is None:
        return []
    around = [*first[:at], *first[at + 1 :], *second[:also], *second[also + 1 :]]
    if loop_jumps(around) or returns(around) or not stays(outline, line.test, around):
        return []
    outline.cleared = [*outline.cleared, second[also]]
    inside = [*comments_of(line.orelse), *comments_of(second[also]), *footer_of(line), *footer_of(line.orelse)]
    step = with_comments(first[at], inside)
    lines = [
        *_chosen(line.test, first[:at], second[:also]), step, *_chosen(line.test, first[at + 1 :], second[also + 1 :])
    ]  # fmt: skip
    return [with_comments(lines[0], [*line.leading_lines, *behind_header(line)]), *lines[1:]]


def _step_in(outline: Outline, lines: list[cst.CSTNode], owner: Variable | Held | None) -> int | None:
    """The place of the one line that steps the optimizer."""
    found = [i for i, line in enumerate(lines) if method_line(outline, line, owner, "step") is not None]
    return found[0] if len(found) == 1 else None


def _chosen(test: cst.BaseExpression, first: list[cst.CSTNode], second: list[cst.CSTNode]) -> list[cst.CSTNode]:
    """A condition that chooses between some lines, either of which may be none."""
    if not first:
        return [cst.If(negated(test), cst.IndentedBlock(second))] if second else []  # type: ignore[arg-type]
    other = cst.Else(cst.IndentedBlock(second)) if second else None  # type: ignore[arg-type]
    return [cst.If(test, cst.IndentedBlock(first), other)]  # type: ignore[arg-type]
