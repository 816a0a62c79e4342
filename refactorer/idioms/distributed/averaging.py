"""When the processes average gradients, where the Trainer steps the optimizer behind several batches.

The script's wrapper averages what there is behind each batch, unless `model.require_backward_grad_sync` says in front
of the model's call that it should not. The Trainer does either: sums that are averaged once have other roundings.
"""

from __future__ import annotations

from dataclasses import dataclass

import libcst as cst

from refactorer.analysis.walk import holds, walk
from refactorer.emit.edits import Removed
from refactorer.idioms.accumulation.kept_back import FLAG
from refactorer.idioms.accumulation.windows import Window, closed_by, same
from refactorer.idioms.distributed.guards import Guard
from refactorer.idioms.distributed.owned import Owned
from refactorer.idioms.distributed.wrapper import Wrapper
from refactorer.idioms.known.fixed import fixed
from refactorer.idioms.known.sensitive import Obstacle
from refactorer.idioms.shapes import negated
from refactorer.outline.blocks import block_lines
from refactorer.outline.comments import comments_of
from refactorer.outline.objects.held import held_by
from refactorer.outline.outline import STEP, Outline

_OTHERWISE = f"`{FLAG}` is used"


@dataclass(frozen=True)
class Flag:
    """The line of a step that says which batches gradients are averaged behind; `guards` are conditions for it."""

    line: cst.CSTNode
    target: cst.Attribute
    value: cst.BaseExpression
    guards: tuple[cst.BaseExpression, ...]

    @property
    def is_set(self) -> bool:
        """Whether the flag is as the wrapper has it anyway."""
        return isinstance(self.value, cst.Name) and self.value.value == "True"


def of_added_gradients(outline: Outline, found: Wrapper | Owned, guard: Guard | None) -> Obstacle | None:
    """Why the Trainer cannot average the gradients of several batches where the script does."""
    mentions = [node for node in outline.program.find(cst.Attribute) if node.attr.value == FLAG]
    if not mentions:
        return None
    flag = _find(outline, found)
    if flag is None or len(mentions) > 1:
        return Obstacle(mentions[0], _OTHERWISE)
    if flag.is_set:
        return None
    if not _comes_first(outline, found, flag):
        return Obstacle(mentions[0], _OTHERWISE)
    window, others = closed_by(outline, flag.value)
    if window is None or not _is_stepped_for(outline, window):
        return Obstacle(flag.target, f"{_OTHERWISE} for other batches than those of steps")
    if not all(guard is not None and _is_always_so(guard, test) for test in (*flag.guards, *map(negated, others))):
        return Obstacle(flag.target, f"{_OTHERWISE} under a condition of its own")
    return None


def settle(outline: Outline, found: Wrapper | Owned) -> None:
    """Tells the Trainer when to average, if the wrapper is left to it and it steps behind several batches."""
    if not outline.accumulates or outline.strategy is None:
        return
    flag = _find(outline, found)
    if flag is None or flag.is_set:
        outline.settings["sync_each_batch"] = cst.Name("True")
    if flag is not None:
        outline.edit(STEP, {flag.line: Removed(comments_of(flag.line))})


def is_flag(outline: Outline, node: cst.CSTNode) -> bool:
    """Whether a mention of the model is the one in the line that says when to average."""
    holder = outline.program.parent.get(node)
    return isinstance(holder, cst.Attribute) and holder.attr.value == FLAG


def _find(outline: Outline, found: Wrapper | Owned) -> Flag | None:
    """The line of the step that sets the flag of the model."""
    for line in outline.hooks[STEP]:
        if isinstance(line, cst.If) and line.orelse is None and len(block_lines(line.body)) == 1:
            flag = _flag(outline, found, block_lines(line.body)[0])
            if flag is not None:
                return Flag(line, flag[0], flag[1], (line.test,))
        flag = _flag(outline, found, line)
        if flag is not None:
            return Flag(line, *flag, ())
    return None


def _flag(
    outline: Outline, found: Wrapper | Owned, line: cst.CSTNode
) -> tuple[cst.Attribute, cst.BaseExpression] | None:  # fmt: skip
    small = line.body[0] if isinstance(line, cst.SimpleStatementLine) and len(line.body) == 1 else None
    target = small.targets[0].target if isinstance(small, cst.Assign) and len(small.targets) == 1 else None
    if not isinstance(small, cst.Assign) or not isinstance(target, cst.Attribute) or target.attr.value != FLAG:
        return None
    return (target, small.value) if _is_model(outline, found, target.value) else None


def _is_model(outline: Outline, found: Wrapper | Owned, node: cst.CSTNode) -> bool:
    if isinstance(found, Owned):
        return held_by(outline, node) == found.held
    return outline.variable(node) is found.model


def _comes_first(outline: Outline, found: Wrapper | Owned, flag: Flag) -> bool:
    """Whether the model is used behind the flag only: a batch that is averaged is one whose call finds it set."""
    lines = outline.hooks[STEP]
    ahead = lines[: lines.index(flag.line)]
    if any(_is_model(outline, found, node) for node in walk(*ahead)):
        return False
    return not any(holds(ahead, call) for call in outline.site.backwards)


def _is_stepped_for(outline: Outline, window: Window) -> bool:
    """Whether a window is the one that the Trainer steps for."""
    batches = fixed(outline, window.batches)
    stepped = outline.settings["accumulate_grad_batches"]
    alike = batches is not None and isinstance(stepped, cst.BaseExpression) and same(outline, batches, stepped)
    return alike and window.steps_last == ("last_window" not in outline.settings)


def _is_always_so(guard: Guard, test: cst.BaseExpression) -> bool:
    """Whether a condition surely holds where the model is wrapped."""
    return guard.known(test, False) is False
