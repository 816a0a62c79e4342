"""Functions of the file that the training may run, as far as names tell, and the variables that they bind."""

from __future__ import annotations

from collections.abc import Iterable

import libcst as cst

from refactorer.analysis.program import Program
from refactorer.analysis.scopes import Variable
from refactorer.outline.anchors import uses_of
from refactorer.outline.classes import class_of_method
from refactorer.outline.control import suspensions
from refactorer.outline.outline import Outline


def functions_run(outline: Outline) -> set[cst.CSTNode]:
    """The functions and classes that the training names, those that these name, and so on."""
    return _named_by(outline.program, [outline.site.epoch_loop, *outline.consumed])


def _named_by(program: Program, parts: Iterable[cst.CSTNode]) -> set[cst.CSTNode]:
    pending, seen = list(parts), set[cst.CSTNode]()
    while pending:
        part = pending.pop()
        named = (program.definition(program.variables.get(node)) for node in program.find(cst.Name, part))
        own = (_own_method(program, node) for node in program.find(cst.Attribute, part))
        for called in (*named, *own):
            if isinstance(called, (cst.FunctionDef, cst.ClassDef)) and called not in seen:
                seen.add(called)
                pending.append(called)
    return seen


def bound_by_functions(outline: Outline) -> set[Variable]:
    """The variables of others (`global`, `nonlocal`) that functions bind while the training runs.

    A method counts where anything is called by its name, on whatever object; a function with `nonlocal` also where it
    is kept, or is a generator that was begun earlier.
    """
    program = outline.program
    shared = [scope for scope in program.scopes if scope.declared_global or scope.declared_nonlocal]
    if not shared:
        return set()
    reached = functions_run(outline)
    parts = (outline.site.epoch_loop, *outline.consumed, *reached)
    called = {node.attr.value for part in parts for node in program.find(cst.Attribute, part)}
    found: set[Variable | None] = set()
    for scope in shared:
        around = (scope.node, *program.ancestors(scope.node))
        methods = (n for n in around if isinstance(n, cst.FunctionDef) and class_of_method(program, n) is not None)
        if any(node in reached for node in around) or any(method.name.value in called for method in methods):
            found |= {scope.lookup(name) for name in (*scope.declared_global, *scope.declared_nonlocal)}
    kept = [function for function in program.find(cst.FunctionDef) if _may_run_later(program, function)]
    later = {*kept, *_named_by(program, kept)} if any(scope.declared_nonlocal for scope in shared) else set()
    for scope in shared:
        if scope.node in later:
            found |= {scope.lookup(name) for name in scope.declared_nonlocal}
    return {variable for variable in found if variable is not None}


def _may_run_later(program: Program, function: cst.FunctionDef) -> bool:
    """Whether a function is used otherwise than to be called and done with."""
    uses = [program.parent.get(node) for node in uses_of(program, function)]
    called = all(isinstance(parent, cst.Call) for parent in uses)
    return bool(uses) and not (called and not suspensions(function.body.body))


def called_function(program: Program, call: cst.Call) -> cst.FunctionDef | None:
    """The function that a call runs: one that is named, or a method of the caller's own object.

    A method counts where the file has no other class that defines one of its name.
    """
    function = program.function(call.func)
    if function is not None or not isinstance(call.func, cst.Attribute):
        return function
    method = _own_method(program, call.func)
    named = [n for n in program.find(cst.FunctionDef) if n.name.value == call.func.attr.value]
    return method if len(named) == 1 and method is not None and not method.decorators else None


def _own_method(program: Program, node: cst.Attribute) -> cst.FunctionDef | None:
    """The method that `self.method` means, where the class around it defines one."""
    method = program.enclosing_function(node)
    owner = class_of_method(program, method) if method is not None else None
    first = method.params.params[0].name if method is not None and method.params.params else None
    if owner is None or first is None or program.variables.get(node.value) is not program.variables.get(first):
        return None
    name = node.attr.value
    return next((n for n in owner.body.body if isinstance(n, cst.FunctionDef) and n.name.value == name), None)
