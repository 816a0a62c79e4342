"""Finds the line that wraps the model of a training in DistributedDataParallel."""

from __future__ import annotations

from dataclasses import dataclass

import libcst as cst

from refactorer.analysis.program import Program
from refactorer.analysis.scopes import Variable
from refactorer.idioms.parts import WRAPPERS
from refactorer.idioms.sensitive import Obstacle
from refactorer.outline.optimizers import Roles
from refactorer.outline.outline import Outline

PROCESSES = tuple(name for name in WRAPPERS if name.endswith("DistributedDataParallel"))
_DEVICES = ("device_ids", "output_device")


@dataclass(frozen=True)
class Wrapper:
    """A line `model = DistributedDataParallel(wrapped)`; `finds_unused` is what it says about unused parameters."""

    line: cst.SimpleStatementLine
    call: cst.Call
    model: Variable
    wrapped: cst.BaseExpression
    finds_unused: bool


def find_wrapper(outline: Outline, roles: Roles) -> Wrapper | Obstacle | None:
    """The wrapper of the model in front of the training; None where the script has none."""
    program, loop = outline.program, outline.site.epoch_loop
    calls = [call for call in program.calls if program.qualified_name(call.func) in PROCESSES]
    if not calls:
        return None
    call = calls[0]
    if len(calls) > 1:
        return Obstacle(calls[1], "models are wrapped in several places")
    line = program.statement(call)
    small = line.body[0] if isinstance(line, cst.SimpleStatementLine) and len(line.body) == 1 else None
    if not isinstance(line, cst.SimpleStatementLine) or not isinstance(small, cst.Assign) or small.value is not call:
        return Obstacle(call, "it is not made on a line of its own")
    model = outline.variable(small.targets[0].target)
    if len(small.targets) != 1 or model is None or model is not roles.model:
        return Obstacle(call, "what it wraps is not the one model that is trained")
    beside = program.contains(program.parent[line], loop) and program.order[line] < program.order[loop]
    if not beside or program.scope_of(line) is not outline.site.driver or model.owner is not outline.site.driver:
        return Obstacle(call, "it is made under a condition, or not in front of the training")
    return _taken_apart(outline, line, call, model)


def names_torch(program: Program) -> bool:
    """Whether the name `torch` means the library in the whole file."""
    variable = program.scope[program.module].variables.get("torch")
    return variable is not None and all(program.imports.get(seen.node) == "torch" for seen in variable.writes)


def _taken_apart(
    outline: Outline, line: cst.SimpleStatementLine, call: cst.Call, model: Variable
) -> Wrapper | Obstacle:
    wrapped: cst.BaseExpression | None = None
    finds_unused = False
    for index, arg in enumerate(call.args):
        name = arg.keyword.value if arg.keyword is not None else ("module" if index == 0 and not arg.star else "")
        if name == "module":
            wrapped = arg.value
        elif name == "find_unused_parameters" and _is_constant(arg.value):
            finds_unused = arg.value.value == "True"  # type: ignore[attr-defined]
        elif name == "device_ids" and isinstance(arg.value, cst.List) and len(arg.value.elements) != 1:
            return Obstacle(arg, "each process trains on several devices")
        elif name not in _DEVICES:
            return Obstacle(arg, "it has arguments that the Trainer does not know")
    if wrapped is None:
        return Obstacle(call, "it has arguments that the Trainer does not know")
    if isinstance(wrapped, cst.Name) and outline.variable(wrapped) is not model:
        return Obstacle(wrapped, "the wrapped model keeps another name")
    if not isinstance(wrapped, (cst.Name, cst.Call)):
        return Obstacle(wrapped, "what it wraps is not made or named there")
    return Wrapper(line, call, model, wrapped, finds_unused)


def _is_constant(value: cst.BaseExpression) -> bool:
    return isinstance(value, cst.Name) and value.value in ("True", "False")
