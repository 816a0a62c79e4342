"""Parameters that are numbers or devices, by what the script does with them: a rank, a number of processes."""

from __future__ import annotations

import libcst as cst

from refactorer.analysis.program import Program
from refactorer.analysis.scopes import Variable

_TYPES = ("int", "float", "str", "bool")
_TAKERS = (
    "builtins.range", "builtins.int", "builtins.float", "torch.device", "torch.cuda.set_device", "torch.manual_seed",
    "torch.cuda.manual_seed", "torch.distributed.init_process_group",
)  # fmt: skip
_OPERATORS = (cst.Subtract, cst.FloorDivide, cst.Divide, cst.Modulo, cst.Power)


def is_used_as_number(program: Program, parameter: cst.Param) -> bool:
    """Whether a parameter whose callers are not known can be nothing but a number, a string or a device.

    Its annotation says so, or the function does something with it that no network allows: it is a device, takes part in
    arithmetic, is compared with a number, or handed to a function of torch that wants one.
    """
    variable = program.variables.get(parameter.name)
    if variable is None or len(variable.writes) != 1:
        return False
    annotation = parameter.annotation.annotation if parameter.annotation is not None else None
    if isinstance(annotation, cst.Name) and annotation.value in _TYPES:
        return True
    return any(_is_number(program, node) for node in _reads(variable))


def _reads(variable: Variable) -> list[cst.CSTNode]:
    return [seen.node for seen in variable.reads]


def _is_number(program: Program, node: cst.CSTNode) -> bool:
    outer = program.parent.get(node)
    if isinstance(outer, cst.Comparison):
        return outer.left is node and all(isinstance(c.comparator, cst.Integer) for c in outer.comparisons)
    if isinstance(outer, cst.BinaryOperation):
        return isinstance(outer.operator, _OPERATORS)
    call = program.parent.get(outer) if isinstance(outer, cst.Arg) else None
    if not isinstance(outer, cst.Arg) or not isinstance(call, cst.Call):
        return False
    if (program.qualified_name(call.func) or "") in _TAKERS:
        return True
    return outer.keyword is not None and outer.keyword.value == "device"
