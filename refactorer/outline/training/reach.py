"""Functions that the training may run, as far as names tell, the variables that they bind, and further runs of it."""

from __future__ import annotations

from collections.abc import Iterable

import libcst as cst

from refactorer.analysis.program import Program
from refactorer.analysis.scopes import Scope, Variable
from refactorer.analysis.walk import walk
from refactorer.outline.classes import class_of_method, methods_of
from refactorer.outline.control import suspensions
from refactorer.outline.outline import Outline
from refactorer.outline.training.anchors import loops_around, uses_of


def functions_run(outline: Outline) -> set[cst.CSTNode]:
    """The functions and classes that the training names, those that these name, and so on."""
    program = outline.program
    pending: list[cst.CSTNode] = [outline.site.epoch_loop, *outline.consumed]
    seen: set[cst.CSTNode] = set()
    while pending:
        part = pending.pop()
        named = (program.definition(program.variables.get(node)) for node in program.find(cst.Name, part))
        own = (_own_method(program, node) for node in program.find(cst.Attribute, part))
        for called in (*named, *own):
            if isinstance(called, (cst.FunctionDef, cst.ClassDef)) and called not in seen:
                seen.add(called)
                pending.append(called)
    return seen


def runs_again(outline: Outline) -> bool:
    """Whether the training may run more than once, so that gradients and variables of one run are there in the next."""
    program, node = outline.program, outline.site.epoch_loop
    function = program.enclosing_function(node)
    if loops_around(program, node):
        return True
    while function is not None:
        uses = uses_of(program, function)
        if len(uses) != 1 or loops_around(program, uses[0]) or _is_handed_on(program, uses[0]):
            return True
        function = program.enclosing_function(uses[0])
    return False


def _is_handed_on(program: Program, use: cst.CSTNode) -> bool:
    """Whether a function of the file gets another one as an argument, which it may call as often as it likes."""
    argument = program.parent.get(use)
    call = program.parent.get(argument) if isinstance(argument, cst.Arg) else None
    called = program.definition(program.variables.get(call.func)) if isinstance(call, cst.Call) else None
    return isinstance(called, cst.FunctionDef)


def functions_named(program: Program, parts: Iterable[cst.CSTNode]) -> set[cst.FunctionDef | cst.ClassDef]:
    """The functions and classes that some nodes name, those that these name, and so on.

    A method counts where its name is that of an attribute of any object.
    """
    functions = program.find(cst.FunctionDef)
    methods = [function for function in functions if class_of_method(program, function) is not None]
    pending = list(parts)
    seen: set[cst.FunctionDef | cst.ClassDef] = set()
    while pending:
        node = pending.pop()
        found = [program.definition(program.variables.get(node))] if isinstance(node, cst.Name) else []
        if isinstance(node, cst.Attribute):
            found += [method for method in methods if method.name.value == node.attr.value]
        for called in found:
            if isinstance(called, (cst.FunctionDef, cst.ClassDef)) and called not in seen:
                seen.add(called)
                pending += walk(called.body)
    return seen


def bound_by_functions(outline: Outline) -> set[Variable]:
    """The variables of others (`global`, `nonlocal`) that functions bind while the training runs.

    A method counts where anything is called by its name, on whatever object; a function with `nonlocal` also where
    anyone may run it that does not call it by its name.
    """
    program = outline.program
    shared = [scope for scope in program.scopes if scope.declared_global or scope.declared_nonlocal]
    if not shared:
        return set()
    reached = functions_run(outline)
    parts = (outline.site.epoch_loop, *outline.consumed, *reached)
    called = {node.attr.value for part in parts for node in program.find(cst.Attribute, part)}
    found: set[Variable] = set()
    for scope in shared:
        around = (scope.node, *program.ancestors(scope.node))
        methods = (n for n in around if isinstance(n, cst.FunctionDef) and class_of_method(program, n) is not None)
        if any(node in reached for node in around) or any(method.name.value in called for method in methods):
            found |= _bound_in(program, scope, (*scope.declared_global, *scope.declared_nonlocal))
    for scope in shared:
        if scope.declared_nonlocal and not _runs_where_called(outline, scope.node):
            found |= _bound_in(program, scope, scope.declared_nonlocal)
    return found


def _bound_in(program: Program, scope: Scope, names: Iterable[str]) -> set[Variable]:
    """The variables of these names that code of a scope binds: a declaration alone binds nothing."""
    declared = (scope.lookup(name) for name in names)
    return {
        variable for variable in declared
        if variable is not None
        and any(seen.order >= 0 and program.contains(scope.node, seen.node) for seen in variable.writes)
    }  # fmt: skip


def _runs_where_called(outline: Outline, node: cst.CSTNode | None, seen: frozenset[cst.CSTNode] = frozenset()) -> bool:
    """Whether a function runs only where it is called, which the driver does, or functions that run so themselves."""
    program = outline.program
    if node in (None, outline.site.driver.node, *outline.consumed, *seen):
        return True
    if not isinstance(node, cst.FunctionDef) or class_of_method(program, node) is not None:
        return False
    if node.decorators or node.asynchronous is not None or suspensions(node.body.body):
        return False
    uses = [seen.node for seen in program.variables[node.name].reads]
    called = all(isinstance(call := program.parent.get(use), cst.Call) and call.func is use for use in uses)
    return called and all(_runs_where_called(outline, _runs_with(program, use), seen | {node}) for use in uses)


def _runs_with(program: Program, use: cst.CSTNode) -> cst.CSTNode | None:
    """What has to run for the line of a use to run: a function, or a piece of code that may run later."""
    later = (cst.FunctionDef, cst.Lambda, cst.GeneratorExp)
    return next((outer for outer in program.ancestors(use) if isinstance(outer, later)), None)


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
    return next((method for method in methods_of(owner) if method.name.value == name), None)
