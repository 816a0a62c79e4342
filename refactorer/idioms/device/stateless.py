"""Moves of losses that hold no tensors, which do nothing: `nn.CrossEntropyLoss().cuda()` needs no CUDA."""

from __future__ import annotations

import libcst as cst

from refactorer.analysis.program import Program
from refactorer.outline.objects.torch_names import names_stateless_class, unmoved

_HELD = ("weight", "pos_weight")


def moves_nothing(program: Program, call: cst.Call) -> bool:
    """Whether a call surely moves a loss of torch without weights."""
    moved = unmoved(call)
    variable = program.variables.get(moved)
    if variable is None:
        return holds_nothing(program, moved)
    values = [program.bound_to(seen.node) for seen in variable.writes]
    made = [None if value is None else unmoved(value) for value in values]
    others = [value for value in made if value is None or program.variables.get(value) is not variable]
    return bool(others) and all(value is not None and holds_nothing(program, value) for value in others)


def holds_nothing(program: Program, made: cst.CSTNode) -> bool:
    """Whether an expression makes a loss of torch without weights."""
    if not isinstance(made, cst.Call) or not names_stateless_class(program.qualified_name(made.func)):
        return False
    return all(arg.keyword is not None and arg.keyword.value not in _HELD for arg in made.args)
