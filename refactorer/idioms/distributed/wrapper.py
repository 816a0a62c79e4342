"""Finds the lines that wrap the model of a training in DistributedDataParallel, and the condition they stand under."""

from __future__ import annotations

from dataclasses import dataclass

import libcst as cst

from refactorer.analysis.program import Program
from refactorer.analysis.scopes import Variable
from refactorer.idioms.distributed.apart import PROCESSES, why_apart, wrappers_of
from refactorer.idioms.distributed.arguments import arguments_of
from refactorer.idioms.distributed.branches import are_exclusive
from refactorer.idioms.distributed.entry import Entry, find_entry, handed_over
from refactorer.idioms.distributed.maker import Made, made_by
from refactorer.idioms.distributed.names import other_names
from refactorer.idioms.known.sensitive import Obstacle
from refactorer.outline.objects.optimizers import Roles
from refactorer.outline.outline import Outline


@dataclass(frozen=True)
class Wrapping:
    """A line `model = DistributedDataParallel(wrapped)`; `strategy` is the Trainer's that wraps alike.

    `binds` says that the line gives the model its name, since what is wrapped has none or another one. `made` is the
    statement that calls the function with the line, if that is one which returns the wrapper.
    """

    line: cst.SimpleStatementLine
    call: cst.Call
    wrapped: cst.BaseExpression
    strategy: cst.BaseExpression
    binds: bool
    made: cst.SimpleStatementLine | None = None

    @property
    def place(self) -> cst.SimpleStatementLine:
        """The statement of the scope with the training that binds the model to the wrapper."""
        return self.made or self.line


@dataclass(frozen=True)
class Wrapper:
    """All lines that wrap the model, of which one runs at most; `guard` is the statement that they stand in, if any.

    `model` is the name of the model in the training, `entry` says where it is wrapped, and `others` are other names of
    the wrapped model.
    """

    model: Variable
    wrappings: tuple[Wrapping, ...]
    guard: cst.If | None
    entry: Entry
    others: frozenset[Variable] = frozenset()

    @property
    def call(self) -> cst.Call:
        """The first call of the wrapper's class."""
        return self.wrappings[0].call

    @property
    def place(self) -> cst.CSTNode:
        """The statement beside the training."""
        return self.guard or self.wrappings[0].place


def find_wrapper(outline: Outline, roles: Roles) -> Wrapper | Obstacle | None:
    """The wrapper of the model in front of the training; None where the script has none."""
    program = outline.program
    calls = wrappers_of(outline)
    if not calls:
        return None
    made = made_by(program, calls[0]) if len(calls) == 1 else None
    if made is not None:
        return _by_a_function(outline, roles, calls[0], made)
    model = _of_the_driver(outline, calls[0]) or roles.model or handed_over(outline, calls[0])
    entry = find_entry(outline, model, calls[0])
    if entry is None or model is None:
        return Obstacle(calls[0], why_apart(outline, roles))
    wrappings, places = [], []
    for call in calls:
        place = _place(outline, entry, program.statement(call))
        wrapping = _taken_apart(outline, roles, entry, call)
        if isinstance(wrapping, Obstacle):
            return wrapping
        if place is None:
            return Obstacle(call, "it is made under a condition, or not in front of the training")
        if _trains_again(program, entry, place):
            return Obstacle(call, "the training runs several times for one wrapper")
        wrappings.append(wrapping)
        places.append(place)
    again = [
        later.call for index, later in enumerate(wrappings)
        if any(not are_exclusive(program, first.line, later.line) for first in wrappings[:index])
    ]  # fmt: skip
    if again or any(place is not places[0] for place in places):
        return Obstacle(again[0] if again else calls[1], "models are wrapped in several places")
    guard = places[0] if isinstance(places[0], cst.If) else None
    others = other_names(outline, entry, wrappings)
    if roles.models and roles.model not in (model, *others):
        return Obstacle(calls[0], why_apart(outline, roles))
    return Wrapper(model, tuple(wrappings), guard, entry, others)


def _by_a_function(outline: Outline, roles: Roles, call: cst.Call, made: Made) -> Wrapper | Obstacle:
    model, driver = outline.variable(made.target), outline.site.driver
    if model is None or roles.models not in ((), (model,)) or model.owner is not driver:
        return Obstacle(call, why_apart(outline, roles))
    entry = Entry(driver, model, outline.site.epoch_loop)
    if _place(outline, entry, made.statement) is not made.statement:
        return Obstacle(call, "it is made under a condition, or not in front of the training")
    if _trains_again(outline.program, entry, made.statement):
        return Obstacle(call, "the training runs several times for one wrapper")
    given = arguments_of(outline.program, call)
    if isinstance(given, Obstacle):
        return given
    bound = made.line.body[0]
    target = bound.targets[0].target if isinstance(bound, cst.Assign) else None
    wrapped = outline.program.variables.get(given.wrapped)
    again = target is not None and wrapped is not None and wrapped is outline.program.variables.get(target)
    own = isinstance(given.wrapped, cst.Call) or (
        wrapped is not None and wrapped.owner is outline.program.scope_of(call)
    )
    if not own:
        return Obstacle(given.wrapped, "what it wraps is not made or named there")
    line = Wrapping(made.line, call, given.wrapped, given.strategy(), binds=not again, made=made.statement)
    return Wrapper(model, (line,), None, entry)


def _of_the_driver(outline: Outline, call: cst.Call) -> Variable | None:
    """The variable of the driver that a line binds to the wrapper; None if the line is another one."""
    target = outline.program.parent.get(call)
    name = target.targets[0].target if isinstance(target, cst.Assign) else None
    variable = outline.variable(name)
    return variable if variable is not None and variable.owner is outline.site.driver else None


def class_annotations(program: Program) -> list[cst.CSTNode]:
    """The annotations of parameters that name the wrapper's class, where `torch.nn.Module` can stand instead."""
    if not names_torch(program):
        return []
    notes = [node for node in program.find(cst.Annotation) if isinstance(program.parent.get(node), cst.Param)]
    return [node.annotation for node in notes if program.qualified_name(node.annotation) in PROCESSES]


def names_torch(program: Program) -> bool:
    """Whether the name `torch` means the library in the whole file."""
    variable = program.scope[program.module].variables.get("torch")
    return variable is not None and all(program.imports.get(seen.node) == "torch" for seen in variable.writes)


def _place(outline: Outline, entry: Entry, line: cst.CSTNode) -> cst.CSTNode | None:
    """The statement beside the training that a line is, or stands in under conditions alone; None if there is none."""
    program, training = outline.program, entry.training
    place = line
    while not program.contains(program.parent[place], training):
        place = program.parent[place]
        if not isinstance(place, (cst.If, cst.Else, cst.IndentedBlock)):
            return None
    driven = program.scope_of(line) is entry.scope and program.order[line] < program.order[training]
    beside = isinstance(program.parent[place], (cst.IndentedBlock, cst.Module))
    return place if driven and beside and isinstance(place, (cst.If, cst.SimpleStatementLine)) else None


def _trains_again(program: Program, entry: Entry, place: cst.CSTNode) -> bool:
    """Whether a loop behind the wrapper runs the training: the Trainer would make a new wrapper, and share buffers."""
    loops = [outer for outer in program.ancestors(entry.training) if isinstance(outer, (cst.For, cst.While))]
    return any(not program.contains(loop, place) for loop in loops)


def _taken_apart(outline: Outline, roles: Roles, entry: Entry, call: cst.Call) -> Wrapping | Obstacle:
    program = outline.program
    line = program.statement(call)
    small = line.body[0] if isinstance(line, cst.SimpleStatementLine) and len(line.body) == 1 else None
    if not isinstance(line, cst.SimpleStatementLine) or not isinstance(small, cst.Assign) or small.value is not call:
        return Obstacle(call, "it is not made on a line of its own")
    model = outline.variable(small.targets[0].target)
    if len(small.targets) != 1 or model is not entry.model:
        return Obstacle(call, why_apart(outline, roles))
    given = arguments_of(program, call)
    if isinstance(given, Obstacle):
        return given
    wrapped = given.wrapped
    if not isinstance(wrapped, (cst.Name, cst.Call)):
        return Obstacle(wrapped, "what it wraps is not made or named there")
    again = isinstance(wrapped, cst.Name) and outline.variable(wrapped) is model
    if isinstance(wrapped, cst.Name) and not again and not _is_known_by(outline, wrapped, entry, line):
        return Obstacle(wrapped, "the wrapped model has another name, which it may not keep")
    return Wrapping(line, call, wrapped, given.strategy(), binds=not again)


def _is_known_by(outline: Outline, name: cst.Name, entry: Entry, line: cst.CSTNode) -> bool:
    """Whether a wrapped model keeps its name for good, and the wrapper, beside the training, gets one of its own."""
    program, held = outline.program, outline.variable(name)
    if held is None or held.owner is not entry.scope or len(entry.model.writes) != 1:
        return False
    beside = isinstance(program.parent[line], (cst.IndentedBlock, cst.Module))
    ahead = all(
        seen.scope.function is entry.scope and program.order.get(seen.node, -1) < program.order[line]
        for seen in held.writes
    )  # fmt: skip
    return beside and ahead and not isinstance(program.parent.get(program.parent[line]), cst.If)
