"""Moves that stay in the hooks, and other lines that say there where a tensor goes: a note says why."""

from __future__ import annotations

import libcst as cst

from refactorer.analysis.walk import walk
from refactorer.idioms.device.choice import NO_CHOICE, Choice
from refactorer.idioms.device.lines import text_of
from refactorer.idioms.device.moves import target_of
from refactorer.idioms.shapes import method_name
from refactorer.outline.outline import Outline

_DEVICE_TYPES = "torch.cuda."


def note_left(outline: Outline, choice: Choice | None) -> None:
    """A note on the first move of the script that stays in a hook, and on the first type that names a device."""
    nodes = [node for body in outline.hooks.values() for node in walk(*body) if node in outline.program.order]
    calls = [node for node in nodes if isinstance(node, cst.Call)]
    move = next(((call, reason) for call in calls if (reason := _why(outline, choice, call)) is not None), None)
    if move is not None:
        _note(outline, move[0], f"a device move stays: {move[1]}")
    kind = next((node for node in nodes if _is_device_type(outline, node)), None)
    if kind is not None:
        _note(outline, kind, f"a device move stays: the type {text_of(kind)} says where its tensors are")


def _note(outline: Outline, node: cst.CSTNode, message: str) -> None:
    outline.note("N105", node, message, "nothing to do; the line does what it did")


def _why(outline: Outline, choice: Choice | None, call: cst.Call) -> str | None:
    """Why a move stays as it is; None for other calls, and where its device gets the module's name."""
    target = target_of(outline, call)
    if target is None:
        named = _names_device(outline, choice, call)
        return "its device is named while the training runs" if named else None
    if choice is None:
        return NO_CHOICE
    if target != choice.target:
        return "it goes to another device than the model, as far as their names tell"
    renamed = choice.variable is not None and choice.expression is not None
    return None if renamed else "it may move more than a tensor, or has a condition of its own"


def _names_device(outline: Outline, choice: Choice | None, call: cst.Call) -> bool:
    """Whether something is moved to a device that only a variable of the training names."""
    place = call.args[0].value if method_name(call) == "to" and len(call.args) == 1 else None
    variable = outline.variable(place) if isinstance(place, cst.Name) else None
    if variable is None or "device" not in variable.name.lower() or variable in outline.bindings.expression:
        return False
    return choice is None or variable is not choice.variable


def _is_device_type(outline: Outline, node: cst.CSTNode) -> bool:
    """Whether a node is `torch.cuda.FloatTensor` or its like, or a variable that may mean it."""
    if isinstance(node, cst.Attribute):
        return _names_type(outline.program.qualified_name(node))
    variable = outline.variable(node) if isinstance(node, cst.Name) else None
    values = [outline.program.bound_to(seen.node) for seen in variable.writes] if variable is not None else []
    parts = [part for value in values if value is not None for part in walk(value) if isinstance(part, cst.Attribute)]
    called = any(isinstance(value, cst.Call) for value in values)
    return not called and any(_names_type(outline.program.qualified_name(part)) for part in parts)


def _names_type(name: str | None) -> bool:
    return name is not None and name.startswith(_DEVICE_TYPES) and name.endswith("Tensor")
