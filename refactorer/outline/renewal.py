"""Runs of a whole training, one after the other: a loop that makes a new model each time does not count epochs."""

from __future__ import annotations

import libcst as cst

from refactorer.analysis.program import Program
from refactorer.analysis.scopes import Variable
from refactorer.analysis.walk import walk


def starts_anew(program: Program, outer: cst.CSTNode, inner: cst.CSTNode) -> bool:
    """Whether each turn of `outer` (a loop, or a function that it calls) trains a new model with a new optimizer.

    `inner` is the loop inside that steps the optimizer.
    """
    for call in program.calls:
        if not isinstance(call.func, cst.Attribute) or call.func.attr.value != "step" or call.args:
            continue
        optimizer = program.variables.get(call.func.value)
        if optimizer is None or not program.contains(inner, call):
            continue
        for made in _made_between(program, optimizer, outer, inner):
            given = [program.variables[node] for node in walk(made) if node in program.variables]
            if any(_made_between(program, v, outer, inner) for v in given if _has_parameters(program, v)):
                return True
    return False


def _made_between(program: Program, variable: Variable, outer: cst.CSTNode, inner: cst.CSTNode) -> list[cst.Call]:
    """The calls that a variable is set to inside the one node but not inside the other."""
    places = [seen.node for seen in variable.writes if seen.node in program.order]
    between = [n for n in places if program.contains(outer, n) and not program.contains(inner, n)]
    values = (program.bound_to(node) for node in between)
    return [value for value in values if isinstance(value, cst.Call)]


def _has_parameters(program: Program, variable: Variable) -> bool:
    """Whether some code asks a variable for its parameters."""
    parents = [program.parent.get(seen.node) for seen in variable.reads]
    return any(isinstance(parent, cst.Attribute) and parent.attr.value == "parameters" for parent in parents)
