"""Device moves: the Trainer moves each batch and the model to the device that the script chose."""

from __future__ import annotations

import libcst as cst

from refactorer.analysis.walk import walk
from refactorer.idioms.device.batches import Obstacle, moved_in, strip
from refactorer.idioms.device.choice import Choice, find_choice, target_of
from refactorer.idioms.device.rest import follow
from refactorer.idioms.device.wrappers import unwrap
from refactorer.idioms.shapes import names_in
from refactorer.outline.batches import BatchSource
from refactorer.outline.optimizers import Roles
from refactorer.outline.outline import STEP, VALIDATION_STEP, Outline


def apply(outline: Outline, roles: Roles) -> None:
    """Takes wrappers out of the hooks, and the moves of the batches, and lets the others follow the module."""
    unwrap(outline)
    choice = find_choice(outline)
    if choice is not None:
        outline.device = _named(outline, choice) or choice.expression
    for hook, source in ((STEP, outline.train), (VALIDATION_STEP, outline.evaluation)):
        if source is not None:
            _strip(outline, hook, source, choice)
    if choice is not None and choice.target == ("cuda",) and roles.models:
        follow(outline, roles, choice)


def _named(outline: Outline, choice: Choice) -> cst.Name | None:
    """A node of the text that means the device, where it is a variable."""
    if choice.variable is None:
        return None
    for call in outline.program.calls:
        if target_of(outline, call) == choice.target:
            for node in walk(*call.args):
                if isinstance(node, cst.Name) and outline.variable(node) is choice.variable:
                    return node
    return None


def _strip(outline: Outline, hook: str, source: BatchSource, choice: Choice | None) -> None:
    raw = {variable for name in names_in(source.target) if (variable := outline.variable(name)) is not None}
    left = moved_in(outline, outline.hooks[hook], raw)
    try:
        if choice is not None:
            strip(outline, hook, source, choice)
        elif left is not None:
            raise Obstacle(left, "the script names no single device that is known in front of the training")
    except Obstacle as obstacle:
        if left is not None:
            node = obstacle.node if obstacle.node in outline.program.order else left
            outline.note("N105", node, f"device moves of the batch stay: {obstacle.reason}",
                         "nothing to do; moving again what the Trainer has moved changes nothing")  # fmt: skip
