"""Parameters and buffers beside those of the model: the Trainer would share them too, which the script did not.

Its wrapper is around the module of the training, and so around everything that the hooks hold.
"""

from __future__ import annotations

from collections.abc import Callable

import libcst as cst

from refactorer.analysis.program import Program
from refactorer.analysis.scopes import Occurrence, Variable
from refactorer.analysis.walk import walk
from refactorer.idioms.distributed.processes import is_rank
from refactorer.idioms.distributed.wrapper import Wrapper
from refactorer.idioms.parts import parts_of_models
from refactorer.idioms.plain import is_plain
from refactorer.idioms.sensitive import Obstacle
from refactorer.outline.optimizers import Roles, makes_module, may_be_module
from refactorer.outline.outline import Outline
from refactorer.outline.torch_names import names_module_class


def other_tensors(outline: Outline, roles: Roles, found: Wrapper) -> Obstacle | None:
    """Something else with parameters or buffers in the hooks, or a part of the model that is used by itself."""
    program = outline.program
    loaders = [outline.variable(part.iterable) for part in (outline.train, outline.evaluation) if part is not None]
    aside = {found.model, *loaders, *roles.optimizers, *roles.schedulers}
    for body in outline.hooks.values():
        for node, variable in outline.uses(*body):
            if variable in aside or variable.owner is None:
                continue
            if _holds_tensors(outline, variable):
                return Obstacle(node, f"{variable.name} holds tensors")
            parent = program.parent.get(node)
            used = isinstance(parent, (cst.Attribute, cst.Arg)) or (
                isinstance(parent, cst.Call) and parent.func is node
            )
            if (
                used
                and not (is_plain(outline, variable) or is_rank(program, variable))
                and _may_be_module(outline, variable)
            ):
                return Obstacle(node, f"{variable.name} may be a module too")
    for part in parts_of_models(outline, roles):
        late = [seen for seen in part.reads if seen.order > program.order[found.place]]
        if late and part is not found.model:
            return Obstacle(late[0].node, f"{part.name} is a part of the model, and used by itself")
    return None


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
    made = [call for call in calls if names_module_class(program.qualified_name(call.func))]
    return any(
        arg.keyword is None or arg.keyword.value in ("weight", "pos_weight") for call in made for arg in call.args
    )
