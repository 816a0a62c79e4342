"""Assignments that say nothing: the call alone is left, so that optimizers and networks are known to stay the same.

`optimizer = lr_decay(optimizer, epoch)` binds what the variable was where the function surely hands it back. Nobody
reads what `norm = optimizer.step()` binds.
"""

from __future__ import annotations

import libcst as cst

from refactorer.analysis.program import Program
from refactorer.analysis.scopes import Variable
from refactorer.analysis.walk import walk
from refactorer.emit.edits import Edit
from refactorer.idioms.shapes import method_name
from refactorer.outline.control import may_reach_end, returns, suspensions
from refactorer.outline.functions.arguments import matched
from refactorer.outline.objects.optimizers import is_asked_for_parameters, is_stepped
from refactorer.outline.outline import Outline
from refactorer.outline.training.reach import bound_by_functions


def apply(outline: Outline) -> None:
    """Takes the target out of such lines in all hooks."""
    for hook in outline.hooks:
        edits: dict[cst.CSTNode, Edit] = {}
        for assign in [node for node in walk(*outline.hooks[hook]) if isinstance(node, cst.Assign)]:
            target = assign.targets[0].target
            variable = outline.program.variables.get(target)
            if variable is None or len(assign.targets) != 1 or not isinstance(assign.value, cst.Call):
                continue
            if _is_unread(outline, variable, assign.value) or _is_given_back(outline, variable, assign):
                variable.occurrences = [seen for seen in variable.occurrences if seen.node is not target]
                edits[assign] = cst.Expr(assign.value, semicolon=assign.semicolon)
        if edits:
            outline.edit(hook, edits)


def _is_unread(outline: Outline, variable: Variable, call: cst.Call) -> bool:
    """Whether a variable is bound to what the step of an optimizer gives, and to nothing else, and nobody reads it."""
    owner = outline.program.module.code_for_node(call.func)
    return method_name(call) == "step" and not call.args and "opt" in owner.lower() and len(variable.occurrences) == 1


def _is_given_back(outline: Outline, variable: Variable, assign: cst.Assign) -> bool:
    """Whether a line `variable = function(variable, ...)` leaves the variable as it is."""
    program, call = outline.program, assign.value
    function = program.function(call.func) if isinstance(call, cst.Call) and assign in program.order else None
    if function is None or not isinstance(call, cst.Call) or not _is_object_of_training(program, variable):
        return False
    bound = [seen.node for seen in variable.writes if seen.order >= 0]
    elsewhere = [node for node in bound if not program.contains(assign, node)]
    if not elsewhere or len(elsewhere) != len(bound) - 1 or variable in bound_by_functions(outline):
        return False
    given = matched(function.params, call.args) or {}
    names = [param.name for param, value in given.items() if program.variables.get(value) is variable]
    return any(_hands_back(program, function, name) for name in names)


def _is_object_of_training(program: Program, variable: Variable) -> bool:
    """Whether a variable is one that steps, or a network: what the module has to know by one name."""
    return is_asked_for_parameters(program, variable) or any(is_stepped(program, seen.node) for seen in variable.reads)


def _hands_back(program: Program, function: cst.FunctionDef, name: cst.Name) -> bool:
    """Whether a call of a function surely gives the argument of this name, unless it raises."""
    parameter = program.variables[name]
    if function.decorators or function.asynchronous is not None or suspensions(function.body.body):
        return False
    if len(parameter.writes) != 1 or may_reach_end(function.body):
        return False
    results = [found.value for found in returns(function.body.body)]
    return all(isinstance(value, cst.Name) and program.variables.get(value) is parameter for value in results)
