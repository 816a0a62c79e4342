"""A step whose optimizer steps under a condition on the number of the batch, taken apart."""

from __future__ import annotations

from dataclasses import dataclass

import libcst as cst

from refactorer.analysis.scopes import Variable
from refactorer.analysis.walk import holds
from refactorer.idioms.accumulation.windows import Window, counts_batches, opens_window, window_of
from refactorer.idioms.clearing import clearing_lines
from refactorer.idioms.sensitive import Obstacle
from refactorer.idioms.shapes import method_line
from refactorer.outline.blocks import block_lines
from refactorer.outline.comments import comments_of, footer_of, with_comments
from refactorer.outline.control import loop_jumps
from refactorer.outline.optimizers import Roles
from refactorer.outline.outline import STEP, Outline


@dataclass(frozen=True)
class Stepping:
    """The `if` of a step: what it counts, and its lines in front of `step()` and behind it."""

    branch: cst.If
    window: Window
    before: list[cst.CSTNode]
    step: cst.CSTNode
    behind: list[cst.CSTNode]


@dataclass(frozen=True)
class Flat:
    """The body of a step as though the optimizer stepped for every batch.

    `before` are the lines that ran in front of `step()` under the condition, `residual` what still needs it: the
    conditions around the lines behind. `opens` says that the gradients are cleared in front of each window, `footer`
    are the comments at the end of a step that ended with the `if`.
    """

    body: list[cst.CSTNode]
    before: list[cst.CSTNode]
    residual: list[cst.If]
    opens: bool
    footer: list[cst.EmptyLine]


def find_stepping(outline: Outline, optimizer: Variable) -> Stepping | Obstacle | None:
    """The `if` that holds the step, and no backward pass; an obstacle where its condition counts batches otherwise."""
    for node in outline.hooks[STEP]:
        if any(holds([node], call) for call in outline.site.backwards):
            continue
        lines = block_lines(node.body) if isinstance(node, cst.If) and node.orelse is None else []
        at = next((i for i, line in enumerate(lines) if method_line(outline, line, optimizer, "step")), None)
        if not isinstance(node, cst.If) or at is None:
            continue
        window = window_of(outline, node.test)
        if window is not None:
            return Stepping(node, window, lines[:at], lines[at], lines[at + 1 :])
        reason = "the condition for step() is not one that the Trainer knows"
        return Obstacle(node.test, reason) if counts_batches(outline, node.test) else None
    return None


def flatten(outline: Outline, roles: Roles, stepping: Stepping) -> Flat | Obstacle:
    """The step without its `if`; an obstacle where the gradients are not cleared once for each window."""
    lines = outline.hooks[STEP]
    always = clearing_lines(outline, roles, lines)
    if always:
        return Obstacle(lines[always[0]], "they are cleared for every batch, so that a step sees the last one only")
    at = lines.index(stepping.branch)
    opening = [line for line in lines[:at] if _is_opening(outline, roles, line, stepping.window)]
    if opening and loop_jumps(lines):
        return Obstacle(opening[0], "a batch may be left out, and with it the start of a window")
    zeros = [stepping.behind[i] for i in clearing_lines(outline, roles, stepping.behind)]
    residual = _residual(outline, roles, stepping, [line for line in stepping.behind if line not in zeros])
    before = _with_comments_of(stepping.branch, [*stepping.before, stepping.step])
    head = [part for line in lines[:at] for part in (_inside(line) if line in opening else [line])]
    rest, footer = lines[at + 1 :], footer_of(stepping.branch)
    if rest:
        rest, footer = [with_comments(rest[0], footer), *rest[1:]], []
    return Flat([*head, *before, *zeros, *residual, *rest], before[:-1], residual, bool(opening), footer)


def _inside(branch: cst.CSTNode) -> list[cst.CSTNode]:
    assert isinstance(branch, cst.If)
    return _with_comments_of(branch, block_lines(branch.body))


def _with_comments_of(branch: cst.If, lines: list[cst.CSTNode]) -> list[cst.CSTNode]:
    return [with_comments(lines[0], comments_of(branch)), *lines[1:]]


def _is_opening(outline: Outline, roles: Roles, node: cst.CSTNode, window: Window) -> bool:
    """Whether a statement clears the gradients in front of the first batch of each window."""
    if not isinstance(node, cst.If) or node.orelse is not None or not opens_window(outline, node.test, window):
        return False
    lines = block_lines(node.body)
    return len(clearing_lines(outline, roles, lines)) == len(lines)


def _residual(outline: Outline, roles: Roles, stepping: Stepping, lines: list[cst.CSTNode]) -> list[cst.If]:
    """The condition around the lines behind the step: around steps of schedulers by themselves, then the others."""
    parts: list[list[cst.CSTNode]] = []
    while lines and any(method_line(outline, lines[0], scheduler, "step") for scheduler in roles.schedulers):
        parts.append(lines[:1])
        lines = lines[1:]
    if lines:
        parts.append(lines)
    return [stepping.branch.with_changes(leading_lines=[], body=cst.IndentedBlock(part)) for part in parts]  # type: ignore[arg-type]
