"""Code of the script that a step of a scheduler runs: functions like those that a `LambdaLR` is given.

Lines may change places with the step if the functions only work out a number, of values that the lines leave alone.
"""

from __future__ import annotations

from collections.abc import Sequence

import libcst as cst

from refactorer.analysis.scopes import Variable
from refactorer.analysis.walk import walk
from refactorer.idioms.schedulers.rates import functions_called, is_of_library, only_computes, with_called
from refactorer.outline.outline import Outline

_LOOKING = {
    f"builtins.{name}"
    for name in ("print", "len", "str", "repr", "int", "float", "abs", "min", "max", "sum", "round", "range", "sorted")
}


def may_meet(outline: Outline, scheduler: Variable, lines: Sequence[cst.CSTNode]) -> bool:
    """Whether a step of a scheduler and some lines may notice which of them comes first."""
    program = outline.program
    read: set[Variable] = set()
    for function in functions_called(program, scheduler):
        if function is None or not only_computes(program, function):
            return True
        read |= {variable for one in with_called(program, function) for _, variable in outline.uses(one.body)}
    return any(variable in read and _may_change(outline, node) for node, variable in outline.uses(*lines))


def calls_functions(outline: Outline, scheduler: Variable) -> bool:
    """Whether a step of the scheduler runs functions of the script, which may print or draw.

    Those that only compute a rate of what the training leaves alone do not count.
    """
    program = outline.program
    if may_meet(outline, scheduler, [line for body in outline.hooks.values() for line in body]):
        return True
    functions = (function for function in functions_called(program, scheduler) if function is not None)
    bodies = [one.body for function in functions for one in with_called(program, function)]
    return not all(is_of_library(program, node) for node in walk(*bodies) if isinstance(node, cst.Attribute))


def _may_change(outline: Outline, node: cst.CSTNode) -> bool:
    """Whether a name is bound here, or what it means may be changed: not by `print(args.lr)`."""
    program = outline.program
    part, parent = node, program.parent.get(node)
    while isinstance(parent, (cst.Attribute, cst.Subscript)) and parent.value is part:
        part, parent = parent, program.parent.get(parent)
    if isinstance(parent, cst.Arg):
        call = program.parent.get(parent)
        return not (isinstance(call, cst.Call) and program.qualified_name(call.func) in _LOOKING)
    if isinstance(parent, cst.Call):
        return part is not node
    return program.access(node) != "read" or isinstance(parent, (cst.AssignTarget, cst.AugAssign, cst.AnnAssign))
