"""Batches that a call makes for one round: `for x, y in meters.log_every(val_loader, 20):`."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from refactorer.analysis.program import Program
from refactorer.analysis.walk import walk
from refactorer.outline.control import suspensions

OF_A_CALL = "it iterates over the result of a call"
_COUNTING = ("builtins.range", "builtins.reversed", "builtins.sorted", "builtins.len")
_DATA = ("loader", "dataset")
_NO_PARTS = (cst.Lambda, cst.BaseComp, cst.NamedExpr, cst.Await, cst.Yield)


def is_made(program: Program, iterable: cst.BaseExpression | None) -> bool:
    """Whether a call, other than a progress bar's, makes batches: as it is named, of what is named like a loader."""
    if not isinstance(iterable, cst.Call) or any(isinstance(part, _NO_PARTS) for part in walk(iterable)):
        return False
    calls = list(_calls(iterable))
    names = [program.qualified_name(call.func) or "" for call in calls]
    if names[0].startswith("tqdm.") or any(name in _COUNTING for name in names):
        return False
    if any(_makes_batches(program, call) for call in calls):
        return True
    given = [cst.Module([]).code_for_node(arg.value).lower() for call in calls for arg in call.args]
    return any(any(word in name for word in _DATA) or name.endswith("_iter") for name in given if "(" not in name)


def _makes_batches(program: Program, call: cst.Call) -> bool:
    """Whether a call begins a generator of the file, or is named for batches: `iterate_minibatches(x, y, 32)`."""
    function = program.function(call.func)
    if function is not None:
        return bool(suspensions(function.body.body)) and function.asynchronous is None
    name = call.func.attr if isinstance(call.func, cst.Attribute) else call.func
    return isinstance(name, cst.Name) and "batch" in name.value.lower()


def _calls(call: cst.Call) -> Iterator[cst.Call]:
    """A call, and those among its arguments."""
    yield call
    for arg in call.args:
        if isinstance(arg.value, cst.Call):
            yield from _calls(arg.value)
