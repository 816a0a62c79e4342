"""Finds the lines that wrap the model of a training in DistributedDataParallel, and the condition they stand under."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import libcst as cst

from refactorer.analysis.program import Program
from refactorer.analysis.scopes import Variable
from refactorer.idioms.parts import WRAPPERS
from refactorer.idioms.sensitive import Obstacle
from refactorer.outline.optimizers import Roles
from refactorer.outline.outline import Outline

PROCESSES = tuple(name for name in WRAPPERS if name.endswith("DistributedDataParallel"))
_DEVICES = ("device_ids", "output_device")
_HARMLESS = ("torch.", "os.", "builtins.int", "builtins.str", "builtins.len")


@dataclass(frozen=True)
class Wrapping:
    """A line `model = DistributedDataParallel(wrapped)`; `finds_unused` is what it says about unused parameters."""

    line: cst.SimpleStatementLine
    call: cst.Call
    wrapped: cst.BaseExpression
    finds_unused: bool


@dataclass(frozen=True)
class Wrapper:
    """All lines that wrap the model, of which one runs at most; `guard` is the statement that they stand in, if any."""

    model: Variable
    wrappings: tuple[Wrapping, ...]
    guard: cst.If | None

    @property
    def call(self) -> cst.Call:
        """The first call of the wrapper's class."""
        return self.wrappings[0].call

    @property
    def place(self) -> cst.CSTNode:
        """The statement beside the training."""
        return self.guard or self.wrappings[0].line


def find_wrapper(outline: Outline, roles: Roles) -> Wrapper | Obstacle | None:
    """The wrapper of the model in front of the training; None where the script has none."""
    program = outline.program
    calls = [call for call in program.calls if program.qualified_name(call.func) in PROCESSES]
    if not calls:
        return None
    wrappings, places = [], []
    for call in calls:
        place = _place(outline, program.statement(call))
        wrapping = _taken_apart(outline, roles, call)
        if isinstance(wrapping, Obstacle):
            return wrapping
        if place is None:
            return Obstacle(call, "it is made under a condition, or not in front of the training")
        wrappings.append(wrapping)
        places.append(place)
    again = [
        later.call for index, later in enumerate(wrappings)
        if any(not are_exclusive(program, first.line, later.line) for first in wrappings[:index])
    ]  # fmt: skip
    if again or any(place is not places[0] for place in places):
        return Obstacle(again[0] if again else calls[1], "models are wrapped in several places")
    assert roles.model is not None
    return Wrapper(roles.model, tuple(wrappings), places[0] if isinstance(places[0], cst.If) else None)


def names_torch(program: Program) -> bool:
    """Whether the name `torch` means the library in the whole file."""
    variable = program.scope[program.module].variables.get("torch")
    return variable is not None and all(program.imports.get(seen.node) == "torch" for seen in variable.writes)


def branches(program: Program, node: cst.CSTNode) -> Iterator[tuple[cst.If, bool]]:
    """The `if` statements around a node, the innermost first, and whether it stands in their body or behind `else`."""
    inner = node
    for outer in program.ancestors(node):
        if isinstance(outer, (cst.FunctionDef, cst.ClassDef, cst.Lambda)):
            return
        if isinstance(outer, cst.If) and inner is not outer.test:
            yield outer, inner is outer.body
        inner = outer


def are_exclusive(program: Program, one: cst.CSTNode, other: cst.CSTNode) -> bool:
    """Whether two nodes stand in different branches of the same `if`."""
    sides = dict(branches(program, one))
    return any(sides.get(outer, side) is not side for outer, side in branches(program, other))


def _place(outline: Outline, line: cst.CSTNode) -> cst.CSTNode | None:
    """The statement beside the training that a line is, or stands in under conditions alone; None if there is none."""
    program, loop = outline.program, outline.site.epoch_loop
    place = line
    while not program.contains(program.parent[place], loop):
        place = program.parent[place]
        if not isinstance(place, (cst.If, cst.Else, cst.IndentedBlock)):
            return None
    driven = program.scope_of(line) is outline.site.driver and program.order[line] < program.order[loop]
    beside = isinstance(program.parent[place], (cst.IndentedBlock, cst.Module))
    return place if driven and beside and isinstance(place, (cst.If, cst.SimpleStatementLine)) else None


def _taken_apart(outline: Outline, roles: Roles, call: cst.Call) -> Wrapping | Obstacle:
    program = outline.program
    line = program.statement(call)
    small = line.body[0] if isinstance(line, cst.SimpleStatementLine) and len(line.body) == 1 else None
    if not isinstance(line, cst.SimpleStatementLine) or not isinstance(small, cst.Assign) or small.value is not call:
        return Obstacle(call, "it is not made on a line of its own")
    model = outline.variable(small.targets[0].target)
    known = model is not None and model is roles.model and model.owner is outline.site.driver
    if len(small.targets) != 1 or not known:
        return Obstacle(call, "what it wraps is not the one model that is trained")
    wrapped: cst.BaseExpression | None = None
    finds_unused = False
    for index, arg in enumerate(call.args):
        name = arg.keyword.value if arg.keyword is not None else ("module" if index == 0 and not arg.star else "")
        if name == "module":
            wrapped = arg.value
        elif name == "find_unused_parameters" and _is_constant(arg.value):
            finds_unused = arg.value.value == "True"  # type: ignore[attr-defined]
        elif name == "device_ids" and isinstance(arg.value, cst.List) and len(arg.value.elements) != 1:
            return Obstacle(arg, "each process trains on several devices")
        elif name not in _DEVICES or _calls_own_code(program, arg.value):
            return Obstacle(arg, "it has arguments that the Trainer does not know")
    if wrapped is None:
        return Obstacle(call, "it has arguments that the Trainer does not know")
    if isinstance(wrapped, cst.Name) and outline.variable(wrapped) is not model:
        return Obstacle(wrapped, "the wrapped model keeps another name")
    if not isinstance(wrapped, (cst.Name, cst.Call)):
        return Obstacle(wrapped, "what it wraps is not made or named there")
    return Wrapping(line, call, wrapped, finds_unused)


def _is_constant(value: cst.BaseExpression) -> bool:
    return isinstance(value, cst.Name) and value.value in ("True", "False")


def _calls_own_code(program: Program, value: cst.BaseExpression) -> bool:
    """Whether an argument that goes would have run code of the script."""
    calls = program.find(cst.Call, value)
    return any(not (program.qualified_name(call.func) or "").startswith(_HARMLESS) for call in calls)
