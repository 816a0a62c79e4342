"""Evaluations for which a hook asks the Trainer where the script evaluates: in the middle of an epoch, or at its end.

    if steps % 100 == 0:
        self.validate()

In a step this is sound where the Trainer is not between a backward pass and the step of an optimizer, and where the
evaluation leaves the gradients alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import libcst as cst

from refactorer.analysis.scopes import Variable
from refactorer.analysis.walk import holds, walk
from refactorer.idioms.evaluation.final import take_in
from refactorer.idioms.evaluation.parts import Evaluation, is_switched, take_apart
from refactorer.outline.objects.optimizers import Roles
from refactorer.outline.outline import EPOCH_END, STEP, Outline

_GRADIENTS = ("backward", "grad", "zero_grad", "step", "unscale_", "clip_grad_norm_", "clip_grad_value_")


def midway(outline: Outline, roles: Roles) -> Iterator[Evaluation]:
    """The evaluations of a step, and those at the end of an epoch, taken apart, in the order of the text."""
    for hook in (STEP, EPOCH_END):
        for block in blocks(outline.hooks.get(hook, [])):
            for index in range(len(block)):
                found = take_apart(outline, roles, block, index, is_switched(block[:index]))
                if found is not None:
                    found.midway, found.asks = True, hook
                    take_in(outline, roles, found)
                    yield found


def midway_obstacle(outline: Outline, roles: Roles, found: Evaluation) -> str | None:
    """Why a hook may not ask the Trainer for an evaluation."""
    parts = [found.line, *found.taken, *([found.function] if found.function is not None else [])]
    in_step = found.asks == STEP
    if in_step and any(_works_with_gradients(outline, roles, part) for part in parts):
        return "it works with gradients"
    if in_step and _is_between(outline, roles, outline.hooks[STEP], found.line, False):
        return "it stands between the backward pass and the step of an optimizer"
    return None


def _is_between(
    outline: Outline, roles: Roles, lines: Sequence[cst.CSTNode], line: cst.CSTNode, begun: bool
) -> bool:  # fmt: skip
    """Whether a line is neither in front of all work with gradients nor behind it; `begun` rules out the former."""
    place = next(i for i, part in enumerate(lines) if holds([part], line))
    optimizes = [i for i, part in enumerate(lines) if _works_with_gradients(outline, roles, part)]
    if not optimizes or place < optimizes[0]:
        return begun
    branch = lines[place]
    if place == optimizes[-1] and isinstance(branch, cst.If) and isinstance(branch.body, cst.IndentedBlock):
        return not holds([branch.body], line) or _is_between(outline, roles, branch.body.body, line, True)
    return place <= optimizes[-1]


def blocks(lines: Sequence[cst.CSTNode]) -> Iterator[list[cst.CSTNode]]:
    """The lines, and those of every `if` among them."""
    yield list(lines)
    for line in lines:
        branch = line if isinstance(line, cst.If) else None
        while branch is not None:
            rest = branch.orelse
            for body in (branch.body, rest.body if isinstance(rest, cst.Else) else None):
                if isinstance(body, cst.IndentedBlock):
                    yield from blocks(body.body)
            branch = rest if isinstance(rest, cst.If) else None


def _works_with_gradients(outline: Outline, roles: Roles, node: cst.CSTNode) -> bool:
    """Whether code computes, clears or uses gradients; steps of schedulers do not."""
    named = (part for part in walk(node) if isinstance(part, cst.Attribute) and part.attr.value in _GRADIENTS)
    return any(not _schedules(outline, roles, outline.variable(part.value)) for part in named)


def _schedules(outline: Outline, roles: Roles, variable: Variable | None) -> bool:
    """Whether a variable is a scheduler, or has only been made by calls that were given an optimizer to look after.

    What steps the optimizer itself would be an optimizer of the training.
    """
    if variable is None or variable in roles.optimizers:
        return False
    made = [outline.program.bound_to(seen.node) for seen in variable.writes]
    looks_after = made and all(
        isinstance(call, cst.Call) and any(outline.variable(arg.value) in roles.optimizers for arg in call.args)
        for call in made
    )
    return variable in roles.schedulers or bool(looks_after)
