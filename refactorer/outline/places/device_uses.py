"""Uses of a device that only say where something goes: any other spelling of the same device does as well there.

A string and a `torch.device` compare and print differently, so code that looks at a device is given the script's own.
Where the script's is a `torch.device` too, code of other files is given the module's: most of it only moves things.
"""

from __future__ import annotations

from collections.abc import Mapping

import libcst as cst

from refactorer.analysis.program import Program
from refactorer.analysis.scopes import Variable
from refactorer.analysis.walk import walk
from refactorer.outline.classes import methods_of
from refactorer.outline.functions.arguments import matched
from refactorer.outline.functions.shapes_of_values import value_of
from refactorer.outline.objects.torch_names import unmoved

_QUIET = ("torch.no_grad", "torch.enable_grad", "torch.inference_mode")
_PLACES = ("device", "map_location")
_SHOWING = ("builtins.", "logging.", "warnings.", "json.", "pprint.")
_SHOWING_METHODS = ("format", "write", "log", "debug", "info", "warning", "warn", "error", "critical", "exception")


def is_made_as_device(program: Program, variable: Variable) -> bool:
    """Whether a variable is a `torch.device` in any case, and not one of the numbered CPUs that nobody has."""
    values = [program.bound_to(seen.node) for seen in variable.writes]
    return bool(values) and all(
        isinstance(value, cst.Call) and program.qualified_name(value.func) == "torch.device"
        and "cpu:" not in cst.Module([]).code_for_node(value)
        for value in values
    )  # fmt: skip


def is_given_away(program: Program, node: cst.CSTNode) -> bool:
    """Whether a use gives a device to a function or a method of another file."""
    arg = program.parent.get(node)
    call = program.parent.get(arg) if isinstance(arg, cst.Arg) else None
    if not isinstance(arg, cst.Arg) or not isinstance(call, cst.Call) or arg.value is not node or arg.star:
        return False
    name = program.qualified_name(call.func)
    if name is not None:
        return program.function(call.func) is None and not name.startswith(_SHOWING)
    method = call.func.attr.value if isinstance(call.func, cst.Attribute) else ""
    return method not in ("", *_SHOWING_METHODS) and not has_own(program, method)


def only_places(program: Program, node: cst.CSTNode, seen: frozenset[Variable] = frozenset()) -> bool:
    """Whether a use of a device is a move, the place of a new tensor, or given to a function that does no more."""
    arg = program.parent.get(node)
    call = program.parent.get(arg) if isinstance(arg, cst.Arg) else None
    if not isinstance(arg, cst.Arg) or not isinstance(call, cst.Call) or arg.value is not node:
        return False
    name = program.qualified_name(call.func)
    keyword = arg.keyword.value if arg.keyword is not None else ""
    if isinstance(call.func, cst.Attribute) and name is None:
        method = call.func.attr.value
        if method == "to":
            return moves_plainly(program, seen)
        made = keyword == "device" and method.startswith("new_") and not has_own(program, method)
        return made or _is_handed_to_method(program, call, arg, seen)
    if name is not None and name.startswith("torch."):
        return keyword in _PLACES or name == "torch.device"
    return _is_handed_on(program, call, arg, seen)


def moves_plainly(program: Program, seen: frozenset[Variable] = frozenset()) -> bool:
    """Whether no class of the file has a `to()` of its own that does more with a device than to hand it on."""
    own = [function for function in program.find(cst.FunctionDef) if function.name.value == "to"]
    kept = all(_keeps_arguments(program, decorator) for function in own for decorator in function.decorators)
    if not kept or _is_found_otherwise(program, "to"):
        return False
    parameters = [
        part for function in own for part in walk(function.params)
        if isinstance(part, cst.Param) and part not in function.params.params[:1]
    ]  # fmt: skip
    return all(_only_hands_on(program, program.variables[part.name], seen) for part in parameters)


def has_own(program: Program, *methods: str) -> bool:
    """Whether something in the file has methods of some names that are not those of a tensor, or may have them."""
    defined = any(function.name.value in methods for function in program.find(cst.FunctionDef))
    return defined or _is_found_otherwise(program, *methods)


def _is_found_otherwise(program: Program, *methods: str) -> bool:
    """Whether a class may have methods of some names without a `def`: `to = move`, or a `__getattr__`."""
    looks = ("__getattr__", "__getattribute__")
    targets = [assigned.target for assigned in program.find(cst.AssignTarget)]
    names = [target.attr if isinstance(target, cst.Attribute) else target for target in targets]
    assigned = any(isinstance(name, cst.Name) and name.value in methods for name in names)
    return assigned or any(function.name.value in looks for function in program.find(cst.FunctionDef))


def _is_handed_on(program: Program, call: cst.Call, arg: cst.Arg, seen: frozenset[Variable]) -> bool:
    function = program.function(call.func)
    if function is None or not all(_keeps_arguments(program, decorator) for decorator in function.decorators):
        return False
    return _is_passed(program, matched(function.params, call.args), arg, seen)


def _is_handed_to_method(program: Program, call: cst.Call, arg: cst.Arg, seen: frozenset[Variable]) -> bool:
    """Whether a call is of a method of an object of a class of the file, which does no more with a device."""
    assert isinstance(call.func, cst.Attribute)
    variable, name = program.variables.get(call.func.value), call.func.attr.value
    made = [value_of(program, write.node) for write in variable.writes] if variable is not None else []
    kinds = {_class_of(program, value) for value in made}
    kind = kinds.pop() if len(kinds) == 1 else None
    if kind is None or _is_found_otherwise(program, name):
        return False
    own = [method for method in methods_of(kind) if method.name.value == name]
    if len(own) != 1 or not all(_keeps_arguments(program, decorator) for decorator in own[0].decorators):
        return False
    params = own[0].params.with_changes(params=own[0].params.params[1:])
    return _is_passed(program, matched(params, call.args), arg, seen)


def _class_of(program: Program, value: cst.BaseExpression | None) -> cst.ClassDef | None:
    """The class of the file that a value is made by, moves aside."""
    made = unmoved(value) if value is not None else None
    kind = program.definition(program.variables.get(made.func)) if isinstance(made, cst.Call) else None
    return kind if isinstance(kind, cst.ClassDef) else None


def _is_passed(
    program: Program, given: Mapping[cst.Param, cst.BaseExpression] | None, arg: cst.Arg, seen: frozenset[Variable]
) -> bool:  # fmt: skip
    """Whether the parameter that gets an argument is only handed on."""
    parameter = next((param for param, value in (given or {}).items() if value is arg.value), None)
    return parameter is not None and _only_hands_on(program, program.variables[parameter.name], seen)


def _only_hands_on(program: Program, variable: Variable, seen: frozenset[Variable]) -> bool:
    if variable in seen:
        return True
    places = (only_places(program, read.node, seen | {variable}) for read in variable.reads)
    return len(variable.writes) == 1 and all(places)


def _keeps_arguments(program: Program, decorator: cst.Decorator) -> bool:
    part = decorator.decorator
    return program.qualified_name(part.func if isinstance(part, cst.Call) else part) in _QUIET
