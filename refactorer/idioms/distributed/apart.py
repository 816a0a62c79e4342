"""Wrappers that are not those of the one model that is trained: of another training, or why not, in words."""

from __future__ import annotations

from collections.abc import Iterable

import libcst as cst

from refactorer.analysis.program import Program
from refactorer.idioms.known.parts import WRAPPERS
from refactorer.outline.classes import class_of_method
from refactorer.outline.objects.optimizers import Roles
from refactorer.outline.outline import Outline
from refactorer.outline.training.anchors import loops_around, uses_of
from refactorer.outline.training.reach import called_function

PROCESSES = tuple(name for name in WRAPPERS if name.endswith("DistributedDataParallel"))


def wrappers_of(outline: Outline) -> list[cst.Call]:
    """The calls of the wrapper's class that may wrap something for this training, by where they stand.

    They may in the functions that lead to the training, in those that they call, and in methods; others are there for
    themselves.
    """
    program = outline.program
    calls = [call for call in program.calls if program.qualified_name(call.func) in PROCESSES]
    if not calls:
        return []
    leading = _leading(program, outline.site.driver.node)
    known = {None, *leading, *_called(program, leading)}
    places = [program.enclosing_function(call) for call in calls]
    return [
        call for call, place in zip(calls, places)
        if place in known or (place is not None and class_of_method(program, place) is not None)
    ]  # fmt: skip


def why_apart(outline: Outline, roles: Roles) -> str:
    """Why the training is not known to be that of what the wrappers hold."""
    program, driver, wrappers = outline.program, outline.site.driver.node, wrappers_of(outline)
    targets = [_target(program, call) for call in wrappers]
    if any(isinstance(target, (cst.Attribute, cst.Subscript)) for target in targets):
        return "an object holds what it wraps"
    if len({program.variables.get(target) for target in targets if isinstance(target, cst.Name)}) > 1:
        return "more than one network is wrapped"
    place = program.enclosing_function(wrappers[0])
    if place is driver and len(roles.models) > 1:
        return "the optimizers train more than what it wraps"
    uses = uses_of(program, driver) if isinstance(driver, cst.FunctionDef) and place is not driver else []
    calls = [call for use in uses if isinstance(call := program.parent.get(use), cst.Call) and call.func is use]
    if len(calls) > 1 or any(loops_around(program, call) for call in calls):
        return "the training runs several times for one wrapper"
    if place is not None and place not in _leading(program, driver):
        alone = len(uses_of(program, place)) == 1
        more = "does more than to return it" if alone else "is used elsewhere too"
        return f"the function that wraps the model {more}"
    return "what it wraps is not the one model that is trained"


def _target(program: Program, wrapper: cst.Call) -> cst.CSTNode | None:
    """What a line binds to the wrapper."""
    line = program.parent.get(wrapper)
    return line.targets[0].target if isinstance(line, cst.Assign) else None


def _leading(program: Program, driver: cst.CSTNode) -> set[cst.FunctionDef]:
    """The function of the training, those around it, and those that mention one of them."""
    found: set[cst.FunctionDef] = set()
    waiting = [node for node in (driver, program.enclosing_function(driver)) if isinstance(node, cst.FunctionDef)]
    while waiting:
        function = waiting.pop()
        if function in found:
            continue
        found.add(function)
        around = [program.enclosing_function(use) for use in (*uses_of(program, function), function)]
        waiting += [outer for outer in around if outer is not None]
    return found


def _called(program: Program, leading: Iterable[cst.FunctionDef]) -> set[cst.FunctionDef]:
    """The functions that the module, or one of some functions, calls; and those that these call."""
    callers: set[cst.FunctionDef | None] = {None, *leading}
    found: set[cst.FunctionDef] = set()
    grown = True
    while grown:
        before = len(found)
        for call in program.calls:
            function = called_function(program, call)
            if function is not None and program.enclosing_function(call) in {*callers, *found}:
                found.add(function)
        grown = len(found) > before
    return found
