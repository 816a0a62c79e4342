"""Evaluations of everything at once, without a loader: a loop of one round makes them like all others.

    model.eval()
    with torch.no_grad():
        for one_round_ in [None]:  # new, for the conversion only
            right = (model(x).argmax(1) == y).sum()
    return right.item()

Such a loop changes nothing if no statement in it leaves it. A text that has it is converted like any other, and given
up if the loop is left over.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import libcst as cst

from refactorer.analysis.program import Program
from refactorer.analysis.walk import walk
from refactorer.emit.edits import Edit, apply
from refactorer.idioms.evaluation.copies import places, renewed
from refactorer.idioms.evaluation.parts import is_no_grad, is_switched, likeness
from refactorer.idioms.shapes import only_call
from refactorer.outline.batches import ROUND
from refactorer.outline.blocks import block_lines, is_docstring
from refactorer.outline.control import loop_jumps, returns, suspensions
from refactorer.outline.training.anchors import uses_of
from refactorer.outline.training.site import Site


def with_rounds(program: Program, site: Site) -> Iterator[tuple[cst.Module, dict[str, cst.FunctionDef]]]:
    """Files in which an evaluation of a full-batch training has its loop, and what the copies in them are of."""
    if not site.moves_evaluations or site.form != "whole" or _is_taken(program):
        return
    calls = [call for block in places(program, site)[0] for call in _calls(program, site, block)]
    for call in sorted(calls, key=lambda call: likeness(*call.args))[:1]:
        function = program.function(call.func)
        assert function is not None
        edits: dict[cst.CSTNode, Edit] = {function: _wrapped(program, function)}
        yield renewed(program, [call], edits)
        return
    for block in places(program, site)[0][:1]:
        for i, line in enumerate(block):
            silent = isinstance(line, cst.With) and _is_quiet(program, line) and is_switched(block[:i])
            body = line.body.body if silent else ()  # type: ignore[attr-defined]
            if isinstance(line, cst.With) and body and _can_be_wrapped(body):
                yield apply(program.module, {line.body: line.body.with_changes(body=[_loop(body)])}), {}
                return


def _is_taken(program: Program) -> bool:
    return any(variable.name.startswith(ROUND) for variable in program.variables.values())


def _calls(program: Program, site: Site, block: Sequence[cst.CSTNode]) -> Iterator[cst.Call]:
    """Calls, in statements of their own, of functions of the file that evaluate without a loop."""
    for line in block:
        if not isinstance(line, cst.SimpleStatementLine):
            continue
        for call in walk(line):
            function = program.function(call.func) if isinstance(call, cst.Call) else None
            if function is None or function in (*site.functions, *site.helpers) or function.asynchronous is not None:
                continue
            own = any(program.contains(function, use) for use in uses_of(program, function))
            if program.parent[function] is program.module and not own and _wrapped(program, function) is not function:
                assert isinstance(call, cst.Call)
                yield call


def _wrapped(program: Program, function: cst.FunctionDef) -> cst.FunctionDef:
    """The function with a loop around what it computes in evaluation mode, or without gradients; else as it is."""
    lines = block_lines(function.body)
    if suspensions(lines):
        return function
    quiet = any(is_no_grad(program, decorator.decorator) for decorator in function.decorators)
    at = next((i for i, n in enumerate(lines) if isinstance(n, cst.With) and _is_quiet(program, n)), None)
    if at is not None and not quiet:
        block = lines[at]
        assert isinstance(block, cst.With)
        inner, last = _without_return(block_lines(block.body))
        if not _can_be_wrapped(inner):
            return function
        body = block.body.with_changes(body=[_loop(inner), *last])
        return function.with_changes(
            body=function.body.with_changes(body=[*lines[:at], block.with_changes(body=body), *lines[at + 1 :]])
        )
    inner, last = _without_return(lines)
    if not inner:
        return function
    first = next((i + 1 for i, line in enumerate(inner) if _switches(line)), 1 if is_docstring(inner[0]) else 0)
    if not (quiet or any(map(_switches, inner))) or not _can_be_wrapped(inner[first:]):
        return function
    return function.with_changes(body=function.body.with_changes(body=[*inner[:first], _loop(inner[first:]), *last]))


def _without_return(lines: Sequence[cst.CSTNode]) -> tuple[list[cst.CSTNode], list[cst.CSTNode]]:
    """The lines, and the `return` at their end."""
    last = lines[-1] if lines else None
    ends = isinstance(last, cst.SimpleStatementLine) and isinstance(last.body[0], cst.Return)
    return (list(lines[:-1]), [lines[-1]]) if ends else (list(lines), [])


def _can_be_wrapped(lines: Sequence[cst.CSTNode]) -> bool:
    return bool(lines) and not loop_jumps(lines) and not returns(lines) and not suspensions(lines)


def _loop(lines: Sequence[cst.CSTNode]) -> cst.For:
    """The loop of one round around some lines."""
    once = cst.List([cst.Element(cst.Name("None"))])
    return cst.For(cst.Name(ROUND), once, cst.IndentedBlock(list(lines)))  # type: ignore[arg-type]


def _switches(line: cst.CSTNode) -> bool:
    """Whether a line is `model.eval()`."""
    call = only_call(line)
    named = call is not None and isinstance(call.func, cst.Attribute) and call.func.attr.value == "eval"
    return named and call is not None and not call.args


def _is_quiet(program: Program, block: cst.With) -> bool:
    return len(block.items) == 1 and block.items[0].asname is None and is_no_grad(program, block.items[0].item)
