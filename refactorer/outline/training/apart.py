"""Why a function that goes through the batches is not entered from the loop over the epochs that calls it."""

from __future__ import annotations

from collections.abc import Callable

import libcst as cst

from refactorer.analysis.program import Program
from refactorer.outline.refusal import PlainerView
from refactorer.outline.training.anchors import Loop, loops_around, uses_of


def why_apart(
    program: Program, function: cst.FunctionDef, loop: Loop, are_epochs: Callable[[Loop], bool]
) -> PlainerView | None:
    """The reason, for a function that is not entered; None if no loop over epochs (`are_epochs`) leads to it."""
    name, uses = function.name.value, uses_of(program, function)
    for use in uses:
        around, caller = loops_around(program, use)[-1:], program.enclosing_function(use)
        if around and are_epochs(around[0]):
            return PlainerView(use, _why_here(program, function, loop, use, len(uses)))
        if around or caller is None or caller is function:
            continue
        if any(are_epochs(one) for outer in uses_of(program, caller) for one in loops_around(program, outer)[-1:]):
            return PlainerView(use, f"{name}() is called by {caller.name.value}(), which the loop over epochs calls")
    return None


def _why_here(program: Program, function: cst.FunctionDef, loop: Loop, use: cst.CSTNode, uses: int) -> str:
    name, statement = function.name.value, program.statement(use)
    if uses > 1:
        return f"{name}() is called in several places"
    in_loop = program.parent[statement] is loops_around(program, use)[-1].body
    if not in_loop or not isinstance(statement, cst.SimpleStatementLine):
        return f"the call of {name}() stands in a block"
    if program.parent[loop] is not function.body:
        return f"the loop over the batches stands in a block of {name}()"
    return f"{name}() may be another method for some objects"
