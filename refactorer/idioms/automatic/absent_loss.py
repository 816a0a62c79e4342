"""Losses that may be None, on which `backward()` fails: a step that leaves batches out would leave these out too."""

from __future__ import annotations

from collections.abc import Sequence

import libcst as cst

from refactorer.analysis.program import Program
from refactorer.analysis.scopes import Variable
from refactorer.analysis.walk import walk
from refactorer.idioms.shapes import is_none
from refactorer.outline.classes import methods_of
from refactorer.outline.control import loop_jumps, may_reach_end, returns, suspensions
from refactorer.outline.may_run import methods_called
from refactorer.outline.outline import Outline


def may_be_absent(outline: Outline, lines: Sequence[cst.CSTNode], loss: cst.BaseExpression) -> bool:
    """Whether some lines may leave a batch, and may as well make its loss None without asking for that."""
    variable = outline.variable(loss)
    if variable is None or not loop_jumps(lines):
        return False
    asked = any(_asks_for_none(outline, node, variable) for node in walk(*lines))
    bound = [i for i, line in enumerate(lines) if _binds_at_once(outline, line, variable)]
    last = lines[bound[-1] if bound else 0 :]
    return not asked and any(_may_make_none(outline, node, variable) for node in walk(*last))


def _asks_for_none(outline: Outline, node: cst.CSTNode, variable: Variable) -> bool:
    """Whether a condition asks whether a variable is there."""
    asked = node.test if isinstance(node, (cst.If, cst.IfExp, cst.Assert)) else None
    return asked is not None and any(used is variable for _, used in outline.uses(asked))


def _binds_at_once(outline: Outline, line: cst.CSTNode, variable: Variable) -> bool:
    """Whether a line is `variable = value`, whatever stood there before."""
    small = line.body[0] if isinstance(line, cst.SimpleStatementLine) else None
    return isinstance(small, cst.Assign) and any(outline.variable(one.target) is variable for one in small.targets)


def _may_make_none(outline: Outline, node: cst.CSTNode, variable: Variable) -> bool:
    program = outline.program
    if isinstance(node, cst.NamedExpr):
        return outline.variable(node.target) is variable and _may_be_none(program, node.value, None, set())
    if not isinstance(node, cst.Assign):
        return False
    for target in (one.target for one in node.targets):
        places = [one.value for one in target.elements] if isinstance(target, (cst.Tuple, cst.List)) else []
        if outline.variable(target) is variable and _may_be_none(program, node.value, None, set()):
            return True
        for place, part in enumerate(places):
            if outline.variable(part) is variable and _may_be_none(program, node.value, place, set()):
                return True
    return False


def _may_be_none(program: Program, value: cst.BaseExpression, place: int | None, seen: set[object]) -> bool:
    """Whether an expression says None, or calls a function that does so on some of its ways, not one `seen` before.

    With a place, this is about the element there of the tuple that the expression gives.
    """
    if isinstance(value, cst.IfExp):
        return any(_may_be_none(program, part, place, seen) for part in (value.body, value.orelse))
    if isinstance(value, cst.Tuple) and place is not None:
        return place < len(value.elements) and _may_be_none(program, value.elements[place].value, None, seen)
    if not isinstance(value, cst.Call):
        return place is None and is_none(value)
    called = [function for function in _called(program, value) if (function, place) not in seen]
    seen |= {(function, place) for function in called}
    return any(_may_give_none(program, function, place, seen) for function in called)


def _called(program: Program, call: cst.Call) -> list[cst.FunctionDef]:
    """The functions that a call may run: one of the file, methods of that name, `forward` of the class of a model."""
    function = program.function(call.func)
    if function is not None:
        return [function]
    if isinstance(call.func, cst.Attribute):
        return methods_called(program, call.func.attr.value)
    made = program.assigned_value(program.variables.get(call.func))
    kind = program.definition(program.variables.get(made.func)) if isinstance(made, cst.Call) else None
    return [one for one in methods_of(kind) if one.name.value == "forward"] if isinstance(kind, cst.ClassDef) else []


def _may_give_none(program: Program, function: cst.FunctionDef, place: int | None, seen: set[object]) -> bool:
    if function.asynchronous is not None or suspensions(function.body.body):
        return False
    ways = [way.value for way in returns(function.body.body)]
    if place is None and (_may_end_without(function.body) or None in ways):
        return True
    return any(way is not None and _may_be_none(program, way, place, seen) for way in ways)


def _may_end_without(block: cst.BaseSuite) -> bool:
    """Whether the last line of a function may be passed; a `try` is trusted to return in all its parts."""
    last = block.body[-1]
    if isinstance(last, cst.With):
        return _may_end_without(last.body)
    return not isinstance(last, cst.Try) and may_reach_end(block)
