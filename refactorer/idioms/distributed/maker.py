"""A function of the file that wraps the model and returns it at once: `model = build_model(rank)`."""

from __future__ import annotations

from dataclasses import dataclass

import libcst as cst

from refactorer.analysis.program import Program
from refactorer.outline.classes import class_of_method
from refactorer.outline.control import returns
from refactorer.outline.training.anchors import uses_of


@dataclass(frozen=True)
class Made:
    """The line that wraps a model in a function, and the statement `target = function(...)`, its only use."""

    line: cst.SimpleStatementLine
    statement: cst.SimpleStatementLine
    target: cst.Name


def made_by(program: Program, wrapper: cst.Call) -> Made | None:
    """Where the model comes from that a call of the wrapper's class wraps, if it does nothing on its way."""
    function, line = program.enclosing_function(wrapper), program.statement(wrapper)
    if function is None or not isinstance(line, cst.SimpleStatementLine) or len(line.body) != 1:
        return None
    if function.decorators or function.asynchronous is not None or class_of_method(program, function) is not None:
        return None
    if not _is_returned(program, function, line, wrapper):
        return None
    mentions = uses_of(program, function)
    call = program.parent.get(mentions[0]) if len(mentions) == 1 else None
    if not isinstance(call, cst.Call) or call.func is not mentions[0]:
        return None
    statement, assigned = program.statement(call), program.parent.get(call)
    target = assigned.targets[0].target if isinstance(assigned, cst.Assign) and len(assigned.targets) == 1 else None
    if not isinstance(target, cst.Name) or not isinstance(statement, cst.SimpleStatementLine):
        return None
    return Made(line, statement, target) if len(statement.body) == 1 else None


def _is_returned(program: Program, function: cst.FunctionDef, line: cst.SimpleStatementLine, wrapper: cst.Call) -> bool:
    """Whether a function ends with `return DDP(model)`, or with `model = DDP(model)` and `return model`."""
    lines, small = list(function.body.body), line.body[0]
    ends = returns(function.body.body)
    if len(ends) != 1 or line not in lines:
        return False
    if isinstance(small, cst.Return):
        return small.value is wrapper and lines[-1] is line
    if not isinstance(small, cst.Assign) or small.value is not wrapper or len(small.targets) != 1:
        return False
    given, bound = ends[0].value, small.targets[0].target
    alone = lines[-2:-1] == [line] and isinstance(lines[-1], cst.SimpleStatementLine) and lines[-1].body[0] is ends[0]
    if not alone or not isinstance(bound, cst.Name) or not isinstance(given, cst.Name):
        return False
    variable = program.variables.get(given)
    return (
        variable is program.variables.get(bound) and variable is not None and variable.owner is program.scope[function]
    )
