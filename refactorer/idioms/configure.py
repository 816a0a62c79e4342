"""Optimizers and schedulers are made in `configure_optimizers`.

Sound when making them later means the same (simple arguments that nothing changes in between), and when only the
training uses them.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import libcst as cst

from refactorer.analysis.scopes import Variable
from refactorer.analysis.walk import walk
from refactorer.idioms.disturbance import disturbed_between
from refactorer.idioms.late_parameters import may_come_late
from refactorer.idioms.parts import parts_of_models
from refactorer.idioms.schedulers import step_behind_batch, step_behind_epoch, steps_of
from refactorer.outline.optimizers import Roles, is_stepped
from refactorer.outline.outline import Outline
from refactorer.outline.torch_names import names_optimizer, names_scheduler


@dataclass
class Configuration:
    """What `configure_optimizers` holds: the moved lines, or nothing when the script makes the optimizer itself.

    The Trainer steps the schedulers in `stepped`: those in `each_batch` behind every step, the others at the end of
    the epoch.
    """

    moved: list[cst.SimpleStatementLine] = field(default_factory=list)
    stepped: list[Variable] = field(default_factory=list)
    each_batch: list[Variable] = field(default_factory=list)
    made: set[Variable] = field(default_factory=set)


def apply(outline: Outline, roles: Roles) -> Configuration:
    """Decides what `configure_optimizers` makes, and which schedulers the Trainer steps; notes say what it does not."""
    configuration = Configuration()
    for scheduler in roles.schedulers:
        if _leave_to_trainer(outline, roles, scheduler, configuration):
            configuration.stepped.append(scheduler)
    made = (*roles.optimizers, *roles.schedulers)
    for variable in made:
        kept = _kept(outline, roles, configuration, variable)
        if kept is not None:
            if outline.automatic and set(roles.schedulers) <= set(configuration.stepped):
                _note(outline, variable.writes[0].node, f"the script makes {variable.name}: {kept}")
            return configuration
    lines = [outline.program.statement(variable.writes[0].node) for variable in made]
    configuration.moved = sorted(lines, key=lambda line: outline.program.order[line])  # type: ignore[arg-type]
    configuration.made = set(made)
    return configuration


def _leave_to_trainer(outline: Outline, roles: Roles, scheduler: Variable, configuration: Configuration) -> bool:
    """Whether the Trainer steps a scheduler from now on; a note says why not."""
    if step_behind_batch(outline, scheduler):
        configuration.each_batch.append(scheduler)
        return True
    reason = step_behind_epoch(outline, roles, scheduler)
    if reason is not None and outline.automatic:
        places: list[cst.CSTNode] = [*steps_of(outline, scheduler), outline.site.epoch_loop]
        _note(outline, places[0], f"the script steps {scheduler.name}: {reason}")
    return reason is None


def _note(outline: Outline, node: cst.CSTNode, message: str) -> None:
    outline.note("N106", node, message, "nothing to do; the literal form trains the same")


def _kept(outline: Outline, roles: Roles, configuration: Configuration, variable: Variable) -> str | None:
    """Why `configure_optimizers` cannot make an optimizer or a scheduler; None if it can."""
    if variable in roles.schedulers and variable not in configuration.stepped:
        return "the script steps it"
    allowed = set(roles.optimizers) if variable in roles.schedulers else set()
    reason = _obstacle(outline, roles, variable, allowed)
    if reason is not None:
        return reason
    if _used_in_hooks(outline, variable):
        return "the training uses more than its step"
    return "it is used outside the training" if _is_used_elsewhere(outline, roles, variable) else None


def _used_in_hooks(outline: Outline, variable: Variable) -> bool:
    """Whether a hook needs the object itself: steps that are not automatic ask the Trainer for their optimizers."""
    for body in outline.hooks.values():
        for node, used in outline.uses(*body):
            if used is variable and not is_stepped(outline.program, node):
                return True
    return False


def _obstacle(outline: Outline, roles: Roles, variable: Variable, allowed: set[Variable]) -> str | None:
    """Why an object cannot be made later: it has to be of a known class, with simple arguments that stay the same."""
    program, loop = outline.program, outline.site.epoch_loop
    value = program.assigned_value(variable)
    name = program.qualified_name(value.func) if isinstance(value, cst.Call) else None
    if not isinstance(value, cst.Call) or not (names_optimizer(name) or names_scheduler(name)):
        return "it is not made by one call of a class of torch.optim"
    if name == "torch.optim.*":
        return "its class is chosen by name, and making it may fail"
    line = program.statement(value)
    alone = isinstance(line, cst.SimpleStatementLine) and len(line.body) == 1
    beside = program.parent[line] is program.parent[loop] and program.order[line] < program.order[loop]
    if variable.owner is not outline.site.driver or not alone or not beside:
        return "it is not made on a line of its own beside the training"
    if program.order[line] < outline.reflection:
        return "something looks at the variables of the script"
    if any(arg.star for arg in value.args) or not _simple_arguments(outline, roles, value):
        return "its arguments are not simple"
    if any(_touched_between(outline, part, line) for part in parts_of_models(outline, roles)):
        return "a part of the model is used before the training"
    if names_optimizer(name) and may_come_late(outline, roles, value, line):
        return "its parameters come from an iterator, which may give others later"
    used = [v for _, v in outline.uses(value) if v not in allowed]
    changed = next((v for v in used if _changed_between(outline, roles, v, line)), None)
    if changed is not None:
        return f"{changed.name} may change before the training"
    return "something may change its arguments" if disturbed_between(outline, roles, line, value) else None


def _simple_arguments(outline: Outline, roles: Roles, value: cst.Call) -> bool:
    if any(node.name.value == "parameters" for node in outline.program.find(cst.FunctionDef)):
        return False
    for node in walk(*(arg.value for arg in value.args)):
        if isinstance(node, (cst.Lambda, cst.BaseComp, cst.Await, cst.Yield, cst.NamedExpr, cst.Subscript)):
            return False
        made = outline.program.definition(outline.program.variables.get(node))
        if isinstance(node, cst.Name) and isinstance(made, cst.FunctionDef):
            return False
        if isinstance(node, cst.Call):
            func = node.func
            if outline.program.qualified_name(func) == "itertools.chain":
                continue
            if not isinstance(func, cst.Attribute) or func.attr.value != "parameters" or node.args:
                return False
            base = func.value
            while isinstance(base, cst.Attribute):
                base = base.value
            if outline.variable(base) not in roles.models:
                return False
    return True


def _changed_between(outline: Outline, roles: Roles, variable: Variable, line: cst.CSTNode) -> bool:
    """Whether a variable, or an attribute of it, may be different at the training."""
    program, loop = outline.program, outline.site.epoch_loop
    for seen in variable.writes:
        if program.order[seen.node] > program.order[line]:
            return True
        if seen.scope is not variable.owner:
            return True
    for node in variable.reads:
        at = program.order[node.node]
        parent = program.parent[node.node]
        between = program.order[line] < at < program.order[loop] and not program.contains(line, node.node)
        runs = program.enclosing_function(node.node) is program.enclosing_function(loop)
        if any(program.contains(function, node.node) for function in outline.consumed):
            continue
        if between and runs and variable in roles.models and not _keeps_parameters(parent):
            return True
        holder = program.parent.get(parent) if isinstance(parent, cst.Attribute) else None
        stored = isinstance(holder, (cst.AssignTarget, cst.AugAssign)) and holder.target is parent
        if stored and at > program.order[line]:
            return True
    return False


def _touched_between(outline: Outline, variable: Variable, line: cst.CSTNode) -> bool:
    """Whether more than a plain value of a variable may be changed between a line and the training."""
    program, loop = outline.program, outline.site.epoch_loop
    for seen in variable.occurrences:
        parent = program.parent.get(seen.node)
        between = program.order[line] < seen.order < program.order[loop] and not program.contains(line, seen.node)
        if between and isinstance(parent, (cst.Attribute, cst.Subscript, cst.Arg)):
            return True
    return False


def _keeps_parameters(parent: cst.CSTNode) -> bool:
    kept = ("parameters", "state_dict", "load_state_dict", "train", "eval", "named_parameters", "zero_grad")
    return isinstance(parent, cst.Attribute) and parent.attr.value in kept


def _is_used_elsewhere(outline: Outline, roles: Roles, variable: Variable) -> bool:
    """Whether anything but the training, and the lines that make the optimizers and schedulers, uses an object."""
    program = outline.program
    lines = [program.statement(made.writes[0].node) for made in (*roles.optimizers, *roles.schedulers)]
    inside: list[cst.CSTNode] = [outline.site.epoch_loop, *outline.consumed, *lines]
    return any(not any(program.contains(part, seen.node) for part in inside) for seen in variable.occurrences)
