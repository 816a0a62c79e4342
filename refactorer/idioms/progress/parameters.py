"""Parameters whose name a progress bar takes: `loader = tqdm(loader)`."""

from __future__ import annotations

import libcst as cst

from refactorer.analysis.scopes import Variable
from refactorer.idioms.progress.bars import Bar
from refactorer.outline.functions.arguments import arguments
from refactorer.outline.functions.inline import changes
from refactorer.outline.outline import Outline

Entered = tuple[cst.FunctionDef, cst.Call]


def takes_parameter(outline: Outline, bar: Bar) -> bool:
    """Whether a bar has the name of a parameter."""
    writes = bar.variable.writes if bar.variable is not None else []
    return any(isinstance(outline.program.parent.get(seen.node), cst.Param) for seen in writes)


def lent_to(outline: Outline, bar: Bar, function: cst.FunctionDef, call: cst.Call) -> tuple[cst.Name, Variable] | None:
    """The parameter that a bar takes the name of, and the caller's variable that it is given."""
    if bar.variable is None:
        return None
    program = outline.program
    taken = {id(node) for node in bar.uses}
    others = [seen for seen in bar.variable.writes if id(seen.node) not in taken]
    parameter = program.parent.get(others[0].node) if len(others) == 1 else None
    if not isinstance(parameter, cst.Param):
        return None
    value = arguments(program, function, call, True).get(parameter)
    if not isinstance(value, cst.Name) or value not in program.variables:
        return None
    if changes(program, value, outline.site.epoch_loop, function, outline.bindings):
        return None
    return parameter.name, outline.bindings.canonical(program.variables[value])
