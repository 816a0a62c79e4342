"""Uses of a model, or of what it was made of, in front of the training that only ask something: `if args.resume:`."""

from __future__ import annotations

import libcst as cst

from refactorer.analysis.parsed_arguments import is_stored
from refactorer.analysis.program import Program
from refactorer.idioms.configure.items import looks_items_up
from refactorer.outline.may_run import is_called
from refactorer.outline.worked_out import computes, operators_look_up

_TESTS = (cst.If, cst.While, cst.IfExp, cst.Assert)
_TELLING = (cst.Comparison, cst.ComparisonTarget, cst.FormattedStringExpression)
_MODULES = ("os.", "math.", "logging.", "time.")
_FUNCTIONS = {f"builtins.{name}" for name in ("print", "len", "str", "repr", "range", "bool")}
_MAKING = {
    f"torch.{name}" for name in ("ones", "zeros", "rand", "randn", "empty", "arange", "manual_seed", "device")
}  # fmt: skip


def is_only_asked(program: Program, node: cst.CSTNode) -> bool:
    """Whether a use of a name, or of what it holds, keeps nothing of it and hands nothing of it to other code."""
    place = node
    while isinstance(program.parent.get(place), (cst.Attribute, cst.Subscript)):
        place = program.parent[place]
        if isinstance(place, cst.Attribute) and computes(program, place.attr.value):
            return False
    if is_called(program, place) or is_stored(program, place):
        return False
    return looks_items_up(program) and (place is not node or operators_look_up(program)) and _tells(program, place)


def _tells(program: Program, node: cst.CSTNode) -> bool:
    """Whether the code around an expression only computes a truth, a text or a tensor of some size from it."""
    parent = program.parent[node]
    while isinstance(parent, cst.BooleanOperation):
        node, parent = parent, program.parent[parent]
    if isinstance(parent, _TESTS):
        return parent.test is node
    if isinstance(parent, cst.UnaryOperation):
        return isinstance(parent.operator, cst.Not)
    if isinstance(parent, cst.BinaryOperation):
        return any(isinstance(part, cst.BaseString) for part in (parent.left, parent.right))
    call = program.parent.get(parent) if isinstance(parent, cst.Arg) else None
    return _is_told(program, call) if isinstance(call, cst.Call) else isinstance(parent, _TELLING)


def _is_told(program: Program, call: cst.Call) -> bool:
    """Whether a call only shows what it is given, or makes something of that size."""
    method = call.func if isinstance(call.func, cst.Attribute) else None
    if method is not None and method.attr.value == "format" and isinstance(method.value, cst.BaseString):
        return True
    name = program.qualified_name(call.func) or ""
    return name in _FUNCTIONS or name in _MAKING or name.startswith(_MODULES)
