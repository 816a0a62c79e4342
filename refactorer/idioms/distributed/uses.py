"""Where the script uses its model once it may be wrapped."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from refactorer.idioms.distributed.wrapper import Wrapper, are_exclusive
from refactorer.outline.outline import Outline


def uses_behind(outline: Outline, found: Wrapper) -> Iterator[cst.CSTNode]:
    """The uses of the model where it may be wrapped, names of parameters of functions that were entered included."""
    program = outline.program
    for node, raw in program.variables.items():
        if outline.bindings.canonical(raw) is not found.model or node not in program.order:
            continue
        if isinstance(program.parent[node], cst.Param):
            continue
        elsewhere = is_entered(outline, node) or program.scope_of(node) is not outline.site.driver
        if (elsewhere or _is_behind(outline, found, node)) and not _enters(outline, node):
            yield node


def is_entered(outline: Outline, node: cst.CSTNode) -> bool:
    """Whether a node stands in the loop, or in a function that the module has taken in."""
    return any(outline.program.contains(part, node) for part in (outline.site.epoch_loop, *outline.consumed))


def _is_behind(outline: Outline, found: Wrapper, node: cst.CSTNode) -> bool:
    """Whether a node of the driver may run when the model has been wrapped."""
    program = outline.program
    return any(
        program.order[node] > program.last[made.line] and not are_exclusive(program, made.line, node)
        for made in found.wrappings
    )


def _enters(outline: Outline, node: cst.CSTNode) -> bool:
    """Whether a use only hands the model to a function that the module has taken in."""
    program = outline.program
    arg = program.parent[node]
    call = program.parent[arg] if isinstance(arg, cst.Arg) else None
    return isinstance(call, cst.Call) and program.function(call.func) in outline.consumed
