"""What a call moves its receiver to, and what is left of it without the device."""

from __future__ import annotations

import libcst as cst

from refactorer.idioms.device.given import given_to
from refactorer.idioms.device.items import item_of
from refactorer.idioms.device.lines import bracketed, text_of
from refactorer.idioms.device.named import Target, setting_of
from refactorer.idioms.device.numbered import composed, names_number
from refactorer.idioms.device.twins import same_as
from refactorer.outline.outline import Outline

_TYPES = {
    "float",
    "float16",
    "float32",
    "float64",
    "double",
    "half",
    "bfloat16",
    "long",
    "int",
    "int32",
    "int64",
    "bool",
}


def target_of(outline: Outline, node: cst.CSTNode) -> Target | None:
    """The device that a call moves its receiver to; None for what is no move to an accelerator: `x.to(dtype)`."""
    if not isinstance(node, cst.Call) or not isinstance(node.func, cst.Attribute):
        return None
    method = node.func.attr.value
    if method not in ("to", "cuda") or outline.program.qualified_name(node.func) is not None:
        return None
    places = [arg for arg in node.args if not _is_aside(outline, arg)]
    if method == "cuda" and not places:
        return ("cuda",)
    if len(places) != 1 or places[0].star or (places[0].keyword and places[0].keyword.value != "device"):
        return ("other", text_of(node)) if method == "cuda" else None
    place = places[0].value
    if method == "cuda" and isinstance(place, cst.Integer):
        return ("other", f"cuda:{place.evaluated_value}")
    found = place_named(outline, place, by_number=method == "cuda")
    return found if found is not None or method == "to" else ("other", text_of(place))


def only_retypes(outline: Outline, call: cst.Call) -> bool:
    """Whether a call is `x.to(torch.float)`."""
    is_to = isinstance(call.func, cst.Attribute) and call.func.attr.value == "to"
    converts = any(arg.keyword is None or arg.keyword.value != "non_blocking" for arg in call.args)
    return is_to and converts and all(_is_aside(outline, arg) for arg in call.args)


def _is_aside(outline: Outline, arg: cst.Arg) -> bool:
    """Whether an argument of a move says something else than the device: how to copy, or the type."""
    if arg.keyword is not None:
        return arg.keyword.value in ("non_blocking", "dtype", "memory_format")
    name = outline.program.qualified_name(arg.value) or ""
    return name.startswith("torch.") and name[len("torch.") :] in _TYPES


def types_in(call: cst.Call) -> list[cst.Arg]:
    """The arguments of a move that convert to another type, or lay the memory out, as well."""
    later = [arg for arg in call.args[1:] if arg.keyword is None]
    named = ("dtype", "memory_format")
    return [*later, *(arg for arg in call.args if arg.keyword is not None and arg.keyword.value in named)]


def without_device(call: cst.Call) -> cst.BaseExpression:
    """What is left of a move: its receiver, converted where the move did that too."""
    assert isinstance(call.func, cst.Attribute)
    kept = types_in(call)
    if not kept:
        return bracketed(call.func.value)
    return call.with_changes(args=[*kept[:-1], kept[-1].with_changes(comma=cst.MaybeSentinel.DEFAULT)])


def _given(outline: Outline, node: cst.BaseExpression) -> cst.BaseExpression:
    """`x` of `torch.device(x)`; any other expression as it is."""
    named = isinstance(node, cst.Call) and outline.program.qualified_name(node.func) == "torch.device"
    alone = isinstance(node, cst.Call) and len(node.args) == 1 and node.args[0].keyword is None
    return node.args[0].value if named and alone and isinstance(node, cst.Call) else node


def place_of(call: cst.Call) -> cst.BaseExpression:
    """The argument of a move that names the device."""
    return next(arg.value for arg in call.args if arg.keyword is None or arg.keyword.value == "device")


def place_named(outline: Outline, place: cst.BaseExpression, by_number: bool = False) -> Target | None:
    """The device that an expression names, or is the number of; None for the CPU, and for what may be no device."""
    program = outline.program
    place = _given(outline, place)
    if isinstance(place, cst.SimpleString):
        said = place.evaluated_value
        if said in ("cuda", "cpu"):
            return ("cuda",) if said == "cuda" else None
        return ("other", said)
    text = composed(outline, place)
    if text is not None:
        return text
    if isinstance(place, cst.Attribute):
        name = place.attr.value
        named = by_number or names_number(name) or "device" in name.lower()
        return setting_of(outline, place) if named else None
    if isinstance(place, cst.Subscript):
        return item_of(outline, place)
    variable = outline.variable(place)
    if variable is None:
        return None
    raw = program.variables[place]
    if raw in outline.bindings.expression:
        return place_named(outline, outline.bindings.expression[raw], by_number)
    made = program.assigned_value(variable)
    if variable.owner not in (outline.site.driver, program.scope[program.module]):
        if made is not None:
            return _made_in_training(outline, made)
        given = {place_named(outline, value, by_number) for value in given_to(outline, variable)}
        return given.pop() if len(given) == 1 else None
    is_device = isinstance(made, cst.Call) and program.qualified_name(made.func) == "torch.device"
    named = by_number or names_number(variable.name) or "device" in variable.name.lower()
    return ("variable", variable) if named or is_device else None


def _made_in_training(outline: Outline, made: cst.BaseExpression) -> Target | None:
    """The device that a function of the training makes anew each time, from what the script has chosen before."""
    given = _given(outline, made)
    if isinstance(given, (cst.Attribute, cst.Subscript)):
        return place_named(outline, given)
    return composed(outline, given) or same_as(outline, made)
