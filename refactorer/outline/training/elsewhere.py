"""Gradients that no loop of the file is known to lead to: nothing to convert here, and the reader learns why."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from refactorer.analysis.program import Program
from refactorer.outline.refusal import Refusal
from refactorer.outline.training.anchors import Loop, backward_calls, holds_converted, uses_of
from refactorer.outline.training.site import is_step, trains_otherwise, uses_torch

Note = tuple[str, cst.CSTNode, str, str]


def gradients_elsewhere(program: Program) -> Note | None:
    """The note on gradients that a file without a training loop computes; None where none of them trains anything.

    Raises:
        Refusal: a loop of this file may be the one that they are computed for.
    """
    if holds_converted(program) or not uses_torch(program) or trains_otherwise(program):
        return None
    if not any(is_step(call) for call in program.calls):
        return None
    found: Note | None = None
    for call in backward_calls(program):
        function = program.enclosing_function(call)
        if function is not None and function.name.value == "backward" and not uses_of(program, function):
            continue  # which frameworks call
        chain = list(dict.fromkeys(_callers(program, function))) if function is not None else []
        if any(_is_handed_on(program, one) for one in chain):
            _refuse_likely_loop(program, chain)
        found = found or _note(program, call, chain)
    return found


def _note(program: Program, call: cst.Call, chain: list[cst.FunctionDef]) -> Note:
    if not chain:
        return "N110", call, "this backward() stands in no loop: there is nothing to convert", "nothing to do"
    outermost = chain[0] if uses_of(program, chain[-1]) else chain[-1]
    message = f"{outermost.name.value}() computes gradients, but no loop of this file is known to lead to it"
    return "N110", call, message, "convert the file that holds the loop; nothing to do if there is none"


def _callers(program: Program, function: cst.FunctionDef) -> Iterator[cst.FunctionDef]:
    """A function, one that calls it, one that calls that, and so on."""
    seen: set[cst.FunctionDef | None] = set()
    one: cst.FunctionDef | None = function
    while one is not None and one not in seen:
        yield one
        seen.add(one)
        callers = (program.enclosing_function(use) for use in uses_of(program, one))
        one = next((caller for caller in callers if caller not in seen), None)


def _is_handed_on(program: Program, function: cst.FunctionDef) -> bool:
    """Whether a function is used without being called: code that gets it may call it by any name."""
    uses = uses_of(program, function)
    calls = (program.parent.get(use) for use in uses)
    return any(not (isinstance(call, cst.Call) and call.func is use) for use, call in zip(uses, calls))


def _refuse_likely_loop(program: Program, chain: list[cst.FunctionDef]) -> None:
    """Refuses a file with a loop that calls functions by names that are not theirs."""
    name = chain[0].name.value
    loops: tuple[Loop, ...] = (*program.find(cst.For), *program.find(cst.While))
    for loop in loops:
        if any(_is_variable(program, call.func) for call in program.find(cst.Call, loop.body)):
            raise Refusal(
                "R108", loop, f"{name}() computes gradients, and this loop may call it by another name",
                f"call {name}() by its own name in the loop",
            )  # fmt: skip


def _is_variable(program: Program, func: cst.BaseExpression) -> bool:
    """Whether what is called is held by something: no function or class of the file, and none of a library."""
    if isinstance(func, cst.Subscript):
        return True
    if not isinstance(func, cst.Name) or program.qualified_name(func) is not None:
        return False
    return not isinstance(program.definition(program.variables.get(func)), (cst.FunctionDef, cst.ClassDef))
