"""Phases: `for phase in ['train', 'val']:` around the batches is written out, one copy of its body for each phase.

A copy without `backward()` is an evaluation like any other. Whether the written-out form makes a better module is for
the caller to see; it does the same as the loop in any case.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import libcst as cst

from refactorer.analysis.deferred import deferred
from refactorer.analysis.program import Program
from refactorer.analysis.scopes import Variable
from refactorer.analysis.walk import walk
from refactorer.emit.edits import Edit, apply
from refactorer.outline.blocks import block_lines
from refactorer.outline.comments import comments_of, footer_of, with_comments
from refactorer.outline.control import loop_jumps
from refactorer.outline.training.anchors import Loop, backward_calls, loops_around, only_call_of
from refactorer.outline.training.known_values import Value, constant, value_of
from refactorer.outline.training.specialise import CannotSpecialise, specialise

_GRADIENTS = ("grad", "_grad")


def written_out(
    program: Program, loops: Iterable[Loop] | None = None, learns: Callable[[list[cst.CSTNode]], bool] | None = None
) -> str | None:
    """The text of a file with its phases written out; None if it has none, or none that can be.

    `loops` are those that may go through phases: without them, those around the gradients. `learns` says of some lines
    whether they compute gradients; without it, they do if they say `backward()`.
    """
    if loops is None:
        loops = dict.fromkeys(loop for call in backward_calls(program) for loop in loops_around(program, call))
    edits: dict[cst.CSTNode, Edit] = {}
    for loop in loops:
        lines = _written_out(program, loop, learns or _learns) if isinstance(loop, cst.For) else None
        if lines is not None:
            edits[loop] = lines
    return apply(program.module, edits).code if edits else None


def _written_out(
    program: Program, loop: cst.For, learns: Callable[[list[cst.CSTNode]], bool]
) -> list[cst.CSTNode] | None:
    """The copies of the body of a loop over phases."""
    variable = program.variables.get(loop.target)
    values = _phases(loop.iter)
    if variable is None or not values or not _is_in_epoch(program, loop) or not _is_plain(program, loop, variable):
        return None
    body = block_lines(loop.body)
    try:
        copies = [specialise(program, body, {variable: value}) for value in values]
    except CannotSpecialise:
        return None
    learning = [copy for copy in copies if learns(copy)]
    if len(learning) != 1:
        return None
    if _clears_first(learning[0]) and _only_steps_see(program, loop, copies, learning[0]):
        copies = [copy if copy in learning else _without_clearing(copy) for copy in copies]
    above = [line for line in loop.leading_lines if line.comment is None][:1]
    lines = [with_comments(_close(copies[0][0]), [*above, *comments_of(loop)]), *copies[0][1:]]
    for copy in copies[1:]:
        lines += [with_comments(_close(copy[0]), [cst.EmptyLine(indent=False)]), *copy[1:]]
    footer = footer_of(loop)
    return [*lines[:-1], with_comments(lines[-1], footer)] if footer else lines


def _close(line: cst.CSTNode) -> cst.CSTNode:
    """A statement without the blank lines above it and its comments."""
    above = list(getattr(line, "leading_lines", ()))
    while above and above[0].comment is None:
        above.pop(0)
    return line.with_changes(leading_lines=above)


def _is_in_epoch(program: Program, loop: cst.For) -> bool:
    """Whether a loop is run again and again: by another one around it, or around the only call of its function."""
    if loops_around(program, loop):
        return True
    function = program.enclosing_function(loop)
    call = only_call_of(program, function) if function is not None else None
    return call is not None and bool(loops_around(program, call))


def _phases(iterable: cst.BaseExpression) -> list[Value] | None:
    """The names in `['train', 'val']`, or `[True, False]`."""
    if not isinstance(iterable, (cst.List, cst.Tuple)) or len(iterable.elements) < 2:
        return None
    found = [constant(element.value) for element in iterable.elements]
    plain = [value for value in found if isinstance(value, cst.SimpleString) and value.raw_value.isalnum()]
    flags = [value for value in found if isinstance(value, cst.Name) and value.value != "None"]
    distinct = len({value_of(value) for value in found if value is not None}) == len(found)
    return [*plain, *flags] if distinct and len(found) in (len(plain), len(flags)) else None


def _is_plain(program: Program, loop: cst.For, variable: Variable) -> bool:
    """Whether the loop runs through all its phases, and only its body, which does not keep it, reads the variable."""
    if loop.orelse is not None or loop_jumps(loop.body.body) or any(deferred(program, loop)):
        return False
    inside = all(program.contains(loop, seen.node) for seen in variable.occurrences)
    return inside and len(variable.writes) == 1 and variable.writes[0].scope.function is variable.owner


def _learns(lines: list[cst.CSTNode]) -> bool:
    return any(_is_call_of(node, "backward") for node in walk(*lines))


def _is_call_of(node: cst.CSTNode, method: str) -> bool:
    return isinstance(node, cst.Call) and isinstance(node.func, cst.Attribute) and node.func.attr.value == method


def _clears_first(lines: list[cst.CSTNode]) -> bool:
    """Whether the loop over the batches clears the gradients, on a line of its own, before it computes new ones."""
    for loop in walk(*lines):
        if isinstance(loop, cst.For) and _learns(block_lines(loop.body)):
            body = block_lines(loop.body)
            cleared = next((i for i, line in enumerate(body) if _is_clearing(line)), None)
            learns = next(i for i, line in enumerate(body) if _learns([line]))
            return cleared is not None and cleared < learns
    return False


def _only_steps_see(
    program: Program, loop: cst.For, copies: list[list[cst.CSTNode]], learning: list[cst.CSTNode]
) -> bool:
    """Whether nothing but the training steps can tell whether gradients are cleared in the other phases too."""
    named = any(string.raw_value in _GRADIENTS for string in program.find(cst.SimpleString))
    attributes = [node for node in program.find(cst.Attribute) if node.attr.value in (*_GRADIENTS, "zero_grad")]
    kept = all(isinstance(call := program.parent.get(node), cst.Call) and call.func is node for node in attributes)
    own = any(function.name.value == "zero_grad" for function in program.find(cst.FunctionDef))
    if named or own or not kept:
        return False
    steps = [found for found in walk(*learning) if isinstance(found, cst.For) and _learns([found])]
    beside = sum(_norms([node]) for node in program.calls if not program.contains(loop, node))
    other = sum(_norms(walk(*copy)) for copy in copies if copy is not learning)
    return not (beside or other) and _norms(walk(*learning)) == _norms(dict.fromkeys(walk(*steps)))


def _norms(nodes: Iterable[cst.CSTNode]) -> int:
    """How many of some nodes are calls that look at gradients, as `clip_grad_norm_` does."""
    funcs = [node.func for node in nodes if isinstance(node, cst.Call)]
    names = [func.attr if isinstance(func, cst.Attribute) else func for func in funcs]
    return sum(isinstance(name, cst.Name) and "clip_grad" in name.value for name in names)


def _is_clearing(line: cst.CSTNode) -> bool:
    small = line.body[0] if isinstance(line, cst.SimpleStatementLine) and len(line.body) == 1 else None
    return isinstance(small, cst.Expr) and _is_call_of(small.value, "zero_grad") and not small.value.args  # type: ignore[attr-defined]


def _without_clearing(lines: list[cst.CSTNode]) -> list[cst.CSTNode]:
    """The copy of a phase that computes no gradients needs none cleared: the next step does that."""
    found = {line: None for line in walk(*lines) if _is_clearing(line)}
    return list(apply(cst.IndentedBlock(lines), found).body)  # type: ignore[arg-type]
