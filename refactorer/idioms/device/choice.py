"""The device that a script chose: a variable, a setting, or CUDA, perhaps under one condition."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

import libcst as cst

from refactorer.analysis.scopes import Variable
from refactorer.idioms.device.conditions import ELSEWHERE, MAIN, OTHER, condition_around, conditions_around
from refactorer.idioms.device.lines import text_of
from refactorer.idioms.device.made import writes_of
from refactorer.idioms.device.moves import place_named, target_of
from refactorer.idioms.device.named import AVAILABLE, Target, last_name
from refactorer.idioms.device.numbered import names_number, visible_text, without_number
from refactorer.idioms.device.stateless import moves_nothing
from refactorer.idioms.device.twins import cuda_twins, is_handed_on, passed_on, sets_device
from refactorer.idioms.device.visible import visible
from refactorer.idioms.device.where_model_is import is_where_model_is, place_of_network
from refactorer.idioms.shapes import method_name
from refactorer.outline.functions.arguments import matched
from refactorer.outline.objects.optimizers import Roles
from refactorer.outline.outline import Outline

_NUMBERED = re.compile(r"cuda:\d+")
NO_CHOICE = "the script names no single device that is known in front of the training"


@dataclass(frozen=True)
class Choice:
    """The one device that the script moves its training to.

    `expression` is what the Trainer is given; None where it has to ask the model. `condition` says when CUDA is used at
    all; None if there is no condition. `twins` are other names for the same device, where `condition` holds. A device
    that is known by its number is the place of the model, which the script has moved there.
    """

    target: Target
    expression: cst.BaseExpression | None
    condition: Target | None = None
    twins: frozenset[Target] = frozenset()
    by_number: bool = False

    @property
    def is_known(self) -> bool:
        """Whether it is known which of its names the device has in front of the training."""
        return self.by_number or self.expression is not None

    @property
    def is_cuda(self) -> bool:
        """Whether `x.cuda()` moves to the device."""
        return ("cuda",) in (self.target, *self.twins)

    def is_moved_to(self, target: Target | None) -> bool:
        """Whether a move goes to the device."""
        return target == self.target or target in self.twins

    @property
    def variable(self) -> Variable | None:
        """The device, where it is one variable."""
        found = self.target[1] if self.target[0] == "variable" else None
        return found if isinstance(found, Variable) else None


def find_choice(outline: Outline, roles: Roles) -> Choice | None:
    """The device that the moves of the driver, of module level and of the hooks name, if it is only one.

    The moves of a function that trains count alone where module level has the device by another name.
    """
    moves = _moves(outline)
    found = _chosen(outline, roles, moves)
    own = [(call, target) for call, target in moves if outline.program.enclosing_function(call) is not None]
    beside = [(call, target) for call, target in moves if outline.program.enclosing_function(call) is None]
    handed = found is None and is_handed_on(outline, {target for _, target in own}, beside)
    return _chosen(outline, roles, own) if handed else (found or _handed_over(outline, moves))


def _handed_over(outline: Outline, moves: list[tuple[cst.Call, Target]]) -> Choice | None:
    """The device of a training that moves nothing itself, but hands it to functions of the file that do."""
    calls = [call for call in outline.program.calls if not moves and _is_of_training(outline, call)]
    given = {(call, place_named(outline, arg.value)) for call in calls for arg in call.args}
    found = {target for call, target in given if target is not None and _moves_inside(outline, call, target)}
    target = found.pop() if len(found) == 1 else None
    named = target is not None and target[0] == "variable" and _says_device(target)
    expression = visible(outline, target) if target is not None and named else None
    return Choice(target, expression) if target is not None and expression is not None else None


def anywhere(outline: Outline) -> Choice | None:
    """All devices that the file names, where it is not known which of them the model is on; None if it names none."""
    named = {target for call in outline.program.calls if (target := target_of(outline, call)) is not None}
    return Choice(min(named, key=str), None, twins=frozenset(named)) if named else None


def _chosen(outline: Outline, roles: Roles, moves: list[tuple[cst.Call, Target]]) -> Choice | None:
    """The device that some moves name, if it is only one."""
    moves = [(call, target) for call, target in moves if not says_it_otherwise(call, target)] or moves
    targets = {target for _, target in moves}
    variables = {target for target in targets if target[0] == "variable"}
    only = next(iter(variables or targets), None) if len(variables or targets) == 1 else None
    if only is not None and _is_number(outline, moves, only):
        return _number(outline, roles, only, [call for call, target in moves if target == only])
    if len(variables) == 1:  # the other moves stay as they are
        target = variables.pop()
        expression = visible(outline, target)
        if expression is None or not _is_sure(outline, moves, target):
            return None
        made = made_as(outline, target)
        calls = [call for call, found in moves if found == ("cuda",)]
        twins, condition = cuda_twins(outline, made, calls) if calls else (frozenset[Target](), None)
        return Choice(target, expression, condition, twins)
    first = _first_of_several(outline, targets)
    if first is not None:
        known = _cuda(outline, [call for call, _ in moves], *first)
        return replace(known, twins=frozenset(targets)) if known is not None else None
    if len(targets) != 1:
        return None
    target = targets.pop()
    if target[0] in ("setting", "item"):
        if not _is_sure(outline, moves, target):
            return None
        expression = visible(outline, target)
        return Choice(target, expression) if expression is not None else None
    device = visible_text(outline, target) if target[0] == "text" else _by_its_name(target)
    return _cuda(outline, [call for call, _ in moves], target, device) if device is not None else None


def _first_of_several(outline: Outline, targets: set[Target]) -> tuple[Target, cst.BaseExpression] | None:
    """CUDA, where the script also calls it by the number that it has if nobody sets another."""
    plain: Target = ("cuda",)
    if targets != {plain, ("other", "cuda:0")} or sets_device(outline):
        return None
    return plain, cst.SimpleString("'cuda'")


def _by_its_name(target: Target) -> cst.BaseExpression | None:
    """The name of a device that the script writes out: `'cuda'`, or `'cuda:0'`."""
    if target[0] == "other" and not _NUMBERED.fullmatch(str(target[1])):
        return None
    return cst.SimpleString(f"'{target[-1]}'")


def named_by_types(outline: Outline, choice: Choice) -> Choice | None:
    """The device as types such as `torch.cuda.FloatTensor` name it, under the condition of the script; None if not."""
    if choice.is_cuda or choice.variable is None:
        return choice if choice.is_cuda else None
    twins, condition = cuda_twins(outline, made_as(outline, choice.target), [])
    return replace(choice, twins=twins, condition=condition) if twins and condition in (None, AVAILABLE) else None


def _number(outline: Outline, roles: Roles, target: Target, moves: list[cst.Call]) -> Choice | None:
    """The device of the model, if the script has moved it to the number; under one condition, if all moves have one."""
    if visible(outline, target) is None:
        return None
    if not is_where_model_is(outline, roles, moves):
        place = place_of_network(outline, target, moves)
        return Choice(target, place, by_number=True) if place is not None else None
    around = {frozenset(found) for found in _around(outline, moves)}
    conditions = around.pop() if len(around) == 1 else frozenset()
    condition = next(iter(conditions)) if len(conditions) == 1 else OTHER
    known = condition != OTHER and visible(outline, _asked(condition)) is not None
    return Choice(target, None, condition if known else None, by_number=True)


def says_it_otherwise(call: cst.CSTNode, target: Target) -> bool:
    """Whether a move names the device by a number or a text: it counts where no other move does."""
    plain = call.func.attr.value == "to"  # type: ignore[attr-defined]
    return plain and (target[0] == "text" or _has_number_name(target))


def _has_number_name(target: Target) -> bool:
    return target[0] in ("variable", "setting") and names_number(_name_of(target))


def _says_device(target: Target) -> bool:
    return "device" in _name_of(target).lower()


def _name_of(target: Target) -> str:
    """The name of a variable or a setting."""
    return target[1].name if isinstance(target[1], Variable) and target[0] == "variable" else last_name(target)


def _is_number(outline: Outline, moves: list[tuple[cst.Call, Target]], target: Target) -> bool:
    """Whether a variable or a setting may be the number of a device, or no number."""
    if target[0] not in ("variable", "setting"):
        return False
    made = made_as(outline, target)
    if isinstance(made, cst.SimpleString) or (
        isinstance(made, cst.Call) and outline.program.qualified_name(made.func) == "torch.device"
    ):
        return False
    calls = [call for call, found in moves if found == target]
    by_number = any(call.func.attr.value == "cuda" for call in calls)  # type: ignore[attr-defined]
    return _has_number_name(target) or (by_number and not _says_device(target))


def _cuda(
    outline: Outline, moves: list[cst.Call], target: Target, device: cst.BaseExpression
) -> Choice | None:  # fmt: skip
    """CUDA, in any case or under the one condition that all moves have."""
    moves = [call for call in moves if not moves_nothing(outline.program, call)] or moves
    around = _around(outline, moves)
    if any(ELSEWHERE in found for found in around):
        return None
    if {MAIN} in around:  # whoever imports the file may have no CUDA, unless the training needs it
        around = [{OTHER} if found == {MAIN} else found for found in around]
    around = [found - {MAIN} for found in around]
    alone = {next(iter(found), None) for found in around if len(found) <= 1}
    parts = set().union(*(found for found in around if len(found) > 1))
    if None in alone:
        alone = {found for found in alone if found is None or not _compares(found)}  # CUDA is needed in any case
        parts.clear()
    if not parts <= alone | {OTHER}:
        return None
    asked = [found for call, found in zip(moves, around) if _is_of_training(outline, call)]
    if asked and not any(asked) and not parts:
        alone = {None}  # code in front of the training that asks leaves the model where the batches are not
    needed = [call for call, found in zip(moves, around) if AVAILABLE not in found]
    if alone == {None, AVAILABLE} and not any(_is_of_training(outline, call) for call in needed):
        alone.discard(None)  # the moves in front of the training stay and fail where there is no CUDA
    if len(alone) != 1 or alone == {OTHER}:
        return None
    condition = alone.pop()
    if condition is None:
        return Choice(target, device)
    negated = condition[0] == "not" and isinstance(condition[1], tuple)
    test = visible(outline, condition[1] if negated else condition)  # type: ignore[arg-type]
    if test is None:
        return None
    devices = [device, cst.SimpleString("'cpu'")]
    return Choice(target, cst.IfExp(test, *(reversed(devices) if negated else devices)), condition)


def _compares(condition: Target) -> bool:
    """Whether a condition is a comparison, or is not known."""
    return condition == OTHER or _asked(condition)[0] == "test"


def _asked(condition: Target) -> Target:
    """What a condition asks for, whether that is to hold or not."""
    inner = condition[1] if condition[0] == "not" else condition
    return inner if isinstance(inner, tuple) else condition


def _around(outline: Outline, moves: list[cst.Call]) -> list[set[Target]]:
    """The conditions under which each move is made, in the names of the driver."""
    return [{_seen_by_driver(outline, found) for found in conditions_around(outline, call)} for call in moves]


def _is_of_training(outline: Outline, call: cst.Call) -> bool:
    places = [outline.site.epoch_loop, *outline.consumed, *outline.methods.values()]
    return any(outline.program.contains(place, call) for place in places)


def _is_sure(outline: Outline, moves: list[tuple[cst.Call, Target]], target: Target) -> bool:
    """Whether something is moved to a device in any case, or the device is one that is there in any case."""
    made = made_as(outline, target)
    known = text_of(made) if made is not None else ""
    calls = [call for call, found in moves if found == target]
    inside = [condition_around(outline, call) for call in calls if _is_of_training(outline, call)]
    if "is_available" in known and (not inside or any(one is None or _is_part_of(one, known) for one in inside)):
        return True
    if any(condition_around(outline, call) is None for call in calls) or _is_in_each_branch(outline, calls):
        return True
    handing = (call for call in outline.program.calls if _is_of_training(outline, call))
    return any(condition_around(outline, call) is None and _moves_inside(outline, call, target) for call in handing)


def _moves_inside(outline: Outline, call: cst.Call, target: Target) -> bool:
    """Whether a call hands the device to a function of the file that moves something there in any case."""
    program = outline.program
    function = program.function(call.func)
    given = matched(function.params, call.args) if function is not None else None
    places = [program.variables[one.name] for one, value in (given or {}).items()
              if place_named(outline, value) == target]  # fmt: skip
    moves = [seen.node for place in places if len(place.writes) == 1 for seen in place.reads]
    outer = [program.parent.get(program.parent[node]) for node in moves]
    return any(method_name(move) == "to" and condition_around(outline, move) is None for move in outer if move)


def _is_part_of(condition: Target, made: str) -> bool:
    """Whether a device is the CPU where a condition does not hold, since it is made with that."""
    if condition[0] in ("setting", "variable"):
        return _name_of(condition) in re.findall(r"\w+", made)
    return condition == AVAILABLE


def _is_in_each_branch(outline: Outline, calls: list[cst.Call]) -> bool:
    """Whether each branch of some `if` makes one of these moves."""
    program = outline.program
    blocks = {program.parent[program.statement(call)] for call in calls}
    outers = {program.parent.get(block) for block in blocks}
    return any(
        isinstance(outer, cst.If) and condition_around(outline, outer) is None and blocks.issuperset(_branches(outer))
        for outer in outers
    )


def _branches(line: cst.If) -> list[cst.CSTNode | None]:
    """The blocks of an `if`; None for one that is not there."""
    other = line.orelse
    if isinstance(other, cst.If):
        return [line.body, *_branches(other)]
    return [line.body, other.body if other is not None else None]


def made_as(outline: Outline, target: Target) -> cst.BaseExpression | None:
    """What a device is made with, where the file shows it."""
    program, variable = outline.program, target[1]
    if target[0] == "item":
        return None
    if target[0] == "setting":
        writes = writes_of(outline, last_name(target))
        return program.bound_to(writes[0]) if len(writes) == 1 else None
    if not isinstance(variable, Variable):
        return None
    for origin, parameter in passed_on(outline).items():
        if parameter is variable:
            return program.assigned_value(origin)
    return program.assigned_value(variable)


def _moves(outline: Outline) -> list[tuple[cst.Call, Target]]:
    """The moves of the training and of the code that surrounds it, other functions aside."""
    program = outline.program
    own = {None, outline.site.driver.node, *outline.consumed, *outline.methods.values()}
    found = []
    for call in program.calls:
        if program.enclosing_function(call) in own:
            target = target_of(outline, call)
            if target is not None:
                found.append((call, target))
    given = {target for _, target in found}
    found = [(call, _with_number(outline, call, target, given)) for call, target in found]
    return [(call, _seen_by_driver(outline, target)) for call, target in found]


def _with_number(outline: Outline, call: cst.Call, target: Target, given: set[Target]) -> Target:
    """Where something is moved; `.cuda()` where there is no number does the same as `.cuda(number)`."""
    known = without_number(outline, call) if target == ("cuda",) else []
    numbers = (place_named(outline, node, by_number=True) for node in known)
    return next((number for number in numbers if number is not None and number in given), target)


def _seen_by_driver(outline: Outline, target: Target) -> Target:
    """A device or a condition with the driver's own name for it, where it is handed to the driver."""
    variable = target[1] if len(target) > 1 else None
    if isinstance(variable, tuple):
        return (target[0], _seen_by_driver(outline, variable))
    return (
        (target[0], passed_on(outline).get(variable, variable), *target[2:])
        if isinstance(variable, Variable)
        else target
    )
