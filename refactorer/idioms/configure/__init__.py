"""Optimizers and schedulers are made in `configure_optimizers`.

Sound when making them later means the same (simple arguments that nothing changes in between), and when only the
training uses them.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import libcst as cst

from refactorer.analysis.program import Program
from refactorer.analysis.scopes import Variable
from refactorer.idioms.configure.beside import runs_beside
from refactorer.idioms.configure.between import between
from refactorer.idioms.configure.disturbance import disturbed_between
from refactorer.idioms.configure.late_parameters import may_come_late
from refactorer.idioms.configure.made_for import lines_for, models_asked
from refactorer.idioms.configure.making import Making, asks_settings, making_of, reads, statements_of
from refactorer.idioms.configure.only_asked import is_only_asked
from refactorer.idioms.configure.simple_arguments import has_simple_arguments
from refactorer.idioms.known.looking import keeps_parameters
from refactorer.idioms.known.parts import parts_of_models
from refactorer.idioms.schedulers import step_behind_batch, step_behind_epoch, steps_of
from refactorer.outline.objects.optimizers import Roles, assigned_class, is_stepped
from refactorer.outline.objects.torch_names import names_optimizer, names_scheduler
from refactorer.outline.outline import TEST_HOOKS, Outline


@dataclass
class Configuration:
    """What `configure_optimizers` holds: the moved lines, or nothing when the script makes the optimizer itself.

    The Trainer steps the schedulers in `stepped`: those in `each_batch` behind every step, the others at the end of
    the epoch. No branch may make those in `maybe`. Hooks use those in `kept` themselves: they become attributes.
    """

    moved: list[cst.CSTNode] = field(default_factory=list)
    stepped: list[Variable] = field(default_factory=list)
    each_batch: list[Variable] = field(default_factory=list)
    made: set[Variable] = field(default_factory=set)
    maybe: list[Variable] = field(default_factory=list)
    kept: list[Variable] = field(default_factory=list)


def apply(outline: Outline, roles: Roles) -> Configuration:
    """Decides what `configure_optimizers` makes, and which schedulers the Trainer steps; notes say what it does not."""
    configuration = Configuration()
    for scheduler in roles.schedulers:
        if _leave_to_trainer(outline, roles, scheduler, configuration):
            configuration.stepped.append(scheduler)
    made = (*roles.optimizers, *roles.schedulers)
    for variable in made:
        reason = _left_to_script(outline, roles, variable)
        if reason is not None:
            if outline.automatic and set(roles.schedulers) <= set(configuration.stepped):
                _note(outline, variable.writes[0].node, f"the script makes {variable.name}: {reason}")
            return configuration
    kept = [v for v in made if _hooks_using(outline, v)]
    if kept and _needs_more(outline, roles, made):
        reason = "more of the script is needed to make it than to train with it"
        _note(outline, kept[0].writes[0].node, f"the script makes {kept[0].name}: {reason}")
        return configuration
    lines = list(dict.fromkeys(statements_of(outline.program, made)))
    others = _lines_for(outline, roles, lines, set(made))
    configuration.moved = _in_order(outline, [*lines, *others.values()])
    configuration.made = {*made, *others}
    configuration.maybe = [
        v for v in made if (making := making_of(outline.program, v)) is not None and not making.always
    ]
    configuration.kept = kept
    return configuration


def _in_order(outline: Outline, lines: list[cst.CSTNode]) -> list[cst.CSTNode]:
    """Lines in the order in which they run: those at the top of the file before those of the function that trains."""
    program = outline.program
    function = program.enclosing_function(outline.site.epoch_loop)
    return sorted(lines, key=lambda line: (program.enclosing_function(line) is function, program.order[line]))


def _lines_for(
    outline: Outline, roles: Roles, lines: list[cst.CSTNode], made: set[Variable]
) -> dict[Variable, cst.CSTNode]:  # fmt: skip
    """The lines that only make what the optimizers are made of, and give the same at the training."""

    def stays(line: cst.CSTNode, value: cst.BaseExpression, others: set[Variable]) -> bool:
        asked = replace(roles, models=(*roles.models, *models_asked(outline, value)))
        touched = any(_touched_between(outline, part, line) for part in parts_of_models(outline, asked))
        return not touched and _read_differently(outline, asked, line, (value,), made | others) is None

    return lines_for(outline, roles, lines, stays)


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


def _left_to_script(outline: Outline, roles: Roles, variable: Variable) -> str | None:
    """Why `configure_optimizers` cannot make an optimizer or a scheduler; None if it can."""
    allowed = set(roles.optimizers) if variable in roles.schedulers else set()
    reason = _obstacle(outline, roles, variable, allowed)
    if reason is not None:
        return reason
    making, hooks = making_of(outline.program, variable), _hooks_using(outline, variable)
    assert making is not None, "known, or an obstacle"
    if variable in roles.schedulers and not allowed & {used for _, used in outline.uses(making.whole)}:
        return "its optimizer is out of sight"
    if hooks and not making.always:
        return "it may not be made, and the training uses more than its step"
    behind = any(hook in TEST_HOOKS for hook in hooks) or _is_asked_by_driver(outline, variable)
    elsewhere = behind or _is_used_elsewhere(outline, roles, variable)
    return "it is used outside the training" if elsewhere else None


def _hooks_using(outline: Outline, variable: Variable) -> list[str]:
    """The hooks that need an object itself: steps that are not automatic ask the Trainer for their optimizers."""
    asked = names_optimizer(assigned_class(outline.program, variable))
    return [
        hook for hook, body in outline.hooks.items()
        for node, used in outline.uses(*body)
        if used is variable and not (asked and is_stepped(outline.program, node))
    ]  # fmt: skip


def _needs_more(outline: Outline, roles: Roles, made: tuple[Variable, ...]) -> bool:
    """Whether the module would be handed more variables to make some objects than it would be handed objects."""
    own = {variable for body in outline.hooks.values() for _, variable in outline.uses(*body)} | {*roles.models, *made}
    makings = filter(None, (making_of(outline.program, variable) for variable in made))
    needed = {
        variable
        for making in makings for _, variable in outline.uses(making.whole)
        if variable.owner is not None and variable.owner.kind == "function" and variable not in own
        and not _is_bound_in(outline, variable, making.parts)
    }  # fmt: skip
    return len(needed) > len(made)


def _is_asked_by_driver(outline: Outline, variable: Variable) -> bool:
    """Whether what the Trainer is given in front of the training is made of an object."""
    loops = (outline.site.epoch_loop, outline.site.batch_loop)
    given = [loop.iter for loop in loops if isinstance(loop, cst.For)]
    sources = (outline.train, outline.evaluation, outline.test)
    given += [source.iterable for source in sources if source is not None and source.iterable is not None]
    return outline.mentions(variable, *given)


def _obstacle(outline: Outline, roles: Roles, variable: Variable, allowed: set[Variable]) -> str | None:
    """Why an object cannot be made later: it has to be of a known class, with simple arguments that stay the same."""
    program = outline.program
    making = making_of(program, variable)
    names = {program.qualified_name(call.func) for call in making.calls} if making is not None else {None}
    if making is None or not all(names_optimizer(name) or names_scheduler(name) for name in names):
        function = _function_handed(program, variable)
        made = "it is not made by one call of a class of torch.optim"
        return made if function is None else f"{function.name.value}() is handed it"
    if "torch.optim.*" in names:
        return "its class is chosen by name, and making it may fail"
    line = making.line
    alone = isinstance(line, cst.If) or (isinstance(line, cst.SimpleStatementLine) and len(line.body) == 1)
    if not _is_of_training(outline, variable, line) or not alone or not runs_beside(outline, line):
        return "it is not made on a line of its own beside the training"
    if program.order[line] < outline.reflection:
        return "something looks at the variables of the script"
    if not asks_settings(outline, roles, making):
        return "what chooses it may be different at the training"
    if not all(has_simple_arguments(outline, roles, call, line) for call in making.calls):
        return "its arguments are not simple"
    return _changed(outline, roles, making, allowed)


def _is_of_training(outline: Outline, variable: Variable, line: cst.CSTNode) -> bool:
    """Whether a variable belongs to the function that trains, or to the file, which calls this function just once.

    No name of the line may mean something else in the function.
    """
    driver = outline.site.driver
    if variable.owner is driver:
        return True
    used = [other for _, other in outline.uses(line)]
    seen = all(driver.lookup(other.name) is other for other in (variable, *used) if other.owner is variable.owner)
    return seen and between(outline, line).call is not None


def _function_handed(program: Program, variable: Variable) -> cst.FunctionDef | None:
    """The function that a variable is a parameter of, and that gives it no other value."""
    parameters = [program.parent.get(seen.node) for seen in variable.writes]
    handed = bool(parameters) and all(isinstance(parameter, cst.Param) for parameter in parameters)
    return program.enclosing_function(variable.writes[0].node) if handed else None


def _changed(outline: Outline, roles: Roles, making: Making, allowed: set[Variable]) -> str | None:
    """What may be different at the training, of all that an object is made of."""
    line = making.line
    if any(_touched_between(outline, part, line) for part in parts_of_models(outline, roles)):
        return "a part of the model is used before the training"
    optimizes = any(names_optimizer(outline.program.qualified_name(call.func)) for call in making.calls)
    if optimizes and any(may_come_late(outline, roles, call, line) for call in making.calls):
        return "its parameters come from an iterator, which may give others later"
    return _read_differently(outline, roles, line, making.parts, allowed)


def _read_differently(
    outline: Outline, roles: Roles, line: cst.CSTNode, parts: tuple[cst.CSTNode, ...], allowed: set[Variable]
) -> str | None:
    """What may be different at the training, of all that some code in a line reads."""
    own = [v for v in reads(outline, line, parts) if v not in allowed and not _is_bound_in(outline, v, parts)]
    changed = next((v for v in own if _changed_between(outline, roles, v, line, parts)), None)
    if changed is not None:
        return f"{changed.name} may change before the training"
    return "something may change its arguments" if disturbed_between(outline, roles, line, *parts) else None


def _is_bound_in(outline: Outline, variable: Variable, parts: tuple[cst.CSTNode, ...]) -> bool:
    """Whether a variable belongs to a function that runs in some code, or to a comprehension there."""
    owner = variable.owner
    return owner is not None and any(outline.program.contains(part, owner.node) for part in parts)


def _changed_between(
    outline: Outline, roles: Roles, variable: Variable, line: cst.CSTNode, parts: tuple[cst.CSTNode, ...]
) -> bool:  # fmt: skip
    """Whether a variable, or an attribute of it that matters, may be different at the training."""
    program, around = outline.program, between(outline, line)
    for seen in variable.writes:
        if seen.scope not in (variable.owner, outline.site.driver):
            return True
        if around.may_follow(seen.node) and not around.is_over(seen.node):
            return True
    for seen in variable.reads:
        inside = any(program.contains(part, seen.node) for part in (around.loop, *outline.consumed))
        if inside or around.is_over(seen.node):
            continue
        if variable in roles.models and around.runs(seen.node) and not _is_left_alone(outline, seen.node):
            return True
        if around.may_follow(seen.node) and _stores(outline, roles, variable, seen.node, parts):
            return True
    return False


def _is_left_alone(outline: Outline, node: cst.CSTNode) -> bool:
    """Whether a use of a model leaves its parameters the objects that they are."""
    asked = isinstance(outline.program.parent[node], cst.Attribute) and is_only_asked(outline.program, node)
    return asked or keeps_parameters(outline, node)


def _stores(
    outline: Outline, roles: Roles, variable: Variable, node: cst.CSTNode, parts: tuple[cst.CSTNode, ...]
) -> bool:  # fmt: skip
    """Whether an attribute is set, through this name of its object, that the making of an optimizer reads."""
    parent = outline.program.parent
    place, name = node, None
    while isinstance(parent.get(place), (cst.Attribute, cst.Subscript)):
        place = parent[place]
        name = place.attr.value if name is None and isinstance(place, cst.Attribute) else name
    holder = parent.get(place)
    if place is node or not isinstance(holder, (cst.AssignTarget, cst.AugAssign)) or holder.target is not place:
        return False
    uses = [parent[part] for part, used in outline.uses(*parts) if used is variable]
    read = {part.attr.value if isinstance(part, cst.Attribute) else None for part in uses}
    return variable in roles.models or None in read or name is None or name in read


def _touched_between(outline: Outline, variable: Variable, line: cst.CSTNode) -> bool:
    """Whether more than a plain value of a variable may be changed between a line and the training."""
    program, around = outline.program, between(outline, line)
    for seen in variable.occurrences:
        used = isinstance(program.parent.get(seen.node), (cst.Attribute, cst.Subscript, cst.Arg))
        if used and around.holds(seen.node) and not is_only_asked(program, seen.node):
            return True
    return False


def _is_used_elsewhere(outline: Outline, roles: Roles, variable: Variable) -> bool:
    """Whether anything but the training, and the lines that make the optimizers and schedulers, uses an object."""
    program = outline.program
    lines = list(statements_of(program, (*roles.optimizers, *roles.schedulers)))
    inside: list[cst.CSTNode] = [outline.site.epoch_loop, *outline.consumed, *lines]
    return any(not any(program.contains(part, seen.node) for part in inside) for seen in variable.occurrences)
