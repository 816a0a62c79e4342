"""Variables through which the model, the optimizer or a scheduler can be seen."""

from __future__ import annotations

import libcst as cst

from refactorer.analysis.program import Program
from refactorer.analysis.scopes import Variable
from refactorer.analysis.targets import names_in
from refactorer.idioms.known.holders import holders, kept_in, shows_own_module
from refactorer.idioms.known.own_objects import shown_by_classes
from refactorer.idioms.known.plain import is_plain
from refactorer.outline.objects.optimizers import Roles, may_be_module
from refactorer.outline.outline import Outline

_SETTINGS = (
    "device", "device_ids", "output_device", "dtype", "lr", "eps", "betas", "momentum", "weight_decay", "alpha", "rho",
    "nesterov", "amsgrad", "correct_bias", "warmup", "t_total",
)  # fmt: skip


def tainted_by_training(outline: Outline, roles: Roles) -> set[Variable]:
    """Variables through which the model, the optimizer or a scheduler can be seen."""
    tainted = set(roles.objects)
    if roles.held is not None:
        tainted.add(roles.held.base)
    if roles.renewed is not None:
        tainted.add(roles.renewed)
    tainted |= (
        given_parameters(outline, roles) | shown_by_classes(outline.program) | {*shows_own_module(outline.program)}
    )
    if outline.scaler is not None:
        tainted.add(outline.scaler)
    return with_holders(outline, tainted)


def with_holders(outline: Outline, seen: set[Variable]) -> set[Variable]:
    """Some variables, and all others through which what they hold can be seen."""
    tainted = set(seen)
    assigns = outline.program.find((cst.Assign, cst.AnnAssign, cst.For, cst.With))
    grown = True
    while grown:
        grown = _taint_holders(outline, tainted)
        for node in assigns:
            for target, value in assigned_pairs(node):
                if not passes_on(outline, value, tainted):
                    continue
                for name in names_in(target):
                    variable = outline.variable(name)
                    if variable is not None and variable not in tainted:
                        tainted.add(variable)
                        grown = True
    return tainted


def _taint_holders(outline: Outline, tainted: set[Variable]) -> bool:
    """Containers and objects that are given something tainted: `box.model = model`, `kept.append(model.weight)`."""
    before, program = len(tainted), outline.program
    for node in program.find((cst.Assign, cst.AugAssign, cst.Call)):
        places, given = kept_in(program, node)
        if not places or not any(passes_on(outline, value, tainted) for value in given):
            continue
        found = (variable for place in places for variable in holders(program, place))
        tainted |= {outline.bindings.canonical(variable) for variable in found if variable.name != "self"}
    tainted |= {kind for variable in tainted if (kind := _class_with(outline.program, variable)) is not None}
    return len(tainted) > before


def _class_with(program: Program, variable: Variable) -> Variable | None:
    """The class of which a variable is an attribute, if it is set in its body."""
    owner = variable.owner.node if variable.owner is not None else None
    return program.variables[owner.name] if isinstance(owner, cst.ClassDef) else None


def given_parameters(outline: Outline, roles: Roles) -> set[Variable]:
    """Tensors and layers that the optimizer or the model was made of."""
    program = outline.program
    found: set[Variable] = set()
    for owner in (*roles.optimizers, *roles.models):
        for seen in owner.writes:
            value = program.bound_to(seen.node)
            for index, arg in enumerate(value.args if isinstance(value, cst.Call) else []):
                if arg.keyword is not None and arg.keyword.value in _SETTINGS:
                    continue
                given = owner in roles.optimizers and index == 0
                used = {v for _, v in outline.uses(arg) if not is_plain(outline, v)}
                found |= {v for v in used if given or may_be_module(outline, v)}
    return {v for v in found if not isinstance(program.definition(v), (cst.FunctionDef, cst.ImportAlias))}


def assigned_pairs(node: cst.CSTNode) -> list[tuple[cst.CSTNode, cst.CSTNode]]:
    """The targets of a statement that binds names, each with what it is bound to, or made of."""
    if isinstance(node, cst.Assign):
        return [(target.target, node.value) for target in node.targets]
    if isinstance(node, cst.AnnAssign):
        return [(node.target, node.value)] if node.value else []
    if isinstance(node, cst.For):
        return [(node.target, node.iter)]
    assert isinstance(node, cst.With)
    return [(item.asname.name, item.item) for item in node.items if item.asname]


def passes_on(outline: Outline, value: cst.CSTNode, tainted: set[Variable]) -> bool:
    """Whether a value may hold the model: it names it otherwise than by calling it (the result is a new tensor)."""
    called = {call.func for call in outline.program.find(cst.Call, value)}
    if any(v in tainted and node not in called for node, v in outline.uses(value)):
        return True
    functions = [outline.program.function(f) for f in called]
    return any(f is not None and reaches(outline, f, tainted, set()) for f in functions)


def reaches(outline: Outline, function: cst.CSTNode, tainted: set[Variable], seen: set[cst.CSTNode]) -> bool:
    """Whether a function, or one that it calls, uses a tainted variable."""
    if function in seen:
        return False
    seen.add(function)
    for _, variable in outline.uses(function):
        if variable in tainted:
            return True
        inner = outline.program.definition(variable)
        if isinstance(inner, cst.FunctionDef) and reaches(outline, inner, tainted, seen):
            return True
    return False
