"""Ways out of a training: Lightning has none that ends an epoch, or the training, on the spot."""

from __future__ import annotations

import libcst as cst

from refactorer.analysis.walk import walk
from refactorer.lightning.plan import Plan
from refactorer.lightning.traps import Found
from refactorer.outline.control import loop_jumps, returns
from refactorer.outline.outline import BATCH_END, EPOCH_END, EPOCH_START, STEP, VALIDATION_END, Outline
from refactorer.outline.refusal import PlainerView

_CTRL_C = ("builtins.KeyboardInterrupt", "builtins.BaseException", "signal")


def find_break(plan: Plan) -> Found | None:
    """`break` in the loop over the batches."""
    for hook in plan.outline.hooks:
        if plan.own_calls(hook, "stop_epoch"):
            jumps = [j for j in loop_jumps(plan.outline.site.batch_loop.body.body) if isinstance(j, cst.Break)]
            node = jumps[0] if jumps else plan.outline.site.batch_loop
            return Found(node, "`break` leaves the loop over the batches")
    return None


def require_whole_epochs(outline: Outline) -> None:
    """Lightning trains every epoch that it begins.

    Raises:
        PlainerView: an epoch may be left before its batches.
    """
    jumps = loop_jumps(outline.hooks.get(EPOCH_START, []))
    if jumps:
        raise PlainerView(jumps[0], "the epoch is left or skipped before its batches")


def find_stop(plan: Plan) -> Found | None:
    """`break` and `return` that leave the loop over the epochs while there is something left of the epoch."""
    hooks = [hook for hook in plan.outline.hooks if plan.own_calls(hook, "stop_training")]
    last = next((h for h in (EPOCH_END, VALIDATION_END, BATCH_END, STEP) if plan.lines(h)), STEP)
    evaluated = plan.outline.evaluation is not None and last in (BATCH_END, STEP)
    ends = last not in (BATCH_END, STEP) or plan.outline.site.form == "whole"
    if not hooks or (hooks == [last] and ends and not evaluated and not plan.configuration.stepped):
        return None
    left = [*returns(plan.outline.site.epoch_loop.body.body), plan.loop]
    return Found(left[0], "the training is left before the end of an epoch")


def find_stop_iteration(plan: Plan) -> Found | None:
    """`next()` that may run out inside a hook."""
    for node in plan.named("builtins.StopIteration"):
        return Found(node, "StopIteration is raised or caught")
    for call in plan.program.calls:
        if plan.program.qualified_name(call.func) != "builtins.next" or len(call.args) != 1:
            continue
        function = plan.program.enclosing_function(call)
        outside = function is plan.program.enclosing_function(plan.loop)
        if not (outside and not plan.program.contains(plan.loop, call)) and not _asks_parameters(call):
            return Found(call, "next() may run out of items")
    return None


def _asks_parameters(call: cst.Call) -> bool:
    """`next(model.parameters())`, which asks for the device."""
    inner = call.args[0].value
    func = inner.func if isinstance(inner, cst.Call) else None
    return isinstance(func, cst.Attribute) and func.attr.value == "parameters"


def find_ctrl_c(plan: Plan) -> Found | None:
    """Code that handles Ctrl-C, signals, or whatever else ends a program."""
    for handler in plan.program.find(cst.ExceptHandler):
        if handler.type is None:
            return Found(handler, "a bare `except` catches Ctrl-C too")
        if any(plan.program.qualified_name(name) == "builtins.SystemExit" for name in walk(handler.type)):
            return Found(handler, "the script catches SystemExit")
    for node in plan.named(*_CTRL_C):
        return Found(node, "the script handles Ctrl-C or signals itself")
    return None
