"""Names that code in front of the training takes away again: the module would be handed what has no value any more.

x, y = next(iter(loader))                          x, y = next(iter(loader))
print(x.shape)                                     print(x.shape)
del x, y                                           del x, y
for x, y in loader:                                x = None
    ...                                            module = LitModel(model, x)
print(x.shape)                                     trainer.fit(module, loader)
"""

from __future__ import annotations

from collections.abc import Iterable

import libcst as cst

from refactorer.analysis.program import Program
from refactorer.analysis.scopes import Occurrence, Variable
from refactorer.outline.outline import Outline
from refactorer.outline.refusal import Refusal
from refactorer.outline.training.anchors import loops_around


def takes_away(program: Program, seen: Occurrence) -> bool:
    """Whether a name has no value behind an appearance of it: `del`, or the end of an exception's handler."""
    return seen.access == "delete" or _handler(program, seen) is not None


def _handler(program: Program, seen: Occurrence) -> cst.ExceptHandler | None:
    """The handler of an exception that a name stands for."""
    named = program.parent.get(seen.node)
    around = program.parent.get(named) if isinstance(named, cst.AsName) else None
    return around if isinstance(around, cst.ExceptHandler) else None


def taken_away(outline: Outline, variable: Variable) -> list[cst.CSTNode]:
    """The statements of the driver behind which a name has no value, and that may run in front of a training."""
    program, loop = outline.program, outline.site.epoch_loop
    found = []
    for seen in variable.writes:
        if seen.scope.function is not outline.site.driver or not takes_away(program, seen):
            continue
        again = any(program.contains(outer, seen.node) for outer in loops_around(program, loop))
        own = (again or seen.order < program.order[loop]) and not program.contains(loop, seen.node)
        if own and not _is_bound_on_line(program, variable, seen):
            handler = _handler(program, seen)
            found.append(program.parent[handler] if handler is not None else program.statement(seen.node))
    return found


def _is_bound_on_line(program: Program, variable: Variable, seen: Occurrence) -> bool:
    """Whether the line that takes a name away binds it again: `del x; x = 1`."""
    line = program.statement(seen.node)
    later = [other for other in variable.writes if other.order > seen.order and other.access != "delete"]
    return isinstance(line, cst.SimpleStatementLine) and any(other.statement is seen.statement for other in later)


def since(outline: Outline, taken: Iterable[cst.CSTNode]) -> int:
    """The place from which on a name has to be bound, so that it has a value when the training begins.

    What a round of a loop takes away behind the training, the next one has to bind.
    """
    program, loop = outline.program, outline.site.epoch_loop
    around = [program.order[outer] for outer in loops_around(program, loop)]
    places = (program.order[one] for one in taken)
    return max(place if place < program.order[loop] else max(around) for place in places)


def refuse_lost(outline: Outline, variables: Iterable[Variable]) -> None:
    """A name of an exception may have a value where its handler has not run, so nothing may be put behind it.

    Raises:
        Refusal: Some variable is an exception's, and the script gives it other values in front of the training.
    """
    program, loop = outline.program, outline.site.epoch_loop
    for variable in variables:
        handlers = [seen for seen in variable.writes if _handler(program, seen) is not None]
        early = [seen for seen in variable.writes if seen not in handlers and 0 <= seen.order < program.order[loop]]
        if early and any(isinstance(line, (cst.Try, cst.TryStar)) for line in taken_away(outline, variable)):
            raise Refusal("R403", handlers[0].node, f"{variable.name} has no value behind this exception's handler",
                          "give the exception another name")  # fmt: skip
