"""Where a script wraps its model: beside the training, or in the function that calls the one with the training."""

from __future__ import annotations

from dataclasses import dataclass

import libcst as cst

from refactorer.analysis.program import Program
from refactorer.analysis.scopes import Scope, Variable
from refactorer.idioms.distributed.handed import given
from refactorer.outline.classes import class_of_method
from refactorer.outline.outline import Outline
from refactorer.outline.training.anchors import uses_of


@dataclass(frozen=True)
class Entry:
    """The scope in which a model is wrapped, its name there, and what trains it: the loop, or the call that reaches it.

    `whole` is the function of the training if that is another one: the model is wrapped in all of it.
    """

    scope: Scope
    model: Variable
    training: cst.CSTNode
    whole: Scope | None = None


def find_entry(outline: Outline, model: Variable | None, wrapper: cst.Call) -> Entry | None:
    """The entry for a call of the wrapper's class; None if the model of the training is not wrapped there."""
    program, driver = outline.program, outline.site.driver
    if model is None or model.owner is not driver:
        return None
    scope = program.scope_of(wrapper)
    if scope is driver:
        return Entry(scope, model, outline.site.epoch_loop)
    call = _only_call(program, driver)
    value = _handed_model(program, driver, call, model) if call is not None else None
    handed = program.variables.get(value) if isinstance(value, cst.Name) else None
    if call is None or handed is None or handed.owner is not scope or program.scope_of(call) is not scope:
        return None
    return Entry(scope, handed, call, driver)


def handed_over(outline: Outline, wrapper: cst.Call) -> Variable | None:
    """The parameter of the driver by which its only call hands it what a line binds to the wrapper."""
    program, driver = outline.program, outline.site.driver
    line, call = program.parent.get(wrapper), _only_call(program, driver)
    bound = program.variables.get(line.targets[0].target) if isinstance(line, cst.Assign) else None
    if bound is None or call is None or not isinstance(driver.node, cst.FunctionDef):
        return None
    handed = given(program, driver.node, call) or {}
    found = [program.variables[p.name] for p, value in handed.items() if program.variables.get(value) is bound]
    return found[0] if len(found) == 1 else None


def _only_call(program: Program, driver: Scope) -> cst.Call | None:
    """The one call of a function of the file, if it is no method and no loop calls it again."""
    function = driver.node
    if not isinstance(function, cst.FunctionDef) or class_of_method(program, function) is not None:
        return None
    mentions = uses_of(program, function)
    call = program.parent.get(mentions[0]) if len(mentions) == 1 else None
    if not isinstance(call, cst.Call) or call.func is not mentions[0]:
        return None
    for outer in program.ancestors(call):
        if isinstance(outer, (cst.FunctionDef, cst.Module)):
            return call
        if isinstance(outer, (cst.For, cst.While, cst.Lambda, cst.BaseComp, cst.ClassDef)):
            return None
    return None


def _handed_model(program: Program, driver: Scope, call: cst.Call, model: Variable) -> cst.BaseExpression | None:
    """What a call gives to the parameter that the model is; None if the function binds its name again."""
    parameter = program.definition(model)
    if not isinstance(driver.node, cst.FunctionDef) or not isinstance(parameter, cst.Param) or driver.node.decorators:
        return None
    return (given(program, driver.node, call) or {}).get(parameter)
