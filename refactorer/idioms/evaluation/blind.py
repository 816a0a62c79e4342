"""Code that cannot tell in which mode it finds a model: it does not use the model before it has switched it itself.

def evaluate(model, loader):
    model.eval()  # whatever the mode was
    ...
"""

from __future__ import annotations

from collections.abc import Iterable

import libcst as cst

from refactorer.analysis.program import Program
from refactorer.analysis.scopes import Variable
from refactorer.analysis.walk import walk
from refactorer.idioms.evaluation.parts import is_no_grad
from refactorer.idioms.shapes import only_call
from refactorer.outline.blocks import block_lines
from refactorer.outline.control import suspensions
from refactorer.outline.functions.arguments import matched


def is_lent_blindly(program: Program, node: cst.CSTNode, model: Variable | None = None) -> bool:
    """Whether a name is an argument of a function of the file that switches it before anything else.

    `model` is the variable of that name, for functions that use it as a global too.
    """
    arg = program.parent.get(node)
    call = program.parent.get(arg) if isinstance(arg, cst.Arg) else None
    function = program.function(call.func) if isinstance(call, cst.Call) else None
    if function is None or not isinstance(call, cst.Call):
        return False
    given = matched(function.params, call.args) or {}
    own = {program.variables[param.name] for param, value in given.items() if value is node}
    return bool(own) and switches_first(program, function, own | ({model} if model is not None else set()))


def switches_first(program: Program, function: cst.FunctionDef, models: set[Variable]) -> bool:
    """Whether a call of a function switches a model, known by some variables, before it does anything else with it."""
    plain = all(is_no_grad(program, decorator.decorator) for decorator in function.decorators)
    if not plain or function.asynchronous is not None or suspensions([function.body]):
        return False
    if program.parent[function] is not program.module:
        return False
    return _switch_first(program, block_lines(function.body), models) is not False


def _switch_first(program: Program, lines: Iterable[cst.CSTNode], models: set[Variable]) -> bool | None:
    """Whether some lines switch before they use a model; None if they do not use it."""
    for line in lines:
        if not _uses(program, line, models, set()):
            continue
        call = only_call(line)
        if call is not None and isinstance(call.func, cst.Attribute) and not call.args:
            named = program.variables.get(call.func.value)
            return named in models and call.func.attr.value in ("train", "eval")
        if isinstance(line, cst.With) and all(is_no_grad(program, item.item) for item in line.items):
            return _switch_first(program, block_lines(line.body), models)
        return False
    return None


def _uses(program: Program, code: cst.CSTNode, models: set[Variable], seen: set[cst.CSTNode]) -> bool:
    """Whether code, or a function of the file that it mentions, names a model."""
    for _, variable in program.used([code]):
        if variable in models:
            return True
        inner = program.definition(variable)
        if isinstance(inner, (cst.FunctionDef, cst.ClassDef)) and inner not in seen:
            seen.add(inner)
            if _uses(program, inner, models, seen):
                return True
    return False


def may_switch_back(program: Program, lines: Iterable[cst.CSTNode]) -> bool:
    """Whether code, or a function of the file that it mentions, may call a `train()`, of whatever object."""
    pending, seen = list(lines), set[cst.CSTNode]()
    while pending:
        code = pending.pop()
        if any(isinstance(node, cst.Attribute) and node.attr.value in _TRAINING for node in walk(code)):
            return True
        inner = (program.definition(variable) for _, variable in program.used([code]))
        found = {node for node in inner if isinstance(node, (cst.FunctionDef, cst.ClassDef))} - seen
        seen |= found
        pending += found
    return False


_TRAINING = ("train", "training", "apply", "modules", "children", "named_modules")
