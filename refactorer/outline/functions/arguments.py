"""What a call gives to the parameters of a function of the file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import libcst as cst

from refactorer.analysis.program import Program
from refactorer.outline.classes import class_of_method, class_of_object
from refactorer.outline.refusal import PlainerView

CONSTANTS = (cst.Integer, cst.Float, cst.SimpleString)


def arguments(
    program: Program, function: cst.FunctionDef, call: cst.Call, decorators_known: bool
) -> dict[cst.Param, cst.BaseExpression]:
    """The expression that each parameter of a function gets in a call: an argument, or a constant default.

    Raises:
        PlainerView: that is not known for certain.
    """
    name, params = function.name.value, function.params
    if (function.decorators and not decorators_known) or isinstance(params.star_arg, cst.Param) or params.star_kwarg:
        raise PlainerView(function, f"{name}() is decorated or takes any number of arguments")
    bound = matched(params, args_with_object(program, function, call))
    if bound is None:
        raise PlainerView(call, f"the arguments of {name}() cannot be matched with its parameters")
    positional = [*params.posonly_params, *params.params]
    for parameter in [*positional, *params.kwonly_params]:
        if parameter in bound:
            continue
        default = parameter.default
        if default is None or not is_constant(default):
            raise PlainerView(call, f"the parameter {parameter.name.value} of {name}() has no constant value here")
        bound[parameter] = default
    return {p: bound[p] for p in [*positional, *params.kwonly_params]}


def args_with_object(program: Program, function: cst.FunctionDef, call: cst.Call) -> list[cst.Arg]:
    """The arguments of a call, behind the object whose method it calls."""
    is_method = class_of_method(program, function) is not None
    own = [cst.Arg(call.func.value)] if is_method and isinstance(call.func, cst.Attribute) else []
    return [*own, *call.args]


def every_parameter(params: cst.Parameters) -> list[cst.Param]:
    """All parameters of a function, those that take any number of arguments last."""
    rest = [part for part in (params.star_arg, params.star_kwarg) if isinstance(part, cst.Param)]
    return [*params.posonly_params, *params.params, *params.kwonly_params, *rest]


def matched(params: cst.Parameters, args: Sequence[cst.Arg]) -> dict[cst.Param, cst.BaseExpression] | None:
    """What arguments give to parameters, by place or by name; None if that is not known."""
    positional = [*params.posonly_params, *params.params]
    by_name = {p.name.value: p for p in [*params.params, *params.kwonly_params]}
    bound: dict[cst.Param, cst.BaseExpression] = {}
    for index, arg in enumerate(args):
        by_place = positional[index] if index < len(positional) else None
        target = by_name.get(arg.keyword.value) if arg.keyword else by_place
        if arg.star or target is None:
            return None
        bound[target] = arg.value
    return bound


def given_anywhere(program: Program) -> Iterator[tuple[cst.Param, cst.BaseExpression]]:
    """What each call may give to parameters: of functions and classes by name, of all methods of one name.

    The object of a method is none of them.
    """
    functions = program.find(cst.FunctionDef)
    for call in program.calls:
        name = call.func.attr.value if isinstance(call.func, cst.Attribute) else None
        named = program.definition(program.variables.get(call.func))
        for function in functions:
            owner, args = class_of_method(program, function), call.args
            if owner is not None and owner is named and function.name.value == "__init__":
                args = [cst.Arg(function.name), *call.args]
            elif owner is not None and name == function.name.value:
                args = args_with_object(program, function, call)
            elif function is not named:
                continue
            bound = (matched(function.params, args) or {}).items()
            yield from (one for one in bound if class_of_object(program, one[0]) is None)


def is_constant(node: cst.CSTNode) -> bool:
    """Whether an expression is a literal number (no complex one), a plain string, None, True or False."""
    named = isinstance(node, cst.Name) and node.value in ("None", "True", "False")
    return named or isinstance(node, CONSTANTS)
