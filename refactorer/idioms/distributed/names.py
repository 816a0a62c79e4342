"""Other names of a model that is wrapped: `model_without_ddp = model`, or its first name where the wrapper has its own.

They mean what is `model.module` behind the wrapper, whether the script wraps the model or not.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import libcst as cst

from refactorer.analysis.scopes import Occurrence, Variable
from refactorer.idioms.distributed.branches import are_exclusive
from refactorer.outline.objects.torch_names import unmoved
from refactorer.outline.outline import Outline
from refactorer.outline.training.anchors import loops_around

if TYPE_CHECKING:
    from refactorer.idioms.distributed.entry import Entry
    from refactorer.idioms.distributed.wrapper import Wrapper, Wrapping


def other_names(outline: Outline, entry: Entry, wrappings: Sequence[Wrapping]) -> frozenset[Variable]:
    """The variables beside that of the wrapper which surely name the wrapped model from the wrapper on."""
    wrapped = {outline.variable(made.wrapped) for made in wrappings}
    inner = wrapped.pop() if len(wrapped) == 1 else None
    if inner is None:
        return frozenset()
    found = {v for v in entry.scope.variables.values() if _is_named(outline, entry, wrappings, inner, v)}
    if inner is not entry.model and all(_is_ahead(outline, entry, wrappings, seen) for seen in inner.writes):
        found.add(inner)
    return frozenset(found - {entry.model})


def kept_elsewhere(outline: Outline, found: Wrapper) -> cst.CSTNode | None:
    """A line in front of the training that gives the model a name, or a place in a container, that is none of those."""
    program, entry = outline.program, found.entry
    calls = [arg.value for made in found.wrappings for arg in (made.call.args if made.made is None else _handed(made))]
    named = {outline.variable(value) for value in calls if isinstance(value, cst.Name)}
    raw = {entry.model, *(variable for variable in named if variable is not None and variable.owner is not None)}
    lines = {made.place for made in found.wrappings}
    for assign in program.find(cst.Assign):
        if program.scope_of(assign) is not entry.scope or program.order[assign] > program.order[entry.training]:
            continue
        if program.statement(assign) in lines or not any(outline.variable(v) in raw for v in _values(assign.value)):
            continue
        if any(outline.variable(target.target) not in (entry.model, *found.others) for target in assign.targets):
            return assign
    return None


def _handed(made: Wrapping) -> list[cst.Arg]:
    """The arguments of the function that returns the wrapper."""
    assigned = made.place.body[0]
    assert isinstance(assigned, cst.Assign) and isinstance(assigned.value, cst.Call)
    return list(assigned.value.args)


def _values(value: cst.BaseExpression) -> list[cst.BaseExpression]:
    """What a value is, or holds as a display."""
    if isinstance(value, (cst.Tuple, cst.List, cst.Set, cst.Dict)):
        return [part for element in value.elements for part in _values(element.value)]
    return [value]


def is_named_again(outline: Outline, found: Wrapper, node: cst.CSTNode) -> bool:
    """Whether a mention of the wrapper is that of `name = model.module`, by one of the other names."""
    target = _named_by(outline, node)
    return target is not None and outline.variable(target) in found.others


def is_named_before(outline: Outline, found: Wrapper, node: cst.CSTNode) -> bool:
    """Whether the name of `name = model.module`, a line of its own, is surely that of the model in front of it, too."""
    program, target = outline.program, _named_by(outline, node)
    line, variable = program.statement(node), outline.variable(target)
    if variable is None or not isinstance(line, cst.SimpleStatementLine) or len(line.body) != 1:
        return False
    return any(
        program.parent[program.statement(seen.node)] is program.parent[found.place]
        for seen in variable.writes if seen.node is not target and program.order[seen.node] < program.order[line]
    )  # fmt: skip


def _named_by(outline: Outline, node: cst.CSTNode) -> cst.BaseExpression | None:
    """`name` of `name = model.module`, if a node is `model` there."""
    module = outline.program.parent.get(node)
    line = outline.program.parent.get(module) if module is not None else None
    if not isinstance(module, cst.Attribute) or module.attr.value != "module" or module.value is not node:
        return None
    alone = isinstance(line, cst.Assign) and line.value is module and len(line.targets) == 1
    return line.targets[0].target if alone else None  # type: ignore[union-attr]


def _is_named(
    outline: Outline, entry: Entry, wrappings: Sequence[Wrapping], inner: Variable, variable: Variable
) -> bool:
    """Whether every line that binds a variable gives it the wrapped model."""
    return bool(variable.writes) and all(_names_it(outline, entry, wrappings, inner, seen) for seen in variable.writes)


def _names_it(outline: Outline, entry: Entry, wrappings: Sequence[Wrapping], inner: Variable, seen: Occurrence) -> bool:
    program = outline.program
    value = program.bound_to(seen.node)
    statement = program.parent.get(program.parent.get(seen.node))  # type: ignore[arg-type]
    if seen.node not in program.order or seen.scope.function is not entry.scope or loops_around(program, seen.node):
        return False
    if not isinstance(statement, cst.Assign) or len(statement.targets) != 1:
        return False
    if isinstance(value, cst.Name) and outline.variable(value) is inner:
        later = [w for w in inner.writes if program.order.get(w.node, -1) > program.order[seen.node]]
        same = all(_wraps(outline, wrappings, w) or _only_moves(outline, w) for w in later)
        apart = all(are_exclusive(program, made.line, statement) for made in wrappings)
        return same and (inner is not entry.model or apart or _is_ahead(outline, entry, wrappings, seen))
    if (
        isinstance(value, cst.Attribute)
        and outline.variable(value.value) is entry.model
        and _named_by(outline, value.value) is seen.node
    ):
        # in the block of the wrapper, behind it, where the model surely is wrapped
        return any(
            program.parent[made.line] is program.parent[program.statement(seen.node)]
            and program.order[made.line] < program.order[seen.node]
            for made in wrappings
        )
    return False


def _is_ahead(outline: Outline, entry: Entry, wrappings: Sequence[Wrapping], seen: Occurrence) -> bool:
    """Whether a variable is bound in front of all wrappers, in their scope."""
    program = outline.program
    first = min(program.order[made.line] for made in wrappings)
    return seen.scope.function is entry.scope and program.order.get(seen.node, first) < first


def _wraps(outline: Outline, wrappings: Sequence[Wrapping], seen: Occurrence) -> bool:
    return any(outline.program.contains(made.line, seen.node) for made in wrappings)


def _only_moves(outline: Outline, seen: Occurrence) -> bool:
    """Whether a line is `model = model.to(device)`, which gives the same object."""
    value = outline.program.bound_to(seen.node)
    moved = unmoved(value) if value is not None else None
    return (
        moved is not value
        and isinstance(moved, cst.Name)
        and outline.program.variables.get(moved) is (outline.program.variables.get(seen.node))
    )
