"""Whether an optimizer may be one that needs a closure, although the script steps it without, or none at all.

Such a step ends with an exception, and so it has to end when the Trainer makes it: Lightning would give the optimizer
a closure, with which it trains, and train nothing without an optimizer.
"""

from __future__ import annotations

import libcst as cst

from refactorer.analysis.program import Program
from refactorer.analysis.scopes import Occurrence, Variable
from refactorer.outline.control import may_reach_end, returns
from refactorer.outline.functions.inline import values_given
from refactorer.outline.functions.shapes_of_values import value_of
from refactorer.outline.objects.held import values_of
from refactorer.outline.objects.optimizers import Held, Roles, is_surely_bound
from refactorer.outline.outline import Outline
from refactorer.outline.training.reach import called_function

_DEPTH = 6


def may_fail_to_step(outline: Outline, roles: Roles) -> bool:
    """Whether the optimizer may be unbound, None, or one that needs a closure."""
    optimizer = roles.stepping
    unbound = not isinstance(optimizer, Held) and (optimizer is None or not is_surely_bound(outline, optimizer))
    return unbound or may_need_closure(outline, roles)


def may_be_missing(outline: Outline, roles: Roles) -> bool:
    """Whether there may be no optimizer: no line has surely made one, or what makes it may be None."""
    program, optimizer = outline.program, roles.stepping
    if isinstance(optimizer, Held):
        return any(_may_be_none(program, value, 0) for value in values_of(program, optimizer.attribute))
    return optimizer is None or not is_surely_bound(outline, optimizer) or _may_hold_none(program, optimizer, 0)


def _may_hold_none(program: Program, variable: Variable, depth: int) -> bool:
    for seen in variable.writes:
        parent = program.parent.get(seen.node)
        values: list[cst.BaseExpression | None] = [program.bound_to(seen.node)]
        if isinstance(parent, cst.Param):
            values = [*(values_given(program, parent) or ()), parent.default]
        if any(_may_be_none(program, value, depth + 1) for value in values):
            return True
    return not variable.writes


def _may_be_none(program: Program, value: cst.BaseExpression | None, depth: int) -> bool:
    """Whether a value may be None; what other files make, or what is not written out, is taken not to be."""
    if depth > _DEPTH:
        return True
    if isinstance(value, cst.Name):
        variable = program.variables.get(value)
        return value.value == "None" or variable is None or _may_hold_none(program, variable, depth)
    if isinstance(value, cst.IfExp):
        return any(_may_be_none(program, part, depth) for part in (value.body, value.orelse))
    function = called_function(program, value) if isinstance(value, cst.Call) else None
    if function is None:
        return False
    results = [found.value for found in returns(function.body.body)]
    return may_reach_end(function.body) or any(_may_be_none(program, result, depth + 1) for result in results)


def may_need_closure(outline: Outline, roles: Roles) -> bool:
    """Whether the optimizer may be an LBFGS: by its class, one chosen by name, or one out of sight."""
    program, optimizer = outline.program, roles.stepping
    if isinstance(optimizer, Held):
        return any(_may_value(program, value, 0) for value in values_of(program, optimizer.attribute))
    return optimizer is not None and _may_variable(program, optimizer, 0)


def _may_variable(program: Program, variable: Variable, depth: int) -> bool:
    return not variable.writes or any(_may_write(program, seen, depth) for seen in variable.writes)


def _may_write(program: Program, seen: Occurrence, depth: int) -> bool:
    parent = program.parent.get(seen.node)
    if isinstance(parent, cst.Param):
        values = values_given(program, parent)
        return values is None or any(_may_value(program, value, depth + 1) for value in values)
    return _may_value(program, value_of(program, seen.node), depth + 1)


def _may_value(program: Program, value: cst.BaseExpression | None, depth: int) -> bool:
    if depth > _DEPTH:
        return True
    if isinstance(value, cst.Name) and value in program.variables:
        return _may_variable(program, program.variables[value], depth)
    if isinstance(value, cst.IfExp):
        return any(_may_value(program, part, depth) for part in (value.body, value.orelse))
    if not isinstance(value, cst.Call):
        return True
    function = called_function(program, value)
    if function is not None:
        results = [found.value for found in returns(function.body.body)]
        return may_reach_end(function.body) or any(_may_value(program, result, depth + 1) for result in results)
    own = program.definition(program.variables.get(value.func))
    if isinstance(own, cst.ClassDef):
        return any("LBFGS" in (program.qualified_name(base.value) or "") for base in own.bases)
    name = (program.qualified_name(value.func) or "").rsplit(".", 1)[-1]
    return not name[:1].isupper() or "LBFGS" in name
