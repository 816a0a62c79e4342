"""What a loop over batches iterates over."""

from __future__ import annotations

from dataclasses import dataclass

import libcst as cst

from refactorer.analysis.program import Program
from refactorer.outline.training.anchors import Loop
from refactorer.outline.training.site import Site

ROUND = "one_round_"
"""What a loop binds that the conversion has put around an evaluation of everything at once: to None, its only item."""


@dataclass
class BatchSource:
    """What a loop over batches iterates over: `iterable` yields batches; `target` receives each one.

    `index` is the target of an `enumerate` and `start` its first value. A `while`, and an epoch that is one batch, have
    neither iterable nor target.
    """

    loop: Loop
    iterable: cst.BaseExpression | None
    target: cst.BaseExpression | None
    index: cst.BaseExpression | None = None
    start: int = 0


def batch_source(program: Program, site: Site) -> BatchSource:
    """What the loop over the batches of a site iterates over."""
    loop = site.batch_loop
    if site.form == "whole" or isinstance(loop, cst.While):
        return BatchSource(loop, None, None)
    return source_of(program, loop)


def is_round(loop: Loop) -> bool:
    """Whether the conversion has put a loop around an evaluation of everything at once."""
    named = isinstance(loop, cst.For) and isinstance(loop.target, cst.Name) and loop.target.value == ROUND
    return named and isinstance(loop, cst.For) and isinstance(loop.iter, cst.List) and len(loop.iter.elements) == 1


def source_of(program: Program, loop: cst.For) -> BatchSource:
    """Takes `enumerate` and `iter` off the iterable of a loop over batches: `for` asks for an iterator itself."""
    if is_round(loop):
        return BatchSource(loop, loop.iter, None)
    return source_over(program, loop, loop.iter)


def source_over(program: Program, loop: cst.For, call: cst.BaseExpression) -> BatchSource:
    """The same for a loop that iterates over something else than its header says."""
    source = _counted(program, loop, call)
    iterable = source.iterable
    asks = isinstance(iterable, cst.Call) and program.qualified_name(iterable.func) == "builtins.iter"
    if asks and len(iterable.args) == 1 and not iterable.args[0].star:  # type: ignore[union-attr]
        source.iterable = iterable.args[0].value  # type: ignore[union-attr]
    if isinstance(source.iterable, cst.GeneratorExp) and not source.iterable.lpar:  # it shared those of the call
        source.iterable = source.iterable.with_changes(lpar=[cst.LeftParen()], rpar=[cst.RightParen()])
    return source


def _counted(program: Program, loop: cst.For, call: cst.BaseExpression) -> BatchSource:
    """What a loop goes through, without the `enumerate` that counts it."""
    pair = loop.target
    if (
        isinstance(call, cst.Call)
        and program.qualified_name(call.func) == "builtins.enumerate"
        and isinstance(pair, cst.Tuple)
        and len(pair.elements) == 2
        and isinstance(pair.elements[0].value, cst.Name)
        and not any(arg.star for arg in call.args)
    ):
        rest = call.args[1:]
        if not rest:
            return BatchSource(loop, call.args[0].value, pair.elements[1].value, pair.elements[0].value)
        if len(rest) == 1 and isinstance(rest[0].value, cst.Integer):
            start = rest[0].value.evaluated_value
            return BatchSource(loop, call.args[0].value, pair.elements[1].value, pair.elements[0].value, start)
    return BatchSource(loop, call, loop.target)
