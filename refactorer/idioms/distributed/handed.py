"""What the parameters of a function are given, by its calls and by `mp.spawn`, which calls it in other processes."""

from __future__ import annotations

import libcst as cst

from refactorer.analysis.program import Program
from refactorer.outline.classes import class_of_method
from refactorer.outline.functions.arguments import matched
from refactorer.outline.training.anchors import uses_of

_SPAWNERS = (
    "torch.multiprocessing.spawn", "torch.multiprocessing.spawn.spawn", "torch.multiprocessing.start_processes",
    "torch.multiprocessing.spawn.start_processes",
)  # fmt: skip


def values_handed(program: Program, parameter: cst.Param) -> list[cst.BaseExpression] | None:
    """What each call of its function gives to a parameter; None when there is no call, or one is not known.

    The first parameter of a function that `mp.spawn` calls is the number of the process; a 0 stands for it.
    """
    function = program.enclosing_function(parameter)
    if function is None:
        return None
    found: list[cst.BaseExpression] = []
    for use in uses_of(program, function):
        value = _given(program, function, parameter, use)
        if value is None:
            return None
        found.append(value)
    return found or None


def given(program: Program, function: cst.FunctionDef, call: cst.Call) -> dict[cst.Param, cst.BaseExpression] | None:
    """What a call gives to each parameter of a function of the file, defaults included; None if that is not known."""
    params = function.params
    if isinstance(params.star_arg, cst.Param) or params.star_kwarg or class_of_method(program, function) is not None:
        return None
    bound = matched(params, call.args)
    if bound is None:
        return None
    every = [*params.posonly_params, *params.params, *params.kwonly_params]
    return {**{p: p.default for p in every if p.default is not None}, **bound}


def _given(
    program: Program, function: cst.FunctionDef, parameter: cst.Param, use: cst.CSTNode
) -> cst.BaseExpression | None:
    outer = program.parent.get(use)
    if isinstance(outer, cst.Call) and outer.func is use:
        return None if function.decorators else (given(program, function, outer) or {}).get(parameter)
    call = program.parent.get(outer) if isinstance(outer, cst.Arg) else None
    if isinstance(call, cst.Call) and program.qualified_name(call.func) in _SPAWNERS and call.args[0] is outer:
        return _spawned(program, function, parameter, call)
    return None


def _spawned(
    program: Program, function: cst.FunctionDef, parameter: cst.Param, call: cst.Call
) -> cst.BaseExpression | None:
    """What `mp.spawn(function, args=(...))` gives to a parameter of the function."""
    plain = [*function.params.posonly_params, *function.params.params]
    if parameter not in plain:
        return None
    place = plain.index(parameter)
    if place == 0:
        return cst.Integer("0")
    named = [arg.value for arg in call.args if arg.keyword is not None and arg.keyword.value == "args"]
    named = named or [arg.value for arg in call.args[1:2] if arg.keyword is None and not arg.star]
    values = named[0] if named else None
    if isinstance(values, cst.Name):
        values = program.assigned_value(program.variables.get(values))
    if not isinstance(values, (cst.Tuple, cst.List)) or any(isinstance(e, cst.StarredElement) for e in values.elements):
        return None
    return values.elements[place - 1].value if place <= len(values.elements) else None
