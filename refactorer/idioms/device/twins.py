"""Names that mean the same device: an argument and its parameter, `.cuda()` and `.to(torch.device("cuda"))`."""

from __future__ import annotations

import libcst as cst

from refactorer.analysis.scopes import Variable
from refactorer.idioms.device.conditions import MAIN, condition_of, conditions_around
from refactorer.idioms.device.lines import text_of
from refactorer.idioms.device.named import AVAILABLE, Target
from refactorer.outline.functions.arguments import arguments
from refactorer.outline.functions.inline import values_given
from refactorer.outline.outline import Outline
from refactorer.outline.refusal import PlainerView

_SETTING = ("set_device", "device", "device_of")


def passed_on(outline: Outline) -> dict[Variable, Variable]:
    """The variables of the module that every call of the driver passes to the same one of its parameters."""
    program, driver = outline.program, outline.site.driver.node
    if not isinstance(driver, cst.FunctionDef):
        return {}
    name = program.variables.get(driver.name)
    calls = [program.parent.get(seen.node) for seen in name.reads] if name is not None else []
    found: list[set[tuple[Variable, Variable]]] = []
    for call in calls:
        if not isinstance(call, cst.Call):
            return {}
        try:
            given = arguments(program, driver, call, decorators_known=False)
        except PlainerView:
            return {}
        pairs = ((program.variables.get(value), program.variables[param.name]) for param, value in given.items())
        found.append({(origin, parameter) for origin, parameter in pairs if origin is not None})
    always = set.intersection(*found) if found else set()
    return {
        origin: parameter for origin, parameter in always
        if len(origin.writes) == 1 and len(parameter.writes) == 1 and origin.owner is outline.site.driver.root
    }  # fmt: skip


def is_handed_on(outline: Outline, inside: set[Target], beside: list[tuple[cst.Call, Target]]) -> bool:
    """Whether a function that trains has one device, and what module level moves goes to it, or to CUDA."""
    if len(inside) != 1 or not isinstance(outline.site.driver.node, cst.FunctionDef):
        return False
    own = next(iter(inside))
    known = all(target == ("cuda",) or _is_given(outline, call, target, own) for call, target in beside)
    return bool(beside) and known and own[0] in ("variable", "setting", "item")


def _is_given(outline: Outline, move: cst.Call, target: Target, own: Target) -> bool:
    """Whether each call of the driver gives its parameter the variable that something was moved to before."""
    program, origin, variable = outline.program, target[-1], own[-1]
    parameter = program.definition(variable) if isinstance(variable, Variable) else None
    values = values_given(program, parameter) if isinstance(parameter, cst.Param) else None
    if values is None or not isinstance(origin, Variable):
        return False
    settled = all(seen.order < program.order[move] for seen in origin.writes)
    return settled and all(program.variables.get(value) is origin for value in values)


def same_as(outline: Outline, made: cst.BaseExpression) -> Target | None:
    """The variable of the driver, or of the module, that holds the same answer to whether there is CUDA."""
    program, driver = outline.program, outline.site.driver
    given = made.args[0].value if isinstance(made, cst.Call) and len(made.args) == 1 else made
    if not isinstance(given, cst.IfExp) or condition_of(outline, given.test) != AVAILABLE or not _names(given):
        return None
    for variable in (*driver.variables.values(), *program.scope[program.module].variables.values()):
        value = program.assigned_value(variable) if driver.lookup(variable.name) is variable else None
        if value is not None and text_of(value) == text_of(made):
            return ("variable", variable)
    return None


def _names(node: cst.IfExp) -> bool:
    """Whether devices are chosen by their names."""
    return isinstance(node.body, cst.SimpleString) and isinstance(node.orelse, cst.SimpleString)


def cuda_twins(
    outline: Outline, made: cst.BaseExpression | None, moves: list[cst.Call]
) -> tuple[frozenset[Target], Target | None]:
    """Whether `.cuda()`, as the script calls it, means a device, which is made so; and under which condition."""
    program, nothing = outline.program, (frozenset[Target](), None)
    twins: frozenset[Target] = frozenset([("cuda",)])
    if made is None or sets_device(outline):
        return nothing
    given = made.args[0].value if isinstance(made, cst.Call) and len(made.args) == 1 else made
    if isinstance(made, cst.Call) and program.qualified_name(made.func) != "torch.device":
        return nothing
    if _is_cuda(given):
        return twins, None
    condition = condition_of(outline, given.test) if isinstance(given, cst.IfExp) and _is_cuda(given.body) else None
    if condition is None or any(conditions_around(outline, call) - {MAIN} != {condition} for call in moves):
        return nothing
    return twins, condition


def _is_cuda(node: cst.BaseExpression) -> bool:
    return isinstance(node, cst.SimpleString) and node.evaluated_value in ("cuda", "cuda:0")


def sets_device(outline: Outline) -> bool:
    """Whether the file may make another device the current one."""
    names = (outline.program.qualified_name(call.func) or "" for call in outline.program.calls)
    return any(name.startswith("torch.cuda.") and name[len("torch.cuda.") :] in _SETTING for name in names)
