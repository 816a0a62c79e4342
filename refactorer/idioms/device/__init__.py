"""Device moves: the Trainer moves each batch and the model to the device that the script chose."""

from __future__ import annotations

import libcst as cst

from refactorer.analysis.walk import walk
from refactorer.emit.edits import Edit
from refactorer.idioms.device.batches import Obstacle, bound_parts, moved_in, strip, stripped
from refactorer.idioms.device.choice import NO_CHOICE, Choice, anywhere, find_choice
from refactorer.idioms.device.conditions import condition_of
from refactorer.idioms.device.hidden import hidden_move
from refactorer.idioms.device.host_networks import stays_on_host
from refactorer.idioms.device.left import note_left
from refactorer.idioms.device.moves import place_named, target_of
from refactorer.idioms.device.rest import follow
from refactorer.idioms.device.typed import follow_types
from refactorer.idioms.device.wrappers import unwrap
from refactorer.outline.batches import BatchSource
from refactorer.outline.objects.optimizers import Roles
from refactorer.outline.outline import STEP, TEST_STEP, VALIDATION_STEP, Outline

_LOOKING = ("builtins.len", "builtins.enumerate", "builtins.print", "tqdm.tqdm")


def apply(outline: Outline, roles: Roles, default_types: bool = False) -> None:
    """Takes wrappers out of the hooks, and the moves of the batches, and lets the others follow the module.

    `default_types` says that no other file sets another default type.
    """
    unwrap(outline)
    outline.stays_in_place = stays_on_host(outline)
    choice = find_choice(outline, roles) if not outline.stays_in_place else None
    if choice is not None and choice.expression is not None:
        outline.device = (None if choice.by_number else _named(outline, choice)) or choice.expression
    _strip(outline, choice)
    if choice is not None:
        follow(outline, roles, choice)
        follow_types(outline, choice, default_types)
        _drop_names(outline, choice)
    if not outline.moves_batches:
        note_left(outline, choice)


def _drop_names(outline: Outline, choice: Choice) -> None:
    """Takes out the lines of entered functions that only name the device, or ask for CUDA, which nobody uses."""
    bodies: list[list[cst.CSTNode]] = [*outline.hooks.values(), list(outline.methods.values())]
    for hook, body in outline.hooks.items():
        gone = [line for line in walk(*body) if _names_device(outline, line, choice, bodies)]
        if gone:
            outline.edit(hook, dict.fromkeys(gone))


def _names_device(
    outline: Outline, line: cst.CSTNode, choice: Choice, bodies: list[list[cst.CSTNode]]
) -> bool:  # fmt: skip
    small = line.body[0] if isinstance(line, cst.SimpleStatementLine) and len(line.body) == 1 else None
    if not isinstance(small, cst.Assign) or len(small.targets) != 1:
        return False
    target = small.targets[0].target
    variable = outline.variable(target)
    if variable is None or variable.owner is None or variable.owner.node not in outline.consumed:
        return False
    uses = [node for body in bodies for node, used in outline.uses(*body) if used is variable]
    if uses != [target]:
        return False
    asks = choice.condition is not None and condition_of(outline, small.value) == choice.condition
    return asks or place_named(outline, small.value) == choice.target


def _named(outline: Outline, choice: Choice) -> cst.Name | None:
    """A node of the text that means the device, where it is a variable."""
    if choice.variable is None:
        return None
    calls = sorted(outline.program.calls, key=lambda call: target_of(outline, call) != choice.target)
    names = (node for call in calls for node in walk(*call.args) if isinstance(node, cst.Name))
    return next((node for node in names if outline.variable(node) is choice.variable), None)


def _strip(outline: Outline, choice: Choice | None) -> None:
    """Takes the moves out of the steps; if one has to keep them, the Trainer leaves the batches where they are."""
    edits: dict[str, dict[cst.CSTNode, Edit]] = {}
    steps = ((STEP, outline.train), (VALIDATION_STEP, outline.evaluation), (TEST_STEP, outline.test))
    for hook, source in steps:
        left = moved_in(outline, hook, source, choice) if source is not None else None
        if source is None:
            continue
        try:
            if left is None:
                _require_seen(outline, hook, source, choice)
                continue
            if choice is None:
                raise Obstacle(left, NO_CHOICE)
            edits[hook] = stripped(outline, hook, source, choice)
        except Obstacle as obstacle:
            node = obstacle.node if left is None or obstacle.node in outline.program.order else left
            outline.note("N105", node, f"device moves of the batch stay: {obstacle.reason}",
                         "nothing to do; the Trainer leaves the batch where the loader puts it")  # fmt: skip
            outline.moves_batches = True
            return
    for hook, found in edits.items():
        strip(outline, hook, found)


def _require_seen(outline: Outline, hook: str, source: BatchSource, choice: Choice | None) -> None:
    """A step without moves may leave its batch to the Trainer unless other code moves it.

    Raises:
        Obstacle: it does, as far as can be seen.
    """
    known = choice or anywhere(outline)
    if known is None or _gives_numbers(outline, source.iterable):
        return
    found = hidden_move(outline, hook, bound_parts(outline, source), known)
    if found is not None:
        raise Obstacle(found, "the step has a part of the batch where the loader puts it")


def _gives_numbers(outline: Outline, iterable: cst.BaseExpression | None) -> bool:
    """Whether a loop goes over numbers or texts that are written out, perhaps under a name or behind a progress bar."""
    if isinstance(iterable, cst.Name):
        value = outline.program.assigned_value(outline.variable(iterable))
        return not isinstance(value, cst.Name) and _keeps_items(outline, iterable) and _gives_numbers(outline, value)
    if isinstance(iterable, (cst.List, cst.Tuple)):
        return all(isinstance(element.value, (cst.SimpleString, cst.BaseNumber)) for element in iterable.elements)
    if not isinstance(iterable, cst.Call):
        return False
    name = outline.program.qualified_name(iterable.func) or ""
    if name == "builtins.range" or name.endswith(".trange"):
        return True
    written = isinstance(iterable.func, cst.Name) and iterable.func.value == "iter"  # perhaps by the conversion
    looked_through = written or name.startswith("tqdm")
    return looked_through and bool(iterable.args) and _gives_numbers(outline, iterable.args[0].value)


def _keeps_items(outline: Outline, name: cst.Name) -> bool:
    """Whether nobody puts anything into a list: it is only looped over, counted, or asked for items."""
    program, variable = outline.program, outline.variable(name)
    for seen in variable.reads if variable is not None else []:
        parent = program.parent.get(seen.node)
        call = program.parent.get(parent) if isinstance(parent, cst.Arg) else None
        counted = isinstance(call, cst.Call) and program.qualified_name(call.func) in _LOOKING
        if not counted and not (isinstance(parent, (cst.For, cst.CompFor)) and parent.iter is seen.node):
            return False
    return True
