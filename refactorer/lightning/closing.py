"""Generators that do something when they are closed: an exception in a loop does that at once, but Lightning holds on.

Lightning keeps the iterator of a training that fails, with its Trainer.
"""

from __future__ import annotations

import libcst as cst

from refactorer.analysis.program import Program
from refactorer.lightning.plan import Plan
from refactorer.lightning.traps import Found

_ENDS = ("builtins.GeneratorExit", "builtins.BaseException")


def find_closing(plan: Plan) -> Found | None:
    """A generator of the file with code for its end, or an object with code for its own."""
    program = plan.program
    for node in program.find(cst.Yield):
        function = program.enclosing_function(node)
        around = [outer for outer in program.ancestors(node) if function is None or program.contains(function, outer)]
        if any(_runs_at_end(program, outer) for outer in around):
            return Found(node, "a generator does something when it is closed")
    for function in program.find(cst.FunctionDef):
        if function.name.value == "__del__":
            return Found(function, "an object does something when it is deleted")
    return None


def _runs_at_end(program: Program, outer: cst.CSTNode) -> bool:
    """Whether a block around a `yield` runs code of the script where the generator is closed; `open` only closes."""
    if isinstance(outer, cst.With):
        opened = [item.item.func if isinstance(item.item, cst.Call) else None for item in outer.items]
        return any(program.qualified_name(func) != "builtins.open" for func in opened)
    if not isinstance(outer, cst.Try):
        return False
    types = [handler.type for handler in outer.handlers]
    caught = any(kind is None or program.qualified_name(kind) in _ENDS for kind in types)
    return outer.finalbody is not None or caught
