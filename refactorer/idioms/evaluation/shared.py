"""Whether code outside the function that trains has the model too, and may see in which mode the training left it."""

from __future__ import annotations

import libcst as cst

from refactorer.analysis.program import Program
from refactorer.analysis.scopes import Variable
from refactorer.idioms.evaluation.blind import is_lent_blindly
from refactorer.outline.functions.inline import values_given
from refactorer.outline.functions.shapes_of_values import value_of
from refactorer.outline.objects.torch_names import unmoved
from refactorer.outline.training.anchors import loops_around

_DEPTH = 4
_STATE = ("state_dict", "parameters", "load_state_dict", "named_parameters", "zero_grad")
_EARLY = (*_STATE, "to", "cuda", "cpu", "train", "apply", "float", "double", "modules", "children", "named_modules")


def is_shared(program: Program, model: Variable, depth: int = 0, blindly: bool = False) -> bool:
    """Whether a model has another name whose owner does more with it than to take its state.

    `blindly` allows that it is handed to functions that switch its mode first, behind the training.
    """
    if depth > _DEPTH:
        return True
    for seen in model.writes:
        parent = program.parent.get(seen.node)
        if isinstance(parent, cst.Param):
            values = values_given(program, parent)
            if values is None or any(_is_used_by_caller(program, value, depth, blindly) for value in values):
                return True
            continue
        value = value_of(program, seen.node)
        made = unmoved(value) if value is not None else None
        alias = isinstance(made, cst.Name) and program.variables.get(made) is not model
        if alias or isinstance(made, (cst.Attribute, cst.Subscript)):
            return True
    return False


def _is_used_by_caller(program: Program, value: cst.BaseExpression, depth: int, blindly: bool) -> bool:
    """Whether whoever hands a model to the training uses it behind the call, or has given it away in front of it."""
    variable = program.variables.get(value) if isinstance(value, cst.Name) else None
    if variable is None:
        return not isinstance(value, cst.Call)
    around = loops_around(program, value)
    for seen in variable.reads:
        if seen.node is value:
            continue
        again = any(program.contains(loop, seen.node) for loop in around)
        early = seen.order < program.order[value] and seen.scope.function is variable.owner and not again
        blind = blindly and not early and not again and is_lent_blindly(program, seen.node, variable)
        if not blind and not _is_harmless(program, seen.node, _EARLY if early else _STATE):
            return True
    return is_shared(program, variable, depth + 1, blindly)


def _is_harmless(program: Program, node: cst.CSTNode, methods: tuple[str, ...]) -> bool:
    parent = program.parent.get(node)
    return isinstance(parent, cst.Attribute) and parent.attr.value in methods
