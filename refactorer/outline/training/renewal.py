"""Runs of a whole training, one after the other: a loop that makes a new model each time does not count epochs."""

from __future__ import annotations

from collections.abc import Sequence

import libcst as cst

from refactorer.analysis.program import Program
from refactorer.analysis.scopes import Variable
from refactorer.analysis.walk import walk
from refactorer.outline.functions.inline import values_given

_DEPTH = 6


def starts_anew(
    program: Program, outer: Sequence[cst.CSTNode], inner: cst.CSTNode, helpers: Sequence[cst.FunctionDef]
) -> bool:
    """Whether each turn of `outer` (a loop, and a function that it calls) trains a new model with a new optimizer.

    `inner` is the loop inside that steps the optimizer, itself or in one of the `helpers`.
    """
    for call in program.calls:
        if not isinstance(call.func, cst.Attribute) or call.func.attr.value != "step" or call.args:
            continue
        stepping = any(program.contains(part, call) for part in (inner, *helpers))
        for made in _made_between(program, call.func.value, outer, inner) if stepping else []:
            given = [node for node in walk(made) if _has_parameters(program, node)]
            if any(_made_between(program, node, outer, inner) for node in given):
                return True
    return False


def _made_between(
    program: Program, name: cst.CSTNode, outer: Sequence[cst.CSTNode], inner: cst.CSTNode
) -> list[cst.Call]:
    """The calls that a name is set to inside the ones but not inside the other, seen through parameters."""
    places = [seen.node for variable in _origins(program, name) for seen in variable.writes]
    between = [
        node for node in places
        if node in program.order
        and any(program.contains(part, node) for part in outer) and not program.contains(inner, node)
    ]  # fmt: skip
    values = (program.bound_to(node) for node in between)
    return [value for value in values if isinstance(value, cst.Call)]


def _origins(program: Program, name: cst.CSTNode, depth: int = 0) -> list[Variable]:
    """The variable that a name means, or those that all callers give to it."""
    variable = program.variables.get(name)
    if variable is None or depth > _DEPTH:
        return []
    parameter = program.definition(variable)
    values = values_given(program, parameter) if isinstance(parameter, cst.Param) else None
    return [origin for value in values for origin in _origins(program, value, depth + 1)] if values else [variable]


def _has_parameters(program: Program, name: cst.CSTNode) -> bool:
    """Whether some code asks a variable for its parameters."""
    variable = program.variables.get(name)
    parents = [program.parent.get(seen.node) for seen in variable.reads] if variable is not None else []
    return any(isinstance(parent, cst.Attribute) and parent.attr.value == "parameters" for parent in parents)
