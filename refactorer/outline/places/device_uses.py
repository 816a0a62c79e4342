"""Uses of a device that only say where something goes: any other spelling of the same device does as well there.

A string and a `torch.device` compare and print differently, so code that looks at a device is given the script's own.
Where the script's is a `torch.device` too, code of other files is given the module's: most of it only moves things.
"""

from __future__ import annotations

import libcst as cst

from refactorer.analysis.program import Program
from refactorer.analysis.scopes import Variable
from refactorer.analysis.walk import walk
from refactorer.outline.functions.arguments import matched

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
        moves = method == "to" and moves_plainly(program, seen)
        return moves or (keyword == "device" and method.startswith("new_") and not has_own(program, method))
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
    given = matched(function.params, call.args) or {}
    parameter = next((param for param, value in given.items() if value is arg.value), None)
    if parameter is None:
        return False
    return _only_hands_on(program, program.variables[parameter.name], seen)


def _only_hands_on(program: Program, variable: Variable, seen: frozenset[Variable]) -> bool:
    if variable in seen:
        return True
    places = (only_places(program, read.node, seen | {variable}) for read in variable.reads)
    return len(variable.writes) == 1 and all(places)


def _keeps_arguments(program: Program, decorator: cst.Decorator) -> bool:
    part = decorator.decorator
    return program.qualified_name(part.func if isinstance(part, cst.Call) else part) in _QUIET
