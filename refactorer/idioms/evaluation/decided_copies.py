"""A copy of a function that evaluates knows what its call says: `if test:` around a `return` is decided in it.

def evaluate(model, batches, test=False):        becomes, for evaluate(model, dev_batches),
    ...                                              ...
    if test:
        return accuracy, report(labels)
    return accuracy                                  return accuracy

What is left of several `return` may stand at the ends of branches.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import libcst as cst

from refactorer.analysis.program import Program
from refactorer.analysis.scopes import Variable
from refactorer.idioms.evaluation.joined_returns import with_one_return
from refactorer.idioms.evaluation.own_methods import called_function
from refactorer.outline.blocks import block_lines
from refactorer.outline.control import returns
from refactorer.outline.functions.arguments import arguments
from refactorer.outline.refusal import PlainerView
from refactorer.outline.training.known_values import Value, constant
from refactorer.outline.training.specialise import CannotSpecialise, specialise


def decided(program: Program, calls: Iterable[cst.Call]) -> dict[cst.CSTNode, cst.FunctionDef]:
    """For calls of functions that `return` leaves early, those that it leaves at the end for what the call gives."""
    found: dict[cst.CSTNode, cst.FunctionDef] = {}
    for call in calls:
        function = called_function(program, call)
        lines = _lines(program, function, call) if function is not None else None
        if function is not None and lines is not None:
            found[call] = function.with_changes(body=function.body.with_changes(body=lines))
    return found


def _lines(program: Program, function: cst.FunctionDef, call: cst.Call) -> list[cst.CSTNode] | None:
    """The body of a function for one call, left at its end; None if it is already, or cannot be put like that."""
    body = block_lines(function.body)
    if _is_left_at_end(body):
        return None
    branches = list(program.find(cst.If, function))
    lines = _decided(program, function, call, [branch for branch in branches if returns([branch])])
    if lines is not None and _is_left_at_end(lines):
        return lines
    return with_one_return(program, function, call, _decided(program, function, call, branches) or body)


def _is_left_at_end(lines: Sequence[cst.CSTNode]) -> bool:
    """Whether the only `return` of a function, if it has one, is its last line."""
    left, last = returns(lines), lines[-1] if lines else None
    return not left or (len(left) == 1 and isinstance(last, cst.SimpleStatementLine) and last.body[-1] is left[0])


def _decided(
    program: Program, function: cst.FunctionDef, call: cst.Call, branches: list[cst.If]
) -> list[cst.CSTNode] | None:  # fmt: skip
    """The body of a function with some branches decided, as far as the values that the call gives tell."""
    try:
        known = _deciding(program, function, call, branches)
        return list(specialise(program, block_lines(function.body), known, [call]))
    except (PlainerView, CannotSpecialise):
        return None


def _deciding(
    program: Program, function: cst.FunctionDef, call: cst.Call, branches: list[cst.If]
) -> dict[Variable, Value]:  # fmt: skip
    """The constants that a call gives to parameters that the conditions of some branches ask for, and nothing sets.

    Raises:
        PlainerView: it is not known what the call gives.
    """
    asked = {variable for _, variable in program.used([branch.test for branch in branches])}
    known: dict[Variable, Value] = {}
    for parameter, value in arguments(program, function, call, decorators_known=True).items():
        variable, given = program.variables[parameter.name], constant(value)
        if variable in asked and given is not None and len(variable.writes) == 1:
            known[variable] = given
    return known
