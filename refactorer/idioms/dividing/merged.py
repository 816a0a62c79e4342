"""Parts that one function alone calls, as the last thing that it does: they become the end of that function.

    def validate(loader, model):
        model.eval()
        return evaluate_forward(loader, model)  # the lines of evaluate_forward()

The function hands on its own variables by the names that the part has for them, so no line of the part changes.
"""

from __future__ import annotations

from collections.abc import Iterable

import libcst as cst

from refactorer.analysis.program import Program
from refactorer.analysis.scopes import Variable
from refactorer.emit.edits import Edit, apply
from refactorer.outline.blocks import block_lines, is_docstring
from refactorer.outline.classes import class_of_method
from refactorer.outline.comments import comments_of, footer_of, with_comments
from refactorer.outline.control import suspensions
from refactorer.outline.functions.arguments import args_with_object, is_constant, matched
from refactorer.outline.training.anchors import only_call_of

_NESTED = (cst.FunctionDef, cst.ClassDef, cst.Lambda, cst.Global, cst.Nonlocal)


def merged(module: cst.Module, parts: Iterable[str]) -> tuple[cst.Module, dict[str, str]]:
    """The file with such parts in the functions that call them, and the function that each of these is in."""
    taken: dict[str, str] = {}
    for name in parts:
        program = Program(cst.parse_module(module.code))
        part = next((node for node in program.find(cst.FunctionDef) if node.name.value == name), None)
        call = only_call_of(program, part) if part is not None else None
        around = program.enclosing_function(call) if call is not None else None
        if part is None or call is None or around is None or not _can_take(program, around, part, call):
            continue
        line = program.statement(call)
        first, *rest = block_lines(part.body)
        first = with_comments(first, [*comments_of(part), *comments_of(line)])
        edits: dict[cst.CSTNode, Edit] = {line: [first, *rest], part: None}
        module = apply(program.module, edits)
        taken[name] = around.name.value
    return module, taken


def _can_take(program: Program, around: cst.FunctionDef, part: cst.FunctionDef, call: cst.Call) -> bool:
    """Whether a function ends with `return part(...)`, and the lines of the part mean the same there."""
    line = program.statement(call)
    small = line.body[0] if isinstance(line, cst.SimpleStatementLine) and len(line.body) == 1 else None
    if not isinstance(small, cst.Return) or small.value is not call or around.body.body[-1] is not line:
        return False
    beside = program.parent[around] is program.parent[part] and around is not part
    if not beside or around.asynchronous is not None or suspensions(around.body.body):
        return False
    if any(program.find(_NESTED, body) for body in (around.body, part.body)):
        return False
    if footer_of(part) or is_docstring(block_lines(part.body)[0]):
        return False
    shared = _shared(program, around, part, call)
    return shared is not None and not _collide(program, around, part, shared)


def _shared(
    program: Program, around: cst.FunctionDef, part: cst.FunctionDef, call: cst.Call
) -> set[str] | None:  # fmt: skip
    """The names that both functions have for the same; None if the call hands on something by another name."""
    if class_of_method(program, part) is not None and not isinstance(call.func, cst.Attribute):
        return None
    given = matched(part.params, args_with_object(program, part, call))
    if given is None:
        return None
    shared: set[str] = set()
    for parameter in (*part.params.posonly_params, *part.params.params, *part.params.kwonly_params):
        value = given.get(parameter)
        variable = program.variables[parameter.name]
        own = program.variables.get(value) if isinstance(value, cst.Name) else None
        if own is not None and own.name == variable.name and _is_parameter(program, around, own):
            shared.add(own.name)
        elif variable.reads or (value is not None and not is_constant(value)):
            return None
    return shared


def _is_parameter(program: Program, function: cst.FunctionDef, variable: Variable) -> bool:
    return variable.owner is program.scope[function] and any(
        isinstance(program.parent.get(seen.node), cst.Param) for seen in variable.writes
    )


def _collide(program: Program, around: cst.FunctionDef, part: cst.FunctionDef, shared: set[str]) -> bool:
    """Whether a name of one function would mean something else in the other."""
    own, other = _names(program, around), _names(program, part)
    mixed = {name for name in own.keys() & other.keys() if own[name] is not other[name]}
    return bool(mixed - shared)


def _names(program: Program, function: cst.FunctionDef) -> dict[str, Variable]:
    """The variables that a function mentions or has, by name."""
    scope = program.scope[function]
    return {**{variable.name: variable for _, variable in program.used([function.body])}, **scope.variables}
