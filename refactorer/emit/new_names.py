"""Names of new things, chosen so that they collide with nothing in the file."""

from __future__ import annotations

from dataclasses import dataclass

import libcst as cst

from refactorer.analysis.scopes import Variable
from refactorer.analysis.walk import walk
from refactorer.outline.classes import class_around
from refactorer.outline.optimizers import Roles
from refactorer.outline.outline import Outline
from refactorer.outline.refusal import Refusal

_RUNTIME = ("runtime", "runtime.Module", "runtime.Trainer")


@dataclass
class Names:
    """Names of new things, chosen so that they collide with nothing in the file."""

    module: str
    trainer: str
    base: str
    trainer_class: str
    instance: str


def choose_names(outline: Outline, roles: Roles) -> Names:
    """Names that the file does not use yet.

    Raises:
        Refusal: Module, Trainer and runtime are all taken.
    """
    program = outline.program
    taken = {variable.name for variable in program.variables.values()}
    taken -= {name.value for name, full in program.imports.items() if full in _RUNTIME}  # type: ignore[attr-defined]
    taken -= {v.name for v in program.variables.values() if v.name == "trainer" and _only_fits(outline, v)}
    plain = not taken & {"Module", "Trainer"}
    if not plain and "runtime" in taken:
        raise Refusal("R403", outline.site.epoch_loop, "the names Module, Trainer and runtime are all used in the file",
                      "rename one of them")  # fmt: skip

    def free(name: str) -> str:
        while name in taken:
            name += "_"
        return name

    return Names(
        module=free("Lit" + _model_class(outline, roles)),
        trainer=free("trainer"),
        base="Module" if plain else "runtime.Module",
        trainer_class="Trainer" if plain else "runtime.Trainer",
        instance=free("module"),
    )


def _only_fits(outline: Outline, variable: Variable) -> bool:
    """Whether a variable is the Trainer of a training that was converted before, and may be assigned anew."""
    program = outline.program
    if variable.owner is not outline.site.driver:
        return False
    for seen in variable.occurrences:
        parent = program.parent.get(seen.node)
        if isinstance(parent, cst.AssignTarget):
            value = program.parent[parent].value  # type: ignore[attr-defined]
            if not isinstance(value, cst.Call) or program.qualified_name(value.func) not in _RUNTIME:
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
        for node in walk(assign) if isinstance(assign, cst.Assign) else []:
            if not isinstance(node, cst.Call) or not isinstance(node.func, cst.Name):
                continue
            if isinstance(program.definition(program.variables.get(node.func)), cst.ClassDef):
                return node.func.value
    return "".join(part[:1].upper() + part[1:] for part in model.name.split("_") if part) or "Model"
