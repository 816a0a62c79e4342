"""Names of new things, chosen so that they collide with nothing in the file."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain, count

import libcst as cst

from refactorer.analysis.program import Program
from refactorer.analysis.scopes import Variable
from refactorer.analysis.walk import walk
from refactorer.emit.targets import LIGHTNING, RUNTIME, Target
from refactorer.outline.classes import class_around
from refactorer.outline.functions.shapes_of_values import tuple_element
from refactorer.outline.objects.optimizers import Roles
from refactorer.outline.outline import Outline
from refactorer.outline.refusal import Refusal
from refactorer.outline.training.anchors import loops_around

_OWN = (*RUNTIME.names, *LIGHTNING.names)


@dataclass
class Names:
    """Names of new things, chosen so that they collide with nothing in the file."""

    module: str
    trainer: str
    base: str
    trainer_class: str
    instance: str


def choose_names(outline: Outline, roles: Roles, target: Target) -> Names:
    """Names that the file does not use yet.

    Raises:
        Refusal: the names of the module class, of Trainer and of their package are all taken.
    """
    program = outline.program
    taken = {variable.name for variable in program.variables.values()}
    taken -= {name.value for name, full in program.imports.items() if full in _OWN}  # type: ignore[attr-defined]
    plain = not taken & {target.base, "Trainer"}
    if not plain and target.package in taken:
        message = f"the names {target.base}, Trainer and {target.package} are all used in the file"
        raise Refusal("R403", outline.site.epoch_loop, message, "rename one of them")

    near = _names_in_driver(outline)
    return Names(
        module=_free("Lit" + _model_class(outline, roles), taken),
        trainer=_free("trainer", near),
        base=target.base if plain else f"{target.package}.{target.base}",
        trainer_class="Trainer" if plain else f"{target.package}.Trainer",
        instance=_free("module", near),
    )


def _free(name: str, taken: set[str]) -> str:
    """The name itself if it is free, else with the first number that makes it so."""
    numbered = (f"{name}_{number}" if name[-1].isdigit() else f"{name}{number}" for number in count(2))
    return next(free for free in chain([name], numbered) if free not in taken)


def _names_in_driver(outline: Outline) -> set[str]:
    """The names that the code around the loop has a use for; a function may take those that it does not mention."""
    program, driver = outline.program, outline.site.driver.node
    parts = [driver, *outline.consumed] if isinstance(driver, cst.FunctionDef) else [program.module]
    found = {v for node, v in program.variables.items() if any(_is_in(program, part, node) for part in parts)}
    free = {"trainer": _only_fits, "module": _is_done_with}
    mentioned = {v.name for v in found if v.name not in free or not free[v.name](outline, v)}
    return mentioned | outline.site.driver.declared_global


def _is_in(program: Program, part: cst.CSTNode, node: cst.CSTNode) -> bool:
    return node not in program.order or program.contains(part, node)


def _is_done_with(outline: Outline, variable: Variable) -> bool:
    """Whether a variable of the code around the loop is used in front of the loop alone, so that it may be reused."""
    program, driver, loop = outline.program, outline.site.driver, outline.site.epoch_loop
    if loops_around(program, loop) or variable.owner is not driver:
        return False
    return all(seen.scope is driver and seen.order < program.order[loop] for seen in variable.occurrences)


def _only_fits(outline: Outline, variable: Variable) -> bool:
    """Whether a variable is the Trainer of a training that was converted before, and may be assigned anew."""
    program = outline.program
    if variable.owner is not outline.site.driver:
        return False
    for seen in variable.occurrences:
        parent = program.parent.get(seen.node)
        if isinstance(parent, cst.AssignTarget):
            value = program.parent[parent].value  # type: ignore[attr-defined]
            if not isinstance(value, cst.Call) or program.qualified_name(value.func) not in _OWN:
                return False
        elif not isinstance(parent, cst.Attribute) or parent.attr.value not in ("fit", "test"):
            return False
    return True


def _model_class(outline: Outline, roles: Roles) -> str:
    """What the module is called after: its model, its two models, the pair of a GAN, or the class that trains."""
    names = [_class_of(outline, model) for model in roles.models]
    if not names:
        owner = class_around(outline.program, outline.site.epoch_loop)
        return owner.name.value.strip("_") if owner is not None else "Model"
    if len(names) > 1 and any(word in name.lower() for name in names for word in ("discriminator", "critic", "netd")):
        return "GAN"
    return "".join(dict.fromkeys(names)) if len(names) <= 2 else "Model"


def _class_of(outline: Outline, model: Variable) -> str:
    program = outline.program
    for seen in model.writes:
        assign = program.parent.get(program.parent[seen.node])
        made = assign if isinstance(assign, cst.Assign) else tuple_element(program, seen.node)
        for node in walk(made) if made is not None else []:
            if not isinstance(node, cst.Call) or not isinstance(node.func, cst.Name):
                continue
            if isinstance(program.definition(program.variables.get(node.func)), cst.ClassDef):
                return node.func.value
    return "".join(part[:1].upper() + part[1:] for part in model.name.split("_") if part) or "Model"
