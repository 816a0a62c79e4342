"""Moves of models and criteria in front of the training, which `fit` makes at its beginning.

Sound when nothing between the move and the training can see where the module is, nor anything that may run without the
training. A move keeps the parameters the same objects, so that optimizers may be made in between.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import libcst as cst

from refactorer.analysis.scopes import Variable
from refactorer.analysis.targets import paired
from refactorer.analysis.walk import walk
from refactorer.emit.edits import Edit, Removed, apply
from refactorer.idioms.configure import Configuration
from refactorer.idioms.device.choice import NO_CHOICE, Choice, find_choice
from refactorer.idioms.device.conditions import condition_of
from refactorer.idioms.device.lines import assigns_itself, bare_texts, text_of
from refactorer.idioms.device.moves import target_of, types_in
from refactorer.idioms.device.named import AVAILABLE
from refactorer.idioms.device.remarks import leaves_nothing, says_no_more
from refactorer.idioms.device.unseen import is_unseen
from refactorer.outline.blocks import block_lines
from refactorer.outline.classes import class_of_method
from refactorer.outline.comments import lines_above
from refactorer.outline.objects.optimizers import (
    Roles,
    is_module_class,
    is_taken_for_network,
    makes_module,
    makes_network_elsewhere,
    spreads,
)
from refactorer.outline.objects.torch_names import names_module_class
from refactorer.outline.objects.torch_names import unmoved as without_moves
from refactorer.outline.outline import Outline
from refactorer.outline.places.homes import Homes

_PLACE = "the Trainer is told of the place that it gives the model"
_OWN = "a class of the script has a to() or cuda() of its own"
_KERNELS = "an optimizer in front of the training is made for the parameters where they are"
_OTHER = "it goes to another device than the batches, as far as their names tell"
_RETYPES = "it converts the type, or the layout, as well"
_CONDITION = "it may be made in some cases only"
_NO_MODULE = "what is moved may be no nn.Module, which the Trainer would leave where it is"
_NOT_HELD = "the module of the training does not hold it, so the Trainer would leave it where it is"
_COMMENT = "a comment that says more stands with it"
_WRAPS = "what wraps the model may need it where it is"
_USED = "code between it and the training uses what is moved, and may do so where it is"
_OF_TENSORS = ("torch", "numpy", "builtins")
_LEAVING = (cst.Return, cst.Raise, cst.Break, cst.Continue)
_PARAMETERS = ("parameters", "named_parameters")
_OF_NETWORKS = ("train", "eval", "state_dict", "load_state_dict")


@dataclass(frozen=True)
class Move:
    """A line in front of the training that moves the module of a variable; `made` is what a made module comes from."""

    line: cst.SimpleStatementLine
    call: cst.Call
    variable: Variable
    made: cst.BaseExpression | None


def unmoved(outline: Outline, roles: Roles, configuration: Configuration, homes: Homes) -> dict[cst.CSTNode, Edit]:
    """The edits that leave the moves of modules to the Trainer; notes say why others stay."""
    choice = find_choice(outline, roles)
    found = [move for call in outline.program.calls if (move := _move(outline, call)) is not None]
    used = {variable for body in outline.hooks.values() for _, variable in outline.uses(*body)}
    reasons = {
        move: _obstacle(outline, roles, choice, configuration, move) if move.variable in homes.arguments else _NOT_HELD
        for move in found
        if move.variable in (*homes.arguments, *used)
    }
    taken = [move for move, reason in reasons.items() if reason is None]
    while choice is not None:
        parts = [part for move in taken for part in _parts(outline, move)]
        seen = [move for move in taken if not _is_unseen(outline, choice, move, parts)]
        if not seen:
            break
        reasons.update(dict.fromkeys(seen, _USED))
        taken = [move for move in taken if move not in seen]
    commented = [move for move in taken if _keeps_comment(_emptied(outline, move, taken))]
    reasons.update(dict.fromkeys(commented, _COMMENT))
    taken = [move for move in taken if move not in commented]
    _note_staying(outline, roles, reasons)
    return _edits(outline, taken)


def _parts(outline: Outline, move: Move) -> list[cst.CSTNode]:
    """What stands in front of the training for the move alone: its line, and the other branch that moves nothing."""
    branch = _around(outline, move.line)
    others = [branch.orelse] if isinstance(branch, cst.If) and branch.orelse is not None else []
    return [move.line if move.made is None else move.line.body[0].targets[0], *others]  # type: ignore[attr-defined]


# --- the lines ----------------------------------------------------------------------------------------------------


def _move(outline: Outline, call: cst.Call) -> Move | None:
    """A line of the driver in front of the training that does no more than to move a variable, or what it makes."""
    program, loop = outline.program, outline.site.epoch_loop
    if target_of(outline, call) is None or program.order[call] > program.order[loop]:
        return None
    line = program.statement(call)
    if not isinstance(line, cst.SimpleStatementLine) or len(line.body) != 1:
        return None
    if program.scope_of(line) is not outline.site.driver:
        return None
    receiver = call.func.value  # type: ignore[attr-defined]
    target = _target(line.body[0], call)
    variable = outline.variable(target) if target is not None else None
    if variable is None or program.variables[target] is not variable:  # type: ignore[index]
        return None
    alone = line.body[0].value is call  # type: ignore[attr-defined]
    if alone and outline.variable(receiver) is variable:
        return Move(line, call, variable, None)
    return Move(line, call, variable, receiver) if isinstance(receiver, cst.Call) else None


def _target(small: cst.CSTNode, call: cst.Call) -> cst.BaseExpression | None:
    """What a statement binds to the value of a call: `net = Net().cuda()`, `net, data = Net().cuda(), data.cuda()`."""
    if isinstance(small, cst.Expr) and small.value is call:
        return call.func.value  # type: ignore[attr-defined, no-any-return]
    if not isinstance(small, cst.Assign) or len(small.targets) != 1:
        return None
    pairs = paired(small.targets[0].target, small.value)
    return next((bound for bound, given in pairs if given is call), None)


def _is_unseen(outline: Outline, choice: Choice, move: Move, parts: list[cst.CSTNode]) -> bool:
    """Whether nothing sees a module that is not moved yet, by its name or by that of a network that it is made of."""
    names = (move.variable, *_made_of(outline, move))
    return all(is_unseen(outline, choice, move.line, variable, parts) for variable in names)


def _made_of(outline: Outline, move: Move) -> set[Variable]:
    """The networks with names of their own that a moved module is made of: `net` of `DataParallel(net)`."""
    program = outline.program
    values = [move.made, *(program.bound_to(seen.node) for seen in move.variable.writes)]
    made = [
        unwrapped for value in values if value is not None and isinstance(unwrapped := without_moves(value), cst.Call)
    ]
    given = {outline.variable(without_moves(arg.value)) for call in made for arg in call.args} - {None, move.variable}
    return {
        variable for variable in given
        if variable is not None and variable.owner is outline.site.driver and _acts_as_network(outline, variable)
    }  # fmt: skip


def _acts_as_network(outline: Outline, variable: Variable) -> bool:
    assigned = any(outline.program.bound_to(seen.node) is not None for seen in variable.writes)
    return is_taken_for_network(outline.program, variable) or (assigned and _is_called(outline, variable))


# --- what keeps them ----------------------------------------------------------------------------------------------


def _obstacle(
    outline: Outline, roles: Roles, choice: Choice | None, configuration: Configuration, move: Move
) -> str | None:
    """Why a move stays, uses of the module in front of the training aside."""
    if choice is None:
        return NO_CHOICE
    if choice.by_number:
        return _PLACE
    if outline.device is None:
        return NO_CHOICE
    if _moves_in_its_own_way(outline):
        return _OWN
    if not (configuration.moved or _keeps_parameters(outline)):
        return _KERNELS
    target = target_of(outline, move.call)
    if target != choice.target and not (choice.target == ("cuda",) and choice.is_moved_to(target)):
        return _OTHER
    if types_in(move.call):
        return _RETYPES
    if not _is_reached(outline, choice, move):
        return _CONDITION
    if _wraps(outline, move):
        return _WRAPS
    return None if _is_module(outline, roles, move) else _NO_MODULE


def _wraps(outline: Outline, move: Move) -> bool:
    """Whether a module is made of the one that has its name so far, and not by `DataParallel`."""
    if move.made is None or spreads(outline.program, move.made):
        return False
    return any(outline.variable(node) is move.variable for node in walk(move.made))


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


def _is_reached(outline: Outline, choice: Choice, move: Move) -> bool:
    """Whether the device is the script's choice wherever a line in front of the training runs.

    In a branch that asks for something else, another line has to stay.
    """
    program, loop = outline.program, outline.site.epoch_loop
    line: cst.CSTNode = move.line
    outer = _around(outline, line)
    asks = condition_of(outline, outer.test) if isinstance(outer, cst.If) else None
    if choice.target[0] in ("cuda", "text", "other") and (choice.condition is not None or asks == AVAILABLE):
        wanted = AVAILABLE if choice.condition is None else choice.condition  # without CUDA nothing trains at all
        alone = isinstance(outer, cst.If) and (outer.orelse is None or _joined(outline, outer) is not None)
        if outer is None or asks != wanted or not alone:
            return False
        line = outer
    block = program.parent[line]
    if program.contains(block, loop) or not isinstance(block, cst.BaseSuite):
        return program.contains(block, loop)
    keeps = move.made is not None or not all(_moves_something(outline, other) for other in block_lines(block))
    return keeps and _comes_to_training(outline, line)


def _around(outline: Outline, line: cst.CSTNode) -> cst.CSTNode | None:
    """The statement that a line stands in."""
    block = outline.program.parent[line]
    return outline.program.parent[block] if block is not outline.program.module else None


def _comes_to_training(outline: Outline, line: cst.CSTNode) -> bool:
    """Whether a line stands in branches in front of the training that do not leave."""
    for outer in outline.program.ancestors(line):
        if outline.program.contains(outer, outline.site.epoch_loop):
            return isinstance(outer, (cst.IndentedBlock, cst.Module))
        if not isinstance(outer, (cst.If, cst.Else, cst.IndentedBlock)):
            return False
        if isinstance(outer, cst.IndentedBlock) and _leaves(outer):
            return False
    return False


def _leaves(branch: cst.IndentedBlock) -> bool:
    """Whether a branch may end something; others that the script has beside it may."""
    return any(isinstance(node, _LEAVING) for node in walk(branch)) or "exit(" in text_of(branch)


def _moves_something(outline: Outline, line: cst.CSTNode) -> bool:
    return any(target_of(outline, node) is not None for node in walk(line))


def _is_module(outline: Outline, roles: Roles, move: Move) -> bool:
    """Whether the value of a variable is a module: then `fit` moves it."""
    program = outline.program
    if move.variable in roles.models or _is_asked(outline, move.variable, _PARAMETERS):
        return True
    if _is_asked(outline, move.variable, _OF_NETWORKS) and _is_called(outline, move.variable):
        return True
    for seen in move.variable.writes:
        value = program.bound_to(seen.node)
        elsewhere = value is not None and makes_network_elsewhere(outline, value)
        if not program.contains(move.line, seen.node) and not elsewhere and not makes_module(program, seen):
            return False
    if not isinstance(move.made, cst.Call) or makes_network_elsewhere(outline, move.made):
        return True
    own = program.definition(program.variables.get(move.made.func))
    if isinstance(own, cst.ClassDef):
        return is_module_class(program, own)
    return names_module_class(program.qualified_name(move.made.func))


def _is_called(outline: Outline, variable: Variable) -> bool:
    """Whether the script calls something, as it calls networks."""
    return any(outline.variable(call.func) is variable for call in outline.program.calls)


def _is_asked(outline: Outline, variable: Variable, methods: tuple[str, ...]) -> bool:
    """Whether the script asks something for what networks have."""
    parents = (outline.program.parent.get(seen.node) for seen in variable.reads)
    return any(isinstance(parent, cst.Attribute) and parent.attr.value in methods for parent in parents)


def _note_staying(outline: Outline, roles: Roles, reasons: dict[Move, str | None]) -> None:
    """A note for each reason for which moves stay, at the first of them; tensors are meant to be where they are."""
    said = set()
    for move, reason in reasons.items():
        if reason is None or reason in said or not _may_be_module(outline, roles, move):
            continue
        said.add(reason)
        name = move.variable.name
        outline.note("N105", move.call, f"the move of {name} stays: {reason}",
                     "nothing to do; the line does what it did")  # fmt: skip


def _may_be_module(outline: Outline, roles: Roles, move: Move) -> bool:
    """Whether something that is moved may be a network or a criterion, and not only a tensor."""
    if _is_module(outline, roles, move):
        return True
    if _is_asked(outline, move.variable, (*_PARAMETERS, *_OF_NETWORKS)):
        return True
    calls = [outline.program.bound_to(seen.node) for seen in move.variable.writes] + [move.made]
    names = [outline.program.qualified_name(call.func) for call in calls if isinstance(call, cst.Call)]
    return any(name is not None and name.split(".")[0] not in _OF_TENSORS for name in names)


# --- edits --------------------------------------------------------------------------------------------------------


def _edits(outline: Outline, taken: list[Move]) -> dict[cst.CSTNode, Edit]:
    """Lines without their moves; a branch of which nothing is left goes as a whole."""
    edits: dict[cst.CSTNode, Edit] = {}
    for move in taken:
        branch = _emptied(outline, move, taken)
        around = _around(outline, move.line)
        joined = _joined(outline, around) if move.made is not None else None
        if joined is not None and around is not None:
            edits[around] = joined
        elif branch is not None:
            edits[branch] = Removed(lines_above(branch)[0]) if leaves_nothing(branch) else None
        elif move.made is not None:
            edits[move.call] = move.made
        else:
            edits[move.line] = Removed(lines_above(move.line)[0]) if leaves_nothing(move.line) else None
    return edits


def _emptied(outline: Outline, move: Move, taken: list[Move]) -> cst.If | None:
    """The branch around a move, if it is there for moves that are to go."""
    branch = _around(outline, move.line)
    if not isinstance(branch, cst.If) or branch.orelse is not None:
        return None
    gone = [other.line for other in taken if other.made is None]
    return branch if all(line in gone for line in block_lines(branch.body)) else None


def _joined(outline: Outline, branch: cst.CSTNode | None) -> list[cst.CSTNode] | None:
    """`net = Net()` for `if cuda: net = Net().cuda()` with an `else` that has the same line; None for all else."""
    if not isinstance(branch, cst.If) or not isinstance(branch.orelse, cst.Else):
        return None
    moves = [node for node in walk(branch.body) if target_of(outline, node) is not None]
    if len(moves) != 1 or "#" in text_of(branch.with_changes(leading_lines=())):
        return None
    block = apply(cst.IndentedBlock(block_lines(branch.body)), {moves[0]: moves[0].func.value})  # type: ignore[arg-type, attr-defined]
    done = [line for line in block.body if not assigns_itself(line)]
    if not done or bare_texts(done) != bare_texts(block_lines(branch.orelse.body)):
        return None
    return [done[0].with_changes(leading_lines=branch.leading_lines), *done[1:]]


def _keeps_comment(branch: cst.If | None) -> bool:
    """Whether a comment in a branch says more than that something is moved."""
    inner = text_of(branch.with_changes(leading_lines=())) if branch is not None else ""
    return not all(map(says_no_more, re.findall("#.*", inner)))
