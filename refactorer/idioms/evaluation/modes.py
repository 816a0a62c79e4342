"""Who switches the modes around an evaluation: the Trainer, where nobody can tell, or the script, by its own lines.

The Trainer puts a module into evaluation mode in front of an evaluation, and back behind it. That is the script's doing
too if it says `eval()` in front of the loop and `train()` in front of the batches, and nothing else looks at the mode;
or if the model consists of layers that have no modes.
"""

from __future__ import annotations

from dataclasses import dataclass

import libcst as cst

from refactorer.analysis.program import Program
from refactorer.analysis.scopes import Variable
from refactorer.idioms.clearing.readers import parts_in_file
from refactorer.idioms.distributed.processes import is_rank
from refactorer.idioms.distributed.values import Data
from refactorer.idioms.evaluation.blind import switches_first
from refactorer.idioms.evaluation.fresh import starts_in_training_mode
from refactorer.idioms.evaluation.layers import is_free_of_modes
from refactorer.idioms.evaluation.parts import TEST, Evaluation, Stage, entered
from refactorer.idioms.evaluation.resetting import is_reset
from refactorer.idioms.evaluation.shared import is_shared
from refactorer.idioms.evaluation.uses import hands_on, is_harmless, pieces
from refactorer.idioms.known.elsewhere import given_with
from refactorer.idioms.known.parts import parts_of_models
from refactorer.idioms.known.taint import reaches
from refactorer.idioms.shapes import method_calls, mode_line
from refactorer.outline.classes import class_around, class_of_method
from refactorer.outline.functions.shapes_of_values import value_of
from refactorer.outline.objects.optimizers import (
    Roles,
    calls_module_class,
    is_asked_for_parameters,
    is_module_class,
    may_be_module,
)
from refactorer.outline.objects.torch_names import MOVES, unmoved
from refactorer.outline.outline import EPOCH_END, EPOCH_START, EPOCHS, TRAIN_DATA, Outline
from refactorer.outline.places.device_uses import has_own
from refactorer.outline.training.anchors import uses_of


@dataclass(frozen=True)
class Switches:
    """The script's `eval()` lines that the Trainer makes needless, and whether its `train()` is needless then too."""

    lines: list[cst.CSTNode]
    and_train: bool = True


def leave_to_trainer(outline: Outline, roles: Roles, found: Evaluation, stage: Stage) -> Switches | None:
    """The script's own switches, if the Trainer can make them instead; None where the script has to."""
    model = roles.model
    if model is None:
        return None
    lines = _left_to_trainer(outline, roles, found, stage)
    if lines is not None:
        return Switches(lines)
    return _reset(outline, roles, model, found, stage)


def _reset(outline: Outline, roles: Roles, model: Variable, found: Evaluation, stage: Stage) -> Switches | None:
    """The same where the `train()` at the start of the epoch has to stay."""
    if not _is_switched_alone(outline, roles, model, found) or stage is TEST or TEST.name in outline.own_modes:
        return None
    lines = _switches(outline, model, found)
    asked_in_step = found.midway and found.asks != EPOCH_END
    return None if asked_in_step or not is_reset(outline, roles, model, found, lines) else Switches(lines, False)


def _is_switched_alone(outline: Outline, roles: Roles, model: Variable, found: Evaluation) -> bool:
    """Whether the model is all that the Trainer would switch, and nobody asks for modes."""
    if not _is_network(outline.program, model) or _looks_at_modes(outline):
        return False
    with entered(outline, found):
        return _other_module(outline, roles, found) is None


def _left_to_trainer(
    outline: Outline, roles: Roles, found: Evaluation, stage: Stage
) -> list[cst.CSTNode] | None:  # fmt: skip
    model = roles.model
    if model is None or not _is_switched_alone(outline, roles, model, found):
        return None
    lines = _switches(outline, model, found)
    if is_free_of_modes(outline, model):
        return lines if _only_computes(outline, model, found) else None
    if stage is not TEST and TEST.name in outline.own_modes:
        return None  # the test needs the mode that the script left
    if found.midway:
        around = _switches_around(outline, roles, model, found)
        at_end = around is None and found.asks == EPOCH_END and _validates_in_eval_mode(outline, roles, model, found)
        return lines if at_end else around
    if stage is TEST:
        if not _tests_in_eval_mode(outline, model, found):
            return None
        if not _used_later(outline, roles, model, found):
            return lines
        return [] if all(line in found.earlier for line in lines) else None  # the script's own `eval()` stays
    if _validates_in_eval_mode(outline, roles, model, found):
        return lines
    return _and_back(outline, model, found)


def _and_back(outline: Outline, model: Variable, found: Evaluation) -> list[cst.CSTNode] | None:
    """The `eval()` in front of the loop, and the `train()` behind it, if no code around the two can tell."""
    with entered(outline, found):
        front, behind = [*found.earlier, *found.before], [*found.after, *found.later]
        off, on = _off_and_on(outline, model, front, behind)
        if off is None or on is None:
            return None
        if any(uses_mode(outline, model, line) for line in (*front[:off], *behind[on + 1 :])):
            return None
    return [front[off], behind[on]] if _are_all(outline, model) else None


def _off_and_on(
    outline: Outline, model: Variable, front: list[cst.CSTNode], behind: list[cst.CSTNode]
) -> tuple[int | None, int | None]:
    """Where the only `eval()` stands in front of a loop, and the only `train()` behind it."""
    off = [i for i, line in enumerate(front) if mode_line(outline, line, model, "eval")]
    on = [i for i, line in enumerate(behind) if mode_line(outline, line, model, "train")]
    return off[0] if len(off) == 1 else None, on[0] if len(on) == 1 else None


def _are_all(outline: Outline, model: Variable) -> bool:
    """Whether the only other switch than one `eval()` and one `train()` is the `train()` at the start of each epoch."""
    early = [line for line in outline.lines(EPOCH_START) if mode_line(outline, line, model, "train")]
    known = len(_calls(outline, "eval")) == 1 and len(_calls(outline, "train")) == 1 + len(early)
    return known and starts_in_training_mode(outline, model)


def _switches(outline: Outline, model: Variable, found: Evaluation) -> list[cst.CSTNode]:
    """The `eval()` in front of the loop, wherever it stands."""
    with entered(outline, found):
        return [n for n in (*found.earlier, *found.before) if mode_line(outline, n, model, "eval")]


def _switches_around(
    outline: Outline, roles: Roles, model: Variable, found: Evaluation
) -> list[cst.CSTNode] | None:  # fmt: skip
    """The `eval()` in front of an evaluation in a step, and the `train()` behind it, if no code between can tell."""
    with entered(outline, found):
        front, behind = [*found.earlier, *found.before], [*found.after, *found.later]
        off, on = _off_and_on(outline, model, front, behind)
        if off is None or on is None:
            return None
        between = [*front[off + 1 :], *behind[:on]]
        parts = parts_of_models(outline, roles)
        seen = any(outline.mentions(part, *between) for part in parts)
        if seen or any(uses_mode(outline, model, line) for line in between):
            return None
    return [front[off], behind[on]] if _are_all(outline, model) else None


def _is_network(program: Program, model: Variable) -> bool:
    """Whether a model is a network itself, not an object that holds one: the Trainer switches networks alone."""
    values = [value_of(program, seen.node) for seen in model.writes]
    made = [unmoved(value) for value in values if value is not None]
    own = [program.definition(program.variables.get(call.func)) for call in made if isinstance(call, cst.Call)]
    if any(isinstance(kind, cst.ClassDef) and not is_module_class(program, kind) for kind in own):
        return False
    if is_asked_for_parameters(program, model):
        return True
    moved = any(value is not bare for value, bare in zip(values, made, strict=False))
    return (
        len(made) == len(values)
        and not (moved and has_own(program, *MOVES))  # which may return another object
        and all(calls_module_class(program, value) for value in made)
    )


def _looks_at_modes(outline: Outline) -> bool:
    """Whether anything but a layer itself, when it is called, sees or decides in which mode it is."""
    program = outline.program
    for function in program.find(cst.FunctionDef):
        owner = class_around(program, function)
        if function.name.value in ("train", "eval") and owner is not None and is_module_class(program, owner):
            return True
    return any(not _is_own_mode(program, node) for node in program.find(cst.Attribute) if node.attr.value == "training")


def _is_own_mode(program: Program, node: cst.Attribute) -> bool:
    """Whether a method of a layer reads `self.training`."""
    function = program.enclosing_function(node)
    owner = class_of_method(program, function) if function is not None else None
    if function is None or owner is None or not is_module_class(program, owner) or not function.params.params:
        return False
    own = program.variables.get(function.params.params[0].name)
    reads = not isinstance(program.parent.get(node), (cst.AssignTarget, cst.AugAssign, cst.Del))
    return reads and own is not None and program.variables.get(node.value) is own


def _only_computes(outline: Outline, model: Variable, found: Evaluation) -> bool:
    """Whether a model is only ever called, asked for its state, or switched: no one sees its flags."""
    program = outline.program
    functions = {found.function, *outline.site.functions}
    for node, raw in program.variables.items():
        if outline.bindings.canonical(raw) is not model or outline.is_write(node):
            continue
        parent = program.parent.get(node)
        call = program.parent.get(parent) if isinstance(parent, cst.Arg) else parent
        if isinstance(parent, cst.Arg) and isinstance(call, cst.Call):
            entering = program.function(call.func) in functions and program.function(call.func) is not None
            if not entering and program.qualified_name(call.func) != "builtins.print":
                return False
        elif not isinstance(parent, cst.Attribute) and not (isinstance(call, cst.Call) and call.func is node):
            return False
    return True


def _tests_in_eval_mode(outline: Outline, model: Variable, found: Evaluation) -> bool:
    """Whether the model is surely in evaluation mode during the test."""
    lines = [*found.earlier, *found.before]
    with entered(outline, found):
        at = next((i for i, line in enumerate(lines) if mode_line(outline, line, model, "eval")), None)
        if at is None or any(uses_mode(outline, model, line) for i, line in enumerate(lines) if i != at):
            return False
    program, loop = outline.program, outline.site.epoch_loop
    early = [n for n, v in program.variables.items() if v is model and program.order[n] < program.order[loop]]
    return not any(hands_on(outline, node) for node in early)


def _used_later(outline: Outline, roles: Roles, model: Variable, found: Evaluation) -> bool:
    """Whether somebody may ask for the model's mode behind the test."""
    with entered(outline, found):
        run = [line for line in (*found.after, *found.later) if not isinstance(line, cst.FunctionDef)]
        if any(uses_mode(outline, model, line) for line in run):
            return True
    program, loop = outline.program, outline.site.epoch_loop
    functions = [function for function in program.find(cst.FunctionDef) if not program.contains(function, loop)]
    blind: list[cst.CSTNode] = [function for function in functions if switches_first(program, function, {model})]
    return _parts_used_later(outline, roles) or _later_use(outline, roles, model, found, blind)


def _validates_in_eval_mode(outline: Outline, roles: Roles, model: Variable, found: Evaluation) -> bool:
    """Whether the model is in evaluation mode from the `eval()` on to the end of the epoch, and nowhere else."""
    switches = _switches(outline, model, found)
    start = outline.lines(EPOCH_START)
    trains = [i for i, line in enumerate(start) if mode_line(outline, line, model, "train")]
    if not switches or len(trains) != 1 or len(_calls(outline, "train")) != 1:
        return False
    with entered(outline, found):
        front, behind = _around_switch(outline, found, switches)
        early = [*start[: trains[0]], *outline.lines(EPOCHS, TRAIN_DATA)]
        if any(uses_mode(outline, model, line) for line in (*early, *front)):
            return False
    seen = [part for line in (*switches, *behind) for part in parts_in_file(outline.program, line)]
    within = [*seen, *_only_called_in(outline, seen)]
    if not all(any(outline.program.contains(part, call) for part in within) for call in _calls(outline, "eval")):
        return False
    return not _parts_used_later(outline, roles) and not _later_use(outline, roles, model, found, within)


def _around_switch(
    outline: Outline, found: Evaluation, switches: list[cst.CSTNode]
) -> tuple[list[cst.CSTNode], list[cst.CSTNode]]:
    """What runs in training mode when the Trainer switches, and what in evaluation mode as well as the loop.

    An evaluation that the end of an epoch asks for is over when the code behind it runs.
    """
    lines = [*found.earlier, *found.before]
    if found.asks == EPOCH_END:
        before = [line for line in found.before if line not in switches]
        return [*pieces(outline.lines(EPOCH_END), [found.line, *switches]), *before, *found.after], []
    at = lines.index(switches[0])
    return lines[:at], [*lines[at:], *found.after, *found.later]


def _only_called_in(outline: Outline, lines: list[cst.CSTNode]) -> list[cst.CSTNode]:
    """The functions of the file that nothing but some lines, and such functions, use."""
    program = outline.program
    found: list[cst.CSTNode] = []
    functions = program.find(cst.FunctionDef)
    grown = True
    while grown:
        grown = False
        for function in functions:
            uses = uses_of(program, function) if function not in found else []
            if uses and all(any(program.contains(part, use) for part in (*lines, *found)) for use in uses):
                found.append(function)
                grown = True
    return found


def _calls(outline: Outline, method: str) -> list[cst.Call]:
    """The calls of a method in the file, those aside that the test has taken with it."""
    program, entered = outline.program, outline.site.functions
    tested = [part for part in (*outline.consumed, *outline.dropped) if part not in entered] if outline.test else []
    return [call for call in method_calls(outline, method) if not any(program.contains(part, call) for part in tested)]


def _parts_used_later(outline: Outline, roles: Roles) -> bool:
    order = outline.program.order[outline.site.epoch_loop]
    parts = parts_of_models(outline, roles)
    return any(seen.access == "read" and seen.order > order for part in parts for seen in part.occurrences)


def train_line(outline: Outline, roles: Roles) -> cst.CSTNode | None:
    """The `train()` at the start of each epoch, if the model is in that mode anyway."""
    if roles.model is None or not starts_in_training_mode(outline, roles.model):
        return None
    return next((n for n in outline.lines(EPOCH_START) if mode_line(outline, n, roles.model, "train")), None)


def _other_module(outline: Outline, roles: Roles, found: Evaluation) -> Variable | None:
    """Something besides the model that may be a module whose mode matters, and that the module would hold."""
    source = found.source(outline)
    loaders = [outline.variable(part) for part in (outline.train.iterable, source.iterable) if part is not None]
    aside = {roles.model, *roles.optimizers, *loaders}
    lines = [*(line for body in outline.hooks.values() for line in body), found.loop, *found.before, *found.after]
    for node, variable in outline.uses(*lines):
        if variable in aside or variable.owner is None or is_rank(outline.program, variable):
            continue
        parent = outline.program.parent.get(node)
        if isinstance(parent, cst.Attribute):
            node, parent = parent, outline.program.parent.get(parent)
        used = isinstance(parent, cst.Arg) or (isinstance(parent, cst.Call) and parent.func is node)
        if used and may_be_module(outline, variable, found.function) and not Data(outline, True).holds(variable):
            return variable
    return None


def uses_mode(outline: Outline, model: Variable, *lines: cst.CSTNode) -> bool:
    """Whether code does more with the model than to take its state_dict or parameters."""
    elsewhere = given_with(outline, model)
    for node, variable in outline.uses(*lines):
        if variable in elsewhere and variable is not model:
            return True
        if variable is model and not is_harmless(outline, node):
            return True
        function = outline.program.definition(variable)
        if isinstance(function, cst.FunctionDef) and reaches(outline, function, {model}, set()):
            return True
    return False


def _later_use(
    outline: Outline, roles: Roles, model: Variable, found: Evaluation, aside: list[cst.CSTNode]
) -> bool:  # fmt: skip
    """Whether code outside the training does more with the model than to take its state, or has another name for it.

    `aside` are pieces of code that are part of the training too, or cannot see its mode.
    """
    program, loop = outline.program, outline.site.epoch_loop
    if model.owner is outline.site.driver and is_shared(program, model):
        return True
    own = [found.line, *_switches(outline, model, found), *([found.function] if found.function is not None else [])]
    inside = [part for part in (loop, *outline.consumed, *outline.dropped, *own, *aside) if part in program.order]
    for node, raw in program.variables.items():
        if outline.bindings.canonical(raw) is not model or any(program.contains(part, node) for part in inside):
            continue
        before = program.order[node] < program.order[loop] and program.scope_of(node) is outline.site.driver
        if before and node in program.variables and hands_on(outline, node, roles.optimizers):
            return True
        if not before and not is_harmless(outline, node) and not _is_parameter(program.parent[node]):
            return True
    return False


def _is_parameter(node: cst.CSTNode) -> bool:
    return isinstance(node, cst.Param)
