"""Optimizer and schedulers are made in `configure_optimizers`; epoch schedulers are stepped by the Trainer.

Sound when making them later means the same (simple arguments that nothing changes in between), when only the training
uses them, and, for a scheduler, when nothing behind its step in the epoch can see the learning rate.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import libcst as cst

from refactorer.analysis.scopes import Variable
from refactorer.analysis.walk import walk
from refactorer.idioms.disturbance import disturbed_between
from refactorer.idioms.harmless import harm_in
from refactorer.idioms.parts import parts_of_models
from refactorer.idioms.sensitive import is_guarded
from refactorer.idioms.shapes import method_calls, method_line
from refactorer.idioms.taint import tainted_by_training
from refactorer.outline.control import loop_jumps, returns
from refactorer.outline.optimizers import Roles, is_stepped
from refactorer.outline.outline import BATCH_END, EPOCH_END, VALIDATION_END, Outline
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
    """Decides what `configure_optimizers` makes, and which schedulers the Trainer steps."""
    configuration = Configuration()
    for scheduler in roles.schedulers:
        if _steps_behind_batch(outline, scheduler):
            configuration.each_batch.append(scheduler)
            configuration.stepped.append(scheduler)
        elif _step_by_trainer(outline, roles, scheduler):
            configuration.stepped.append(scheduler)
    lines = []
    for optimizer in roles.optimizers:
        line = _movable(outline, roles, optimizer, allowed=set())
        if line is None or _used_in_hooks(outline, optimizer):
            return configuration
        lines.append(line)
    for scheduler in roles.schedulers:
        line = _movable(outline, roles, scheduler, allowed=set(roles.optimizers))
        if line is None or scheduler not in configuration.stepped or _used_in_hooks(outline, scheduler):
            return configuration
        lines.append(line)
    if _other_uses(outline, roles, lines):
        return configuration
    configuration.moved = sorted(lines, key=lambda line: outline.program.order[line])
    configuration.made = {*roles.optimizers, *roles.schedulers}
    return configuration


def _is_stepped_once(outline: Outline, scheduler: Variable) -> bool:
    """Whether a scheduler is stepped in one place, without an argument."""
    steps = [c for c in method_calls(outline, "step") if outline.variable(c.func.value) is scheduler]  # type: ignore[attr-defined]
    return len(steps) == 1 and not steps[0].args


def _steps_behind_batch(outline: Outline, scheduler: Variable) -> bool:
    """Takes `scheduler.step()` out of the code behind the step where it is the first thing there."""
    own = [line for line in outline.hooks.get(BATCH_END, []) if line not in outline.openings]
    if not own or method_line(outline, own[0], scheduler, "step") is None or not _is_stepped_once(outline, scheduler):
        return False
    outline.edit(BATCH_END, {own[0]: None})
    if len(own) == 1:
        del outline.hooks[BATCH_END]
    return True


def _step_by_trainer(outline: Outline, roles: Roles, scheduler: Variable) -> bool:
    """Takes `scheduler.step()` out of the end of the epoch when nothing behind it can tell."""
    if not outline.automatic or not _is_stepped_once(outline, scheduler):
        return False
    last = VALIDATION_END if outline.evaluation is not None else EPOCH_END
    if [node for body in outline.hooks.values() for node in returns(body) if node in outline.program.order]:
        return False
    for hook in outline.hooks:
        for index, line in enumerate(outline.hooks[hook]):
            if method_line(outline, line, scheduler, "step") is None:
                continue
            later = outline.hooks[hook][index + 1 :]
            if hook != last or loop_jumps(outline.hooks[last]):
                return False
            if any(_sees_rate(outline, roles, part) for part in later):
                return False
            if later and _calls_functions(outline, scheduler):
                return False
            if later and is_guarded(outline):
                return False
            if harm_in(outline, later, tainted_by_training(outline, roles)) is not None:
                return False
            outline.edit(hook, {line: None})
            return True
    return False


def _calls_functions(outline: Outline, scheduler: Variable) -> bool:
    """Whether a step of the scheduler runs functions of the script, which may print or draw."""
    for seen in scheduler.writes:
        for node in walk(outline.program.statement(seen.node)):
            if isinstance(node, cst.Lambda) or outline.program.function(node) is not None:
                return True
    return False


def _sees_rate(outline: Outline, roles: Roles, line: cst.CSTNode) -> bool:
    hidden = {*roles.optimizers, *roles.schedulers}
    for _, variable in outline.uses(line):
        if variable in hidden:
            return True
        function = outline.program.definition(variable)
        if isinstance(function, cst.FunctionDef) and any(outline.mentions(v, function) for v in hidden):
            return True
    return False


def _used_in_hooks(outline: Outline, variable: Variable) -> bool:
    """Whether a hook needs the object itself: steps that are not automatic ask the Trainer for their optimizers."""
    for body in outline.hooks.values():
        for node, used in outline.uses(*body):
            if used is variable and not is_stepped(outline.program, node):
                return True
    return False


def _movable(
    outline: Outline, roles: Roles, variable: Variable, allowed: set[Variable]
) -> cst.SimpleStatementLine | None:
    """The line that makes a variable, if it may be made later: known class, simple arguments, nothing in between."""
    program, loop = outline.program, outline.site.epoch_loop
    value = program.assigned_value(variable)
    name = program.qualified_name(value.func) if isinstance(value, cst.Call) else None
    if not isinstance(value, cst.Call) or not (names_optimizer(name) or names_scheduler(name)):
        return None
    if variable.owner is not outline.site.driver:
        return None
    line = program.statement(value)
    block = program.parent[line]
    if not isinstance(line, cst.SimpleStatementLine) or len(line.body) != 1:
        return None
    if block is not program.parent[loop] or program.order[line] > program.order[loop]:
        return None
    if program.order[line] < outline.reflection:
        return None
    if not _simple_arguments(outline, roles, value):
        return None
    used = {v for _, v in outline.uses(value)} - allowed
    if any(_touched_between(outline, part, line) for part in parts_of_models(outline, roles)):
        return None
    if any(_changed_between(outline, roles, other, line) for other in used):
        return None
    if any(arg.star for arg in value.args) or disturbed_between(outline, roles, line, value):
        return None
    return line


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
        if any(program.contains(function, node.node) for function in outline.consumed):
            continue
        if between and variable in roles.models and not _keeps_parameters(parent):
            return True
        stored = isinstance(parent, cst.Attribute) and isinstance(
            program.parent.get(parent), (cst.AssignTarget, cst.AugAssign)
        )
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


def _other_uses(outline: Outline, roles: Roles, lines: list[cst.SimpleStatementLine]) -> bool:
    """Whether anything but the training and the moved lines uses the optimizer or a scheduler."""
    program = outline.program
    inside: list[cst.CSTNode] = [outline.site.epoch_loop, *outline.consumed, *lines]
    for variable in (*roles.optimizers, *roles.schedulers):
        for seen in variable.occurrences:
            if not any(program.contains(part, seen.node) for part in inside):
                return True
    return False
