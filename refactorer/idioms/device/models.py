"""Moves of models and criteria in front of the training, which `fit` makes at its beginning.

Sound when nothing between the move and the training can see where the module is, nor anything that may run without the
training. A move keeps the parameters the same objects, so that optimizers may be made in between.
"""

from __future__ import annotations

from dataclasses import dataclass

import libcst as cst

from refactorer.analysis.program import Program
from refactorer.analysis.scopes import Occurrence, Variable
from refactorer.emit.edits import Edit, Removed, takes_away
from refactorer.idioms.configure import Configuration
from refactorer.idioms.device.choice import Choice, find_choice, target_of, types_in
from refactorer.idioms.device.conditions import condition_of
from refactorer.idioms.device.lines import text_of
from refactorer.idioms.device.remarks import leaves_nothing
from refactorer.outline.blocks import block_lines
from refactorer.outline.classes import class_of_method
from refactorer.outline.comments import lines_above
from refactorer.outline.homes import Homes
from refactorer.outline.optimizers import Roles, is_module_class, makes_module
from refactorer.outline.outline import Outline
from refactorer.outline.torch_names import names_module_class

_SEES_NOTHING = {"train", "eval", "load_state_dict", "zero_grad", "parameters", "named_parameters", "requires_grad_"}
_SEES_DEVICE = (".device", "is_cuda", "get_device")


# What stands in one of these may not run at all.
_CONDITIONS = (cst.If, cst.Else, cst.For, cst.While, cst.ExceptHandler, cst.MatchCase)


@dataclass(frozen=True)
class Move:
    """A line in front of the training that moves the module of a variable; `made` is what a made module comes from."""

    line: cst.SimpleStatementLine
    call: cst.Call
    variable: Variable
    made: cst.BaseExpression | None


@dataclass(frozen=True)
class Waiting:
    """Where a module without its move is not moved yet: up to the training, and wherever the script may skip that.

    `certain` is the code that runs only if the training does; None means that it is never skipped.
    """

    program: Program
    start: int
    end: int
    certain: cst.CSTNode | None

    def covers(self, node: cst.CSTNode) -> bool:
        order = self.program.order[node]
        if order <= self.start or order < self.end:
            return order > self.start
        return self.certain is not None and not self.program.contains(self.certain, node)


def unmoved(outline: Outline, roles: Roles, configuration: Configuration, homes: Homes) -> dict[cst.CSTNode, Edit]:
    """The edits that leave the moves of modules to the Trainer."""
    choice = find_choice(outline, roles) if outline.device is not None else None
    if (
        choice is None
        or choice.by_number
        or _moves_in_its_own_way(outline)
        or not (configuration.moved or _keeps_parameters(outline))
    ):
        return {}
    found = [move for call in outline.program.calls if (move := _move(outline, choice, call)) is not None]
    taken = [move for move in found if _is_held(outline, roles, homes, move)]
    while True:
        kept = [move for move in taken if _is_unseen(outline, roles, choice, move, taken)]
        if len(kept) == len(taken):
            break
        taken = kept
    return _edits(outline, taken)


def _moves_in_its_own_way(outline: Outline) -> bool:
    program = outline.program
    return any(
        function.name.value in ("to", "cuda", "_apply") and class_of_method(program, function) is not None
        for function in program.find(cst.FunctionDef)
    )


def _keeps_parameters(outline: Outline) -> bool:
    """Whether an optimizer that is made before the move is as good: not on XLA, nor with kernels for one device."""
    special = {arg.keyword.value for call in outline.program.calls for arg in call.args if arg.keyword is not None}
    xla = any(full.split(".")[0] == "torch_xla" for full in outline.program.imports.values())
    return not xla and special.isdisjoint({"fused", "capturable"})


# --- the lines ----------------------------------------------------------------------------------------------------


def _move(outline: Outline, choice: Choice, call: cst.Call) -> Move | None:
    program, loop = outline.program, outline.site.epoch_loop
    if target_of(outline, call) != choice.target or types_in(call) or program.order[call] > program.order[loop]:
        return None
    line = program.statement(call)
    if not isinstance(line, cst.SimpleStatementLine) or len(line.body) != 1 or not _is_reached(outline, choice, line):
        return None
    small, receiver = line.body[0], call.func.value  # type: ignore[attr-defined]
    if isinstance(small, cst.Expr) and small.value is call:
        target = receiver
    elif isinstance(small, cst.Assign) and small.value is call and len(small.targets) == 1:
        target = small.targets[0].target
    else:
        return None
    variable = outline.variable(target)
    if variable is None or program.variables[target] is not variable:
        return None
    if outline.variable(receiver) is variable:
        return Move(line, call, variable, None)
    return Move(line, call, variable, receiver) if isinstance(receiver, cst.Call) else None


def _is_reached(outline: Outline, choice: Choice, line: cst.CSTNode) -> bool:
    """Whether a line runs in front of the training whenever the device is the script's choice."""
    program, loop = outline.program, outline.site.epoch_loop
    if program.scope_of(line) is not outline.site.driver:
        return False
    outer = program.parent[program.parent[line]] if program.parent[line] is not program.module else None
    asks = isinstance(outer, cst.If) and condition_of(outline, outer.test)
    if choice.condition is not None and choice.target[0] in ("cuda", "text"):
        if not isinstance(outer, cst.If) or asks != choice.condition or outer.orelse is not None:
            return False
        line = outer
    return program.contains(program.parent[line], loop)


def _is_held(outline: Outline, roles: Roles, homes: Homes, move: Move) -> bool:
    """Whether the module of the training holds a variable, and its value is a module: then `fit` moves it."""
    if move.variable not in homes.arguments:
        return False
    program = outline.program
    for seen in move.variable.writes:
        if program.contains(move.line, seen.node):
            continue
        if not makes_module(program, seen) and move.variable not in roles.models:
            return False
    if not isinstance(move.made, cst.Call):
        return True
    own = program.definition(program.variables.get(move.made.func))
    if isinstance(own, cst.ClassDef):
        return is_module_class(program, own)
    return move.variable in roles.models or names_module_class(program.qualified_name(move.made.func))


# --- what stands between ------------------------------------------------------------------------------------------


def _is_unseen(outline: Outline, roles: Roles, choice: Choice, move: Move, taken: list[Move]) -> bool:
    program = outline.program
    waiting = _waiting(outline, move)
    device = choice.variable
    if device is not None and any(waiting.start < seen.order < waiting.end for seen in device.writes):
        return False
    aside = [outline.site.epoch_loop, *outline.consumed, *(other.line for other in taken)]
    others: list[Occurrence] = []
    for seen in move.variable.occurrences:
        if seen.order < 0 or any(program.contains(part, seen.node) for part in aside):
            continue
        if seen.scope.function is not outline.site.driver:
            others.append(seen)
        elif waiting.covers(seen.node) and not _sees_nothing(outline, roles, seen):
            return False
    return not others or not _may_run(outline, others, waiting)


def _waiting(outline: Outline, move: Move) -> Waiting:
    program, loop = outline.program, outline.site.epoch_loop
    inner: cst.CSTNode = loop
    certain: cst.CSTNode | None = None
    for outer in program.ancestors(loop):
        if program.contains(outer, move.line):
            break
        if isinstance(outer, _CONDITIONS):
            certain = inner
            break
        inner = outer
    return Waiting(program, program.last[move.line], program.order[loop], certain)


def _sees_nothing(outline: Outline, roles: Roles, seen: Occurrence) -> bool:
    """Whether a use is the same wherever the module is: its parameters, its mode, its state."""
    program = outline.program
    node: cst.CSTNode = seen.node
    parent = program.parent.get(node)
    while isinstance(parent, cst.Attribute) and parent.value is node:
        node, parent = parent, program.parent.get(parent)
    if seen.access != "read" or not isinstance(node, cst.Attribute) or not isinstance(parent, cst.Call):
        return False
    line = program.statement(seen.node)
    names = isinstance(line, cst.SimpleStatementLine) and not any(word in text_of(line) for word in _SEES_DEVICE)
    return names and parent.func is node and node.attr.value in _SEES_NOTHING


def _may_run(outline: Outline, others: list[Occurrence], waiting: Waiting) -> bool:
    """Whether functions that look at the module may run before it is moved."""
    program = outline.program
    found = {outer for seen in others for outer in program.ancestors(seen.node) if _is_definition(outer)}
    grown = True
    while grown:
        users = {
            outer
            for definition in found
            for seen in program.variables[definition.name].reads  # type: ignore[attr-defined]
            for outer in program.ancestors(seen.node) if seen.node in program.order and _is_definition(outer)
        }  # fmt: skip
        grown = not users <= found
        found |= users
    loop = outline.site.epoch_loop
    return any(
        seen.node in program.order and waiting.covers(seen.node) and not program.contains(loop, seen.node)
        for definition in found - {outline.site.driver.node}
        for seen in program.variables[definition.name].reads  # type: ignore[attr-defined]
    )


def _is_definition(node: cst.CSTNode) -> bool:
    return isinstance(node, (cst.FunctionDef, cst.ClassDef))


# --- edits --------------------------------------------------------------------------------------------------------


def _edits(outline: Outline, taken: list[Move]) -> dict[cst.CSTNode, Edit]:
    """Lines without their moves; a branch of which nothing is left goes as a whole, unless comments stand in it."""
    edits: dict[cst.CSTNode, Edit] = {}
    for move in taken:
        if move.made is not None:
            edits[move.call] = move.made
        else:
            edits[move.line] = Removed(lines_above(move.line)[0]) if leaves_nothing(move.line) else None
    for move in taken:
        block = outline.program.parent[move.line]
        branch = outline.program.parent.get(block)
        if not isinstance(branch, cst.If) or branch.orelse is not None:
            continue
        if all(takes_away(edits.get(line, line)) for line in block_lines(branch.body)):
            inner = text_of(branch.with_changes(leading_lines=()))
            edits.update({line: line for line in block_lines(branch.body)} if "#" in inner else {branch: None})
    return edits
