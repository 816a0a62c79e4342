"""Networks and losses with weights that a step uses on the CPU, beside others on the device: `criterion(x.cpu(), y)`.

The module of the training may hold them, and the Trainer moves all that it holds. So it is told of no device there.
"""

from __future__ import annotations

import libcst as cst

from refactorer.analysis.walk import walk
from refactorer.idioms.device.stateless import holds_nothing
from refactorer.idioms.shapes import method_name
from refactorer.outline.objects.held import find_holdings, held_by
from refactorer.outline.objects.optimizers import is_taken_for_network, makes_module
from refactorer.outline.objects.torch_names import names_module_class, unmoved
from refactorer.outline.outline import Outline


def stays_on_host(outline: Outline) -> bool:
    """Whether the hooks hand something that is on the CPU to a network, which has to be there as well then."""
    return any(
        isinstance(node, cst.Call) and any(map(_is_brought_back, node.args)) and _has_tensors(outline, node.func)
        for body in outline.hooks.values() for node in walk(*body)
    )  # fmt: skip


def _is_brought_back(arg: cst.Arg) -> bool:
    return not arg.star and method_name(arg.value) == "cpu"


def _has_tensors(outline: Outline, node: cst.BaseExpression) -> bool:
    """Whether a name surely is that of a network, or of a loss that holds weights, or an object holds one there."""
    program, variable = outline.program, outline.variable(node)
    if (held := held_by(outline, node)) is not None:
        return held in find_holdings(outline, on_host=True).networks
    if variable is None:
        return False
    made = [unmoved(value) for seen in variable.writes if (value := program.bound_to(seen.node)) is not None]
    if made and all(holds_nothing(program, value) for value in made):
        return False
    known = any(
        isinstance(value, cst.Call) and names_module_class(program.qualified_name(value.func)) for value in made
    )
    return (
        known or is_taken_for_network(program, variable) or any(makes_module(program, seen) for seen in variable.writes)
    )
