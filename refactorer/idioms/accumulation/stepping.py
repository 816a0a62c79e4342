"""A step whose optimizer steps under a condition on the number of the batch, taken apart."""

from __future__ import annotations

from dataclasses import dataclass

import libcst as cst

from refactorer.analysis.scopes import Variable
from refactorer.analysis.walk import holds
from refactorer.idioms.accumulation.windows import Window, counts_batches, opens_window, window_of
from refactorer.idioms.clearing import clearing_lines, late_lines_for_hook
from refactorer.idioms.known.sensitive import Obstacle
from refactorer.idioms.shapes import method_line, method_name, only_call
from refactorer.outline.blocks import block_lines
from refactorer.outline.comments import comments_of, footer_of, with_comments
from refactorer.outline.control import loop_jumps
from refactorer.outline.objects.optimizers import Held, Roles
from refactorer.outline.outline import STEP, Outline


@dataclass(frozen=True)
class Stepping:
    """The `if` of a step: what it counts, and its lines in front of `step()` and behind it."""

    branch: cst.If
    window: Window
    before: list[cst.CSTNode]
    step: cst.CSTNode
    behind: list[cst.CSTNode]

    @property
    def clears(self) -> bool:
        """Whether a line behind the step clears gradients."""
        calls = map(only_call, self.behind)
        return any(call is not None and method_name(call) == "zero_grad" for call in calls)


@dataclass(frozen=True)
class Flat:
    """The body of a step as though the optimizer stepped for every batch.

    `before` are the lines that ran in front of `step()` under the condition, `residual` what still needs it: the
    conditions around the lines behind. `opens` says that the gradients are cleared in front of each window, `footer`
    are the comments at the end of a step that ended with the `if`. `by_hook` says that the lines which clear gradients
    may clear others than the optimizer's.
    """

    body: list[cst.CSTNode]
    before: list[cst.CSTNode]
    residual: list[cst.If]
    opens: bool
    footer: list[cst.EmptyLine]
    by_hook: bool = False


def find_stepping(outline: Outline, optimizer: Variable | Held) -> Stepping | Obstacle | None:
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
    behind = stepping.behind
    clearing = clearing_lines(outline, roles, behind)
    others = late_lines_for_hook(outline, roles, behind) if not (clearing or opening) else []
    zeros = [behind[i] for i in clearing or others]
    residual = _residual(outline, roles, stepping, [line for line in behind if line not in zeros])
    before = _with_comments_of(stepping.branch, [*stepping.before, stepping.step])
    head = [part for line in lines[:at] for part in (_inside(line) if line in opening else [line])]
    rest, footer = _below(stepping.branch, lines[at + 1 :])
    body = [*head, *before, *zeros, *residual, *rest]
    return Flat(body, before[:-1], residual, bool(opening), footer, bool(others))


def flatten_around(outline: Outline, roles: Roles, stepping: Stepping) -> Flat:
    """The step without its `if`, of which all other lines keep their conditions, those that clear gradients too."""
    lines = outline.hooks[STEP]
    at = lines.index(stepping.branch)
    before = _with_comments_of(stepping.branch, [*stepping.before, stepping.step])
    residual = _residual(outline, roles, stepping, stepping.behind)
    rest, footer = _below(stepping.branch, lines[at + 1 :])
    return Flat([*lines[:at], *before, *residual, *rest], before[:-1], residual, False, footer)


def _below(
    branch: cst.If, rest: list[cst.CSTNode]
) -> tuple[list[cst.CSTNode], list[cst.EmptyLine]]:  # fmt: skip
    """The lines below the `if`, and the comments at its end, which the first of them gets if there is one."""
    footer = footer_of(branch)
    return ([with_comments(rest[0], footer), *rest[1:]], []) if rest else (rest, footer)


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
