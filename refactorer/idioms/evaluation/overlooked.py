"""Evaluations that no place of the training leads to: they stay, and the reader learns why."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from refactorer.analysis.program import Program
from refactorer.analysis.walk import holds, walk
from refactorer.idioms.evaluation.made_batches import OF_A_CALL, is_made
from refactorer.idioms.evaluation.obstacles import OF_A_CLASS
from refactorer.idioms.evaluation.out_of_sight import out_of_sight
from refactorer.idioms.evaluation.own_methods import called_function
from refactorer.idioms.evaluation.parts import is_loader, is_no_grad, is_switched, runs_model, silences, switches_itself
from refactorer.idioms.shapes import method_calls
from refactorer.outline.batches import source_of
from refactorer.outline.classes import class_around
from refactorer.outline.objects.optimizers import Roles
from refactorer.outline.outline import Outline
from refactorer.outline.training.anchors import holds_converted, loops_around, uses_of

CHOSEN = "a condition chooses what it iterates over"
_AROUND = (
    ((cst.For, cst.While), "it stands inside another loop"),
    ((cst.Try, cst.TryStar), "it stands in a `try` statement"),
    ((cst.With,), "it stands in a `with` block"),
    ((cst.If,), "it stands under a condition"),
)


def overlooked(outline: Outline, roles: Roles) -> list[tuple[cst.CSTNode, str]]:
    """The loops of a file that seem to evaluate the model of its first training, and why they stay.

    Functions that nothing in the file calls count where there are no others: other files may call them.
    """
    if holds_converted(outline.program):
        return []
    called: list[tuple[cst.CSTNode, str]] = []
    by_others: list[tuple[cst.CSTNode, str]] = []
    for loop in outline.program.find(cst.For):
        if seems_to_evaluate(outline, roles, loop):
            reason = why_stays(outline, roles, loop)
            function = uncalled(outline.program, loop)
            if reason is not None and function is not None:
                by_others.append((loop, f"nothing in this file calls {function.name.value}()"))
            elif reason is not None:
                called.append((loop, reason))
    return [*called, *_of_both(outline), *out_of_sight(outline, roles)] or by_others


def seems_to_evaluate(outline: Outline, roles: Roles, loop: cst.For) -> bool:
    """Whether a loop runs a model without gradients, or in evaluation mode, and is no part of a training."""
    return not _trains(outline, loop) and _runs(outline, roles, loop) and _is_quiet(outline, loop)


def why_stays(outline: Outline, roles: Roles, loop: cst.For) -> str | None:
    """Why a loop stays; None if it does not seem to go through data."""
    iterable = source_of(outline.program, loop).iterable
    if iterable is None or not is_loader(outline, iterable):
        return _fetches(outline.program, loop, iterable) if iterable is not None else None
    hidden = "it runs the model in another function" if not runs_model(outline, roles, loop) else None
    return _around(outline, loop) or hidden or _unreached(outline, loop)


def _runs(outline: Outline, roles: Roles, loop: cst.For) -> bool:
    """Whether a loop runs a model, or seems to: itself, by another name, or in a function that it is handed to."""
    if runs_model(outline, roles, loop):
        return True
    calls = [call for call in walk(loop.body) if isinstance(call, cst.Call)]
    methods = [called_function(outline.program, call) for call in calls if isinstance(call.func, cst.Attribute)]
    code = cst.Module([]).code_for_node
    switched = {code(call.func.value) for call in method_calls(outline, "eval")}  # type: ignore[attr-defined]
    inner = [call for method in methods if method is not None for call in walk(method) if isinstance(call, cst.Call)]
    given = [arg.value for call in calls for arg in call.args]
    if any(code(call.func) in switched for call in inner) or any(code(value) in switched for value in given):
        return True
    named = (code(call.func) for call in calls if loops_around(outline.program, call)[-1:] == (loop,))
    return bool(switched) and any(name.lower().endswith(("model", "net", "network")) for name in named)


def _fetches(program: Program, loop: cst.For, iterable: cst.BaseExpression) -> str | None:
    """Why a loop that iterates over no loader stays, if it seems to go through data."""
    counts = isinstance(iterable, cst.Call) and program.qualified_name(iterable.func) == "builtins.range"
    steps = counts and len(iterable.args) == 3  # type: ignore[attr-defined]
    named = [call.func for call in walk(loop.body) if isinstance(call, cst.Call)]
    by_hand = any(program.qualified_name(func) == "builtins.next" for func in named)
    by_hand = by_hand or any(isinstance(func, cst.Attribute) and func.attr.value == "next" for func in named)
    if counts:
        return "it fetches its batches by itself" if steps or by_hand else None
    if isinstance(iterable, cst.IfExp):
        return CHOSEN
    made = is_made(program, iterable) or (
        isinstance(iterable, cst.Call) and program.qualified_name(iterable.func) is None
    )
    return OF_A_CALL if made else None


def _of_both(outline: Outline) -> Iterator[tuple[cst.CSTNode, str]]:
    """A function whose one loop trains and evaluates, as its callers say."""
    program, loop = outline.program, outline.site.batch_loop
    function = program.enclosing_function(loop)
    if function is None or len(uses_of(program, function)) < 2 or not isinstance(loop, cst.For):
        return
    switches = [node for node in walk(function.body) if isinstance(node, cst.Attribute) and node.attr.value == "eval"]
    around = (
        outer for outer in program.find(cst.For) for use in uses_of(program, function) if program.contains(outer, use)
    )
    if switches and (any(around) or any(_is_decided(program, function, node) for node in switches)):
        yield loop, f"the loop of {function.name.value}() trains too"


def _is_decided(program: Program, function: cst.FunctionDef, node: cst.CSTNode) -> bool:
    """Whether a parameter decides whether a node of a function is reached."""
    own = {program.variables[parameter.name] for parameter in program.find(cst.Param, function.params)}
    branches = (outer for outer in program.ancestors(node) if isinstance(outer, (cst.If, cst.IfExp)))
    return any(variable in own for branch in branches for _, variable in program.used([branch.test]))


def _trains(outline: Outline, loop: cst.For) -> bool:
    attributes = (part for part in walk(loop) if isinstance(part, cst.Attribute))
    return holds([loop], outline.site.batch_loop) or any(part.attr.value == "backward" for part in attributes)


def _is_quiet(outline: Outline, loop: cst.For) -> bool:
    """Whether the script runs a loop without gradients, or behind an `eval()` of its own function."""
    if silences(outline, loop) or switches_itself(loop):
        return True
    inner: cst.CSTNode = loop
    for outer in outline.program.ancestors(loop):
        if isinstance(outer, cst.With) and any(is_no_grad(outline.program, item.item) for item in outer.items):
            return True
        if isinstance(outer, (cst.IndentedBlock, cst.Module)) and is_switched(list(outer.body[: _place(outer, inner)])):
            return True
        if isinstance(outer, cst.FunctionDef):
            return any(is_no_grad(outline.program, decorator.decorator) for decorator in outer.decorators)
        inner = outer
    return False


def _place(block: cst.IndentedBlock | cst.Module, line: cst.CSTNode) -> int:
    return next((i for i, part in enumerate(block.body) if part is line), 0)


def uncalled(program: Program, loop: cst.For) -> cst.FunctionDef | None:
    """The function that a loop stands in, if nothing in the file mentions it."""
    function = program.enclosing_function(loop)
    return function if function is not None and not uses_of(program, function) else None


def _around(outline: Outline, loop: cst.For) -> str | None:
    """What stands around a loop, within its function, that no hook could begin in the middle of."""
    own = (outline.site.epoch_loop, outline.site.batch_loop)
    for outer in outline.program.ancestors(loop):
        if isinstance(outer, cst.FunctionDef) or outer in own:
            return None
        silent = (
            isinstance(outer, cst.With) and len(outer.items) == 1 and is_no_grad(outline.program, outer.items[0].item)
        )
        for kinds, reason in _AROUND:
            if isinstance(outer, kinds) and not silent:
                return reason
    return None


def _unreached(outline: Outline, loop: cst.For) -> str:
    """Why no line of the training, or of the code behind it, leads to a loop."""
    program, site = outline.program, outline.site
    function = program.enclosing_function(loop)
    if function is None or function is site.driver.node:
        return "it runs outside the training"
    name = function.name.value
    if function in outline.methods.values():
        return f"{name}() becomes a method of the module"
    uses = uses_of(program, function)
    places = (program.parent[site.epoch_loop], *site.functions)
    if not any(program.contains(place, use) for place in places for use in uses):
        return f"{name}() is called outside the code that trains"
    if class_around(program, function) is not None:
        calls = (program.parent.get(use) for use in uses)
        known = any(isinstance(call, cst.Call) and called_function(program, call) is function for call in calls)
        return f"{name}() {OF_A_CLASS}" if known else f"{name}() may be another method for some objects"
    return f"no line by itself calls {name}() in the training or behind it"
