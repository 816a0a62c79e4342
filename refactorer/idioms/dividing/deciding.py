"""Which parameter of a function decides what it does, and what each call gives to it; nothing here edits."""

from __future__ import annotations

from dataclasses import dataclass

import libcst as cst

from refactorer.analysis.program import Program
from refactorer.idioms.dividing.learning import learns
from refactorer.idioms.evaluation.own_methods import called_function, is_method, is_needless
from refactorer.outline.control import suspensions
from refactorer.outline.functions.arguments import args_with_object, matched
from refactorer.outline.functions.inline import values_given
from refactorer.outline.objects.torch_names import names_optimizer
from refactorer.outline.training.anchors import backward_calls, loops_around, uses_of
from refactorer.outline.training.known_values import PRESENT, UNKNOWN, Value, constant, value_of

_OWN_NAMES = ("builtins.vars", "builtins.dir")
_LOOKING = ("builtins.globals", "builtins.locals", "builtins.eval", "builtins.exec")
_REFLECTION = {"locals", "vars", "eval", "exec", "dir", "__class__", "super"}


@dataclass(frozen=True)
class Decision:
    """A function, the parameter that decides, and the calls for each of its values.

    Calls with a value that is not known have the key UNKNOWN, which has no value. `others` says that the function is
    used in some other way than by these calls.
    """

    function: cst.FunctionDef
    parameter: cst.Param
    calls: dict[object, list[cst.Call]]
    values: dict[object, Value]
    others: bool


def decisions(program: Program) -> list[Decision]:
    """The functions that train for one value of a parameter and not for another, in the order of the text."""
    return [found for function in learning(program) for found in [_decision(program, function)] if found is not None]


def learning(program: Program) -> list[cst.FunctionDef]:
    """The functions that compute gradients, themselves or by others that they call."""
    found: dict[cst.FunctionDef, None] = {}
    waiting: list[cst.CSTNode] = [*backward_calls(program)]
    while waiting:
        function = program.enclosing_function(waiting.pop())
        if function is not None and function not in found:
            found[function] = None
            waiting += uses_of(program, function)
    return sorted(found, key=lambda function: program.order[function])


def _decision(program: Program, function: cst.FunctionDef) -> Decision | None:
    uses = uses_of(program, function)
    if len(uses) < 2 or not _can_be_copied(program, function):
        return None
    calls = [call for use in uses if (call := _call_of(program, function, use)) is not None]
    method = is_method(program, function)
    if len(calls) < 2 or (method and (len(calls) < len(uses) or not is_needless(program, function))):
        return None
    for parameter in (*function.params.params, *function.params.kwonly_params):
        found = _by(program, function, parameter, calls, len(uses))
        if found is not None:
            return found
    return None


def _call_of(program: Program, function: cst.FunctionDef, use: cst.CSTNode) -> cst.Call | None:
    """The call that a use of a function surely is."""
    call = program.parent.get(use)
    if not isinstance(call, cst.Call) or call.func is not use or called_function(program, call) is not function:
        return None
    return call


def _can_be_copied(program: Program, function: cst.FunctionDef) -> bool:
    """Whether a copy beside a function does what the function does."""
    params = function.params
    if function.decorators or function.asynchronous is not None or isinstance(params.star_arg, cst.Param):
        return False
    if params.star_kwarg is not None or loops_around(program, function):
        return False
    if any(program.contains(function, use) for use in uses_of(program, function)):
        return False
    if len(program.variables[function.name].writes) != 1 or suspensions(function.body.body):
        return False
    names = {variable.name for _, variable in program.used([function])}
    parameters = (*params.posonly_params, *params.params, *params.kwonly_params)
    same = all(
        p.default is None or isinstance(p.default, (cst.Name, cst.BaseNumber, cst.SimpleString)) for p in parameters
    )
    return same and not names & _REFLECTION and not _is_looked_up(program, function)


def _is_looked_up(program: Program, function: cst.FunctionDef) -> bool:
    """Whether the file may ask for a function by its name, which is gone when it is divided."""
    exported = "__all__" in {variable.name for variable in program.variables.values()}
    asked_for = (string for string in program.find(cst.SimpleString) if string.raw_value == function.name.value)
    if any(exported or _is_asked(program, string) for string in asked_for):
        return True
    asked = [(program.qualified_name(call.func), call.args) for call in program.calls]
    return any(name in _LOOKING or (name in _OWN_NAMES and not args) for name, args in asked)


def _is_asked(program: Program, string: cst.SimpleString) -> bool:
    """Whether a text is what a call looks for: `getattr(module, "run")`."""
    call = program.parent.get(program.parent[string])
    return isinstance(call, cst.Call) and program.qualified_name(call.func) in ("builtins.getattr", "builtins.hasattr")


def _by(
    program: Program, function: cst.FunctionDef, parameter: cst.Param, calls: list[cst.Call], uses: int
) -> Decision | None:
    """The decision that a parameter makes, if it makes one."""
    variable = program.variables[parameter.name]
    if len(variable.writes) != 1 or not variable.reads:
        return None
    grouped: dict[object, list[cst.Call]] = {}
    values: dict[object, Value] = {}
    for call in calls:
        value = _given(program, function, parameter, call)
        key = value_of(value) if value is not None else UNKNOWN
        grouped.setdefault(key, []).append(call)
        values |= {key: value} if value is not None else {}
    if all(value is PRESENT for value in values.values()):
        return None
    outcomes = {learns(program, function, {variable: value}) for value in values.values()}
    if UNKNOWN in grouped or len(calls) < uses:
        outcomes.add(learns(program, function, {}))
    return Decision(function, parameter, grouped, values, len(calls) < uses) if outcomes == {True, False} else None


def _given(program: Program, function: cst.FunctionDef, parameter: cst.Param, call: cst.Call) -> Value | None:
    """What a call gives to a parameter, if that is known."""
    bound = matched(function.params, args_with_object(program, function, call))
    if bound is None:
        return None
    value = bound.get(parameter, parameter.default)
    if value is None:
        return None
    return constant(value) or (PRESENT if _is_present(program, value) else None)


def _is_present(program: Program, node: cst.CSTNode, depth: int = 3) -> bool:
    """Whether an expression is surely an optimizer of torch."""
    if isinstance(node, cst.Call):
        return names_optimizer(program.qualified_name(node.func))
    variable = program.variables.get(node)
    if variable is None or not variable.writes or not depth:
        return False
    definition = program.definition(variable)
    if isinstance(definition, cst.Param):
        given = values_given(program, definition)
        return given is not None and all(_is_present(program, value, depth - 1) for value in given)
    made = [program.bound_to(seen.node) for seen in variable.writes]
    return all(isinstance(value, cst.Call) and _is_present(program, value) for value in made)
