"""Parameters and buffers beside those of the model: the Trainer would share them too, which the script did not.

Its wrapper is around the module of the training, and so around everything that the hooks hold.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import libcst as cst

from refactorer.analysis.flow import flow_of
from refactorer.analysis.program import Program
from refactorer.analysis.scopes import Occurrence, Variable
from refactorer.analysis.walk import walk
from refactorer.idioms.distributed.left_alone import LeftAlone
from refactorer.idioms.distributed.libraries import has_no_tensors
from refactorer.idioms.distributed.values import gives_numbers, is_tensorless
from refactorer.idioms.distributed.wrapper import Wrapper
from refactorer.idioms.known.parts import parts_of_models
from refactorer.idioms.known.sensitive import Obstacle
from refactorer.outline.objects.held import find_holdings
from refactorer.outline.objects.optimizers import Held, Roles, makes_module, may_be_module
from refactorer.outline.objects.torch_names import names_module_class
from refactorer.outline.outline import Outline


def other_tensors(outline: Outline, roles: Roles, found: Wrapper) -> Obstacle | None:
    """Something else with parameters or buffers in the hooks, or a part of the model that is used by itself."""
    loaders = [outline.variable(part.iterable) for part in (outline.train, outline.evaluation) if part is not None]
    aside = {found.model, *found.others, *loaders, *roles.optimizers, *roles.schedulers}
    aside |= _made_anew(outline)
    beside = LeftAlone(outline, roles, found)
    for body in outline.hooks.values():
        for node, variable in outline.uses(*body):
            if variable in aside or variable.owner is None:
                continue
            if _holds_tensors(outline, variable) and not beside.holds(variable):
                return Obstacle(node, f"{variable.name} holds tensors")
            if _may_be_module(outline, variable) and not (is_tensorless(outline, variable) or beside.holds(variable)):
                return Obstacle(node, f"{variable.name} may be a module too")
    for held in find_holdings(outline, on_host=True).networks:
        return Obstacle(found.call, f"{held.base.name}.{held.attribute} is a module too")
    parted = replace(roles, models=tuple({found.model, found.entry.model, *found.others}))
    for part in parts_of_models(outline, parted):
        if gives_numbers(outline, part, parted.models):
            continue
        if part in found.others:
            continue  # known_uses.py looks at these
        late = [seen for seen in part.reads if _is_late(outline, found, seen)]
        if late and part not in parted.models:
            return Obstacle(late[0].node, f"{part.name} is a part of the model, and used by itself")
    return None


def tensors_beside(outline: Outline, roles: Roles, wrapped: Held) -> Obstacle | None:
    """Something else with parameters or buffers in the hooks of a training whose object holds the wrapped model."""
    loaders = [outline.variable(part.iterable) for part in (outline.train, outline.evaluation) if part is not None]
    aside = {wrapped.base, *loaders, *roles.optimizers, *roles.schedulers} | _made_anew(outline)
    for body in outline.hooks.values():
        for node, variable in outline.uses(*body):
            if variable in aside or variable.owner is None:
                continue
            if _holds_tensors(outline, variable):
                return Obstacle(node, f"{variable.name} holds tensors")
            if _may_be_module(outline, variable) and not is_tensorless(outline, variable):
                return Obstacle(node, f"{variable.name} may be a module too")
    others = (held for held in find_holdings(outline, on_host=True).networks if held != wrapped)
    return next((Obstacle(outline.site.epoch_loop, f"{held.attribute} is a module too") for held in others), None)


def _made_anew(outline: Outline) -> set[Variable]:
    """The variables that each hook binds before it reads them, to no network: what others bind they never hold."""
    program, bodies = outline.program, list(outline.hooks.values())
    early = {outline.bindings.canonical(raw) for body in bodies for raw in flow_of(program, body).early}
    bound = {variable for body in bodies for _, variable in outline.uses(*body)} - early
    return {variable for variable in bound if not any(makes_module(program, seen) for seen in variable.writes)}


def _is_late(outline: Outline, found: Wrapper, seen: Occurrence) -> bool:
    """Whether a part of the model may be used by itself once it is wrapped."""
    program = outline.program
    if any(program.contains(made.call, seen.node) for made in found.wrappings if seen.node in program.order):
        return False
    return seen.order > program.order[found.place] or seen.scope.function is not found.entry.scope


def _may_be_module(outline: Outline, variable: Variable) -> bool:
    """Whether a variable may hold a module when the training begins."""
    return not _is_made_inside(outline, variable, makes_module) and may_be_module(outline, variable)


def _is_made_inside(
    outline: Outline, variable: Variable, makes: Callable[[Program, Occurrence], bool] = lambda program, seen: False
) -> bool:
    """Whether only the training itself binds a variable, and to nothing that `makes` finds."""
    program = outline.program
    inside = [outline.site.epoch_loop, *outline.consumed]
    written = [seen for seen in variable.writes if seen.node in program.order]
    own = all(any(program.contains(part, seen.node) for part in inside) for seen in written)
    return own and not any(makes(program, seen) for seen in written)


def _holds_tensors(outline: Outline, variable: Variable) -> bool:
    """Whether a variable is a criterion of torch with weights, or a module made of known parts."""
    program = outline.program
    value = program.assigned_value(variable)
    if value is None or _is_made_inside(outline, variable):
        return False
    calls = [node for node in walk(value) if isinstance(node, cst.Call)]
    names = {call: program.qualified_name(call.func) or "" for call in calls}
    made = [call for call, name in names.items() if names_module_class(name) and not has_no_tensors(name, call)]
    return any(
        arg.keyword is None or arg.keyword.value in ("weight", "pos_weight") for call in made for arg in call.args
    )
