"""Uses of a model between its wrapper and the training, where the processes need not have the same parameters yet.

The script's wrapper shared the parameters at once, the Trainer's shares them when it begins to fit.
"""

from __future__ import annotations

import libcst as cst

from refactorer.idioms.distributed.everywhere import Everywhere
from refactorer.idioms.distributed.guards import Guard
from refactorer.idioms.distributed.wrapper import names_torch
from refactorer.outline.outline import Outline

_MODES = ("train", "eval", "zero_grad")


def is_known_before(outline: Outline, node: cst.CSTNode, guard: Guard) -> bool:
    """Whether a use in front of the training is an optimizer's, sets the mode, counts parameters or loads them."""
    program = outline.program
    parent = program.parent[node]
    if not isinstance(parent, cst.Attribute):
        return False
    if parent.attr.value in _MODES or _counts(outline, parent) or _loads(outline, node, guard):
        return True
    line = program.statement(node)
    small = line.body[0] if isinstance(line, cst.SimpleStatementLine) and len(line.body) == 1 else None
    made = program.qualified_name(small.value.func) if _assigns_call(small) else None  # type: ignore[union-attr]
    return parent.attr.value == "parameters" and (made or "").startswith("torch.optim.")


def _loads(outline: Outline, node: cst.CSTNode, guard: Guard) -> bool:
    """Whether a use loads the same parameters in all processes.

    What is not loaded becomes that of the first process, be it shared before or behind.
    """
    loads = outline.program.parent[node]
    if isinstance(loads, cst.Attribute) and loads.attr.value == "module":
        loads = outline.program.parent[loads]
    call = outline.program.parent[loads]
    if not isinstance(loads, cst.Attribute) or loads.attr.value != "load_state_dict" or not isinstance(call, cst.Call):
        return False
    if loads.value is node and not (outline.variable(node) in guard.found.others or by_its_names(outline, node, guard)):
        return False
    everywhere = Everywhere(outline)
    return everywhere.is_reached(node) and all(everywhere.is_same(arg.value) for arg in call.args)


def by_its_names(outline: Outline, node: cst.CSTNode, guard: Guard) -> bool:
    """Whether the model can be given the names of the wrapper's own state, if a use of it may mean them."""
    return guard.wrapped_at(node) is False or names_torch(outline.program)


def _counts(outline: Outline, parameters: cst.Attribute) -> bool:
    """Whether `model.parameters` is that of `sum(p.numel() for p in model.parameters() if p.requires_grad)`."""
    parent = outline.program.parent
    call = parent[parameters]
    loop = parent.get(call)
    comp = parent.get(loop) if isinstance(loop, cst.CompFor) else None
    if parameters.attr.value != "parameters" or not isinstance(loop, cst.CompFor) or loop.iter is not call:
        return False
    if not isinstance(comp, (cst.GeneratorExp, cst.ListComp)) or not isinstance(loop.target, cst.Name):
        return False
    name = loop.target.value
    counted = any(comp.elt.deep_equals(cst.parse_expression(f"{name}.{size}()")) for size in ("numel", "nelement"))
    wanted = all(part.test.deep_equals(cst.parse_expression(f"{name}.requires_grad")) for part in loop.ifs)
    return counted and wanted and loop.inner_for_in is None


def _assigns_call(small: cst.CSTNode | None) -> bool:
    return isinstance(small, cst.Assign) and isinstance(small.value, cst.Call)
