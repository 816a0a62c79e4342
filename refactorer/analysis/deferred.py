"""Code that may run later than its line: what functions, lambdas and generators do when they are called or asked."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from refactorer.analysis.program import Program
from refactorer.analysis.walk import walk

_EXHAUST = {
    f"builtins.{name}"
    for name in ("sum", "any", "all", "min", "max", "list", "tuple", "set", "frozenset", "dict", "sorted")
}
_LAZY = {f"builtins.{name}" for name in ("map", "filter", "zip", "enumerate")}
_STRINGS = (cst.SimpleString, cst.FormattedString, cst.ConcatenatedString)


def deferred(program: Program, *nodes: cst.CSTNode) -> Iterator[cst.CSTNode]:
    """The parts that may run behind the line that they stand in; what the line runs to its end is none."""
    for node in walk(*nodes):
        is_function = isinstance(node, (cst.FunctionDef, cst.ClassDef))
        if is_function or (isinstance(node, cst.Lambda) and not _is_called_at_once(program, node)):
            yield node.body  # type: ignore[attr-defined]
        elif isinstance(node, cst.GeneratorExp) and not _is_exhausted(program, node):
            yield from _asked_later(node)


def _asked_later(generator: cst.GeneratorExp) -> list[cst.CSTNode]:
    """The parts of a generator but its first iterable, which Python evaluates where the generator stands."""
    loop = generator.for_in
    inner = [loop.inner_for_in] if loop.inner_for_in is not None else []
    return [generator.elt, loop.target, *loop.ifs, *inner]


def _is_exhausted(program: Program, node: cst.CSTNode) -> bool:
    """Whether the call that a generator, or a `map()`, is an argument of runs it to its end, and keeps nothing."""
    argument, call = _argument_of(program, node)
    if argument is None or call is None or argument.keyword is not None or argument.star == "**":
        return False
    if argument.star == "*":
        return True
    if isinstance(call.func, cst.Attribute):
        return isinstance(call.func.value, _STRINGS) and call.func.attr.value == "join"
    name = program.qualified_name(call.func)
    if name in _LAZY:
        return _is_exhausted(program, call)
    return name in _EXHAUST and call.args[0] is argument


def _is_called_at_once(program: Program, function: cst.Lambda) -> bool:
    """Whether a lambda is the `key` of a call that sorts or chooses, or what an exhausted `map()` calls."""
    argument, call = _argument_of(program, function)
    if argument is None or call is None:
        return False
    name = program.qualified_name(call.func)
    if argument.keyword is not None:
        return argument.keyword.value == "key" and name in _EXHAUST
    calls = name in ("builtins.map", "builtins.filter") and call.args[0] is argument
    return calls and not argument.star and _is_exhausted(program, call)


def _argument_of(program: Program, node: cst.CSTNode) -> tuple[cst.Arg | None, cst.Call | None]:
    argument = program.parent.get(node)
    call = program.parent.get(argument) if isinstance(argument, cst.Arg) else None
    return (argument, call) if isinstance(argument, cst.Arg) and isinstance(call, cst.Call) else (None, None)
