"""Where gradients are computed: each `backward()` with the loops around it, followed through helper functions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Union

import libcst as cst

from refactorer.analysis.program import Program
from refactorer.outline.classes import class_of_method, spellings
from refactorer.outline.functions.arguments import arguments
from refactorer.outline.functions.other_objects import may_be_method
from refactorer.outline.refusal import PlainerView
from refactorer.outline.training.own_gradients import keeps_gradients_to_itself

Loop = Union[cst.For, cst.While]
_GRADIENT_FUNCTIONS = ("torch.autograd.backward",)
_MODULE_CLASSES = ("runtime.Module", "pytorch_lightning.LightningModule")


@dataclass(frozen=True)
class Anchor:
    """One way to reach a `backward()`: `node` stands inside `loops` (outermost first) of `function`.

    `node` is the call itself, or the use of a helper that leads to it; `helpers` are the functions on the way.
    """

    backward: cst.Call
    node: cst.CSTNode
    loops: tuple[Loop, ...]
    function: cst.FunctionDef | None
    helpers: tuple[cst.FunctionDef, ...]


def backward_calls(program: Program) -> list[cst.Call]:
    """Every call that computes gradients in a hand-written training, in the order of the text."""
    return [call for call in program.calls if _computes_gradients(program, call)]


def _computes_gradients(program: Program, call: cst.Call) -> bool:
    func = call.func
    named = isinstance(func, cst.Attribute) and func.attr.value == "backward"
    found = program.qualified_name(func) in _GRADIENT_FUNCTIONS or (named and not _is_custom_gradient(program, call))
    return found and not _in_converted_class(program, call)


def _is_custom_gradient(program: Program, call: cst.Call) -> bool:
    function = program.enclosing_function(call)
    if function is None or function.name.value != "backward":
        return False
    return any(program.qualified_name(d.decorator) == "builtins.staticmethod" for d in function.decorators)


def is_converted(program: Program, node: cst.CSTNode) -> bool:
    """Whether a node is a class that a conversion, or a person, has already written for the Trainer."""
    return isinstance(node, cst.ClassDef) and any(
        program.qualified_name(base.value) in _MODULE_CLASSES for base in node.bases
    )


def holds_converted(program: Program) -> bool:
    """Whether some training of the file has already been converted."""
    return any(is_converted(program, node) for node in program.find(cst.ClassDef))


def _in_converted_class(program: Program, node: cst.CSTNode) -> bool:
    return any(is_converted(program, outer) for outer in program.ancestors(node))


def loops_around(program: Program, node: cst.CSTNode) -> tuple[Loop, ...]:
    """The loops around a node within its own function, outermost first."""
    found: list[Loop] = []
    for outer in program.ancestors(node):
        if isinstance(outer, cst.FunctionDef):
            break
        if isinstance(outer, (cst.For, cst.While)):
            found.append(outer)
    return tuple(found[::-1])


def anchors(program: Program) -> list[Anchor]:
    """Every way to reach a gradient from a loop. A gradient that no loop of the file leads to has none.

    Loops of functions that keep their gradients to themselves come last: a step of another one may call them.
    """
    found = [anchor for call in backward_calls(program) for anchor in _anchors(program, call, call, ())]
    return sorted(found, key=lambda anchor: (_is_for_itself(program, anchor), program.order[anchor.loops[0]]))


def _is_for_itself(program: Program, anchor: Anchor) -> bool:
    """Whether a function that a loop calls keeps the gradient of an anchor to itself."""
    function = anchor.function
    if function is None or not keeps_gradients_to_itself(program, function):
        return False
    return any(loops_around(program, use) for use in uses_of(program, function))


def _anchors(
    program: Program, backward: cst.Call, node: cst.CSTNode, helpers: tuple[cst.FunctionDef, ...]
) -> Iterator[Anchor]:
    function = program.enclosing_function(node)
    loops = loops_around(program, node)
    if _in_converted_class(program, node):
        return
    if loops:
        if function is None or not _works_for_converted(program, function):
            yield Anchor(backward, node, loops, function, helpers)
    elif function is not None and function not in helpers:
        for use in [held for named in _likely_uses(program, function) for held in _held(program, named)]:
            if _is_ruled_out(program, function, node, use):
                continue
            yield from _anchors(program, backward, use, (*helpers, function))


def _is_ruled_out(program: Program, function: cst.FunctionDef, node: cst.CSTNode, use: cst.CSTNode) -> bool:
    """Whether a call of a function does not get to a node in it: `if opt is not None:` without an `opt`."""
    call = program.parent.get(use)
    if not isinstance(call, cst.Call) or call.func is not use or class_of_method(program, function) is not None:
        return False
    inner = node
    for outer in program.ancestors(node):
        if outer is function:
            return False
        if isinstance(outer, cst.If) and inner is outer.body and _is_off(program, function, call, outer.test):
            return True
        inner = outer
    return False


def _is_off(program: Program, function: cst.FunctionDef, call: cst.Call, test: cst.BaseExpression) -> bool:
    """Whether `if x:` or `if x is not None:` does not hold for a parameter that a call gives nothing."""
    nothing: tuple[str, ...] = ("None", "False")
    if isinstance(test, cst.Comparison) and len(test.comparisons) == 1:
        other = test.comparisons[0]
        if not isinstance(other.operator, cst.IsNot) or not _is_named(other.comparator, ("None",)):
            return False
        test, nothing = test.left, ("None",)
    variable = program.variables.get(test)
    parameter = program.definition(variable) if variable is not None and len(variable.writes) == 1 else None
    return _is_named(_given(program, function, call, parameter), nothing)


def _is_named(node: cst.CSTNode | None, names: tuple[str, ...]) -> bool:
    return isinstance(node, cst.Name) and node.value in names


def _given(
    program: Program, function: cst.FunctionDef, call: cst.Call, parameter: cst.CSTNode | None
) -> cst.BaseExpression | None:  # fmt: skip
    """What a call hands to a parameter, or its default; None where that is not plain to see."""
    try:
        given = arguments(program, function, call, decorators_known=False)
    except PlainerView:
        return None
    return given.get(parameter) if isinstance(parameter, cst.Param) else None


def _works_for_converted(program: Program, function: cst.FunctionDef) -> bool:
    """Whether only modules that are already written use a function: its loops are part of their steps.

    So are those of one that keeps its gradients to itself, whoever else uses it.
    """
    inside = [_in_converted_class(program, use) for use in uses_of(program, function)]
    return any(inside) and (all(inside) or keeps_gradients_to_itself(program, function))


def uses_of(program: Program, function: cst.FunctionDef) -> list[cst.CSTNode]:
    """Every name or attribute of the file that may mean a function; for a method, by the attribute's name.

    A function that is defined inside a loop counts as used where it is defined.
    """
    if loops_around(program, function):
        return [function]
    owner = class_of_method(program, function)
    if owner is None:
        return [seen.node for seen in program.variables[function.name].reads]
    names = spellings(program, function)
    return [
        node for node in program.find(cst.Attribute)
        # The dotted name of an imported module is an Attribute too, but no part of an expression.
        if node.attr.value in names and node in program.order and may_be_method(program, node, function)
    ]  # fmt: skip


def only_call_of(program: Program, function: cst.FunctionDef) -> cst.Call | None:
    """The one call by which the file uses a function; None if it may be used otherwise, or be another function."""
    uses = uses_of(program, function)
    if len(uses) != 1 or len(program.variables[function.name].writes) != 1:
        return None
    call = program.parent.get(uses[0])
    return call if isinstance(call, cst.Call) and call.func is uses[0] else None


def _likely_uses(program: Program, function: cst.FunctionDef) -> list[cst.CSTNode]:
    """The uses by which a loop reaches a function: of a method, those whose object is known, if there are any."""
    uses = uses_of(program, function)
    owner = class_of_method(program, function)
    if owner is None:
        return uses
    return [use for use in uses if isinstance(use, cst.Attribute) and _is_of_class(program, use, owner)] or uses


def _held(program: Program, use: cst.CSTNode) -> list[cst.CSTNode]:
    """The uses of variables that hold a function because another one makes it and returns it here; else this use."""
    maker = program.enclosing_function(use) if isinstance(program.parent.get(use), cst.Return) else None
    if maker is None or class_of_method(program, maker) is not None:
        return [use]
    calls = [program.parent.get(outer) for outer in uses_of(program, maker)]
    lines = [program.parent.get(call) if isinstance(call, cst.Call) else None for call in calls]
    names = [line.targets[0].target for line in lines if isinstance(line, cst.Assign) and len(line.targets) == 1]
    held = [program.variables[name] for name in names if isinstance(name, cst.Name)]
    if not held or len(held) < len(calls):
        return [use]
    reads = [seen.node for variable in dict.fromkeys(held) for seen in variable.reads]
    return [node for node in reads if not _is_given_to_converted(program, node)]


def _is_given_to_converted(program: Program, node: cst.CSTNode) -> bool:
    """Whether a module that is already written is made of something."""
    call = program.parent.get(program.parent[node])
    made = program.definition(program.variables.get(call.func)) if isinstance(call, cst.Call) else None
    return made is not None and is_converted(program, made)


def _is_of_class(program: Program, node: cst.Attribute, owner: cst.ClassDef) -> bool:
    """Whether the object in front of an attribute is known to be of a class: its `self`, or what a call of it made."""
    variable = program.variables.get(node.value)
    made = program.assigned_value(variable)
    if isinstance(made, cst.Call):
        return program.definition(program.variables.get(made.func)) is owner
    method = program.definition(variable) if variable is not None else None
    function = program.enclosing_function(method) if isinstance(method, cst.Param) else None
    first = function.params.params[:1] if function is not None else ()
    if function is None or not first or first[0] is not method:
        return False
    return class_of_method(program, function) is owner


def is_of_loss(program: Program, call: cst.Call) -> bool:
    """Whether `x.backward()` is that of a tensor, and not of a class of this file or of `torch.autograd`."""
    if program.qualified_name(call.func) is not None:
        return False
    return not any(
        isinstance(node, cst.FunctionDef)
        and node.name.value == "backward"
        and not node.decorators
        and not _in_converted_class(program, node)
        for node in program.scope
    )
