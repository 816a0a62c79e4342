"""A copy of a function that evaluates knows what its call says: `if test:` around a `return` is decided in it.

def evaluate(model, batches, test=False):        becomes, for evaluate(model, dev_batches),
    ...                                              ...
    if test:
        return accuracy, report(labels)
    return accuracy                                  return accuracy
"""

from __future__ import annotations

from collections.abc import Iterable

import libcst as cst

from refactorer.analysis.program import Program
from refactorer.analysis.scopes import Variable
from refactorer.idioms.evaluation.own_methods import called_function
from refactorer.outline.blocks import block_lines
from refactorer.outline.control import returns
from refactorer.outline.functions.arguments import arguments
from refactorer.outline.refusal import PlainerView
from refactorer.outline.training.known_values import Value, constant
from refactorer.outline.training.specialise import CannotSpecialise, specialise


def decided(program: Program, calls: Iterable[cst.Call]) -> dict[cst.CSTNode, cst.FunctionDef]:
    """For calls of functions with several `return`, those of which only one is left for what the call gives."""
    found: dict[cst.CSTNode, cst.FunctionDef] = {}
    for call in calls:
        function = called_function(program, call)
        lines = _lines(program, function, call) if function is not None else None
        if function is not None and lines is not None:
            found[call] = function.with_changes(body=function.body.with_changes(body=lines))
    return found


def _lines(program: Program, function: cst.FunctionDef, call: cst.Call) -> list[cst.CSTNode] | None:
    """The body of a function for one call, if the values that the call gives leave it one `return`."""
    body = block_lines(function.body)
    if len(returns(body)) < 2:
        return None
    try:
        lines = specialise(program, body, _deciding(program, function, call), [call])
    except (PlainerView, CannotSpecialise):
        return None
    return lines if len(returns(lines)) < 2 else None


def _deciding(program: Program, function: cst.FunctionDef, call: cst.Call) -> dict[Variable, Value]:
    """The constants that a call gives to parameters that a condition on a `return` asks for, and nothing sets.

    Raises:
        PlainerView: it is not known what the call gives.
    """
    branches = [branch for branch in program.find(cst.If, function) if returns([branch])]
    asked = {variable for _, variable in program.used([branch.test for branch in branches])}
    known: dict[Variable, Value] = {}
    for parameter, value in arguments(program, function, call, decorators_known=True).items():
        variable, given = program.variables[parameter.name], constant(value)
        if variable in asked and given is not None and len(variable.writes) == 1:
            known[variable] = given
    return known
