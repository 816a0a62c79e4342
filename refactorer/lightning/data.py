"""Loaders: Lightning takes an iterator early, counts the batches once, and never runs an iterator to its end."""

from __future__ import annotations

from collections.abc import Iterable

import libcst as cst

from refactorer.analysis.program import Program
from refactorer.analysis.scopes import Variable
from refactorer.analysis.walk import walk
from refactorer.idioms.shapes import is_false
from refactorer.lightning.closing import find_closing
from refactorer.lightning.constants import is_constant, only_reads
from refactorer.lightning.datasets import is_fixed
from refactorer.lightning.held_loaders import is_only_measured, values_held
from refactorer.lightning.plan import Plan
from refactorer.lightning.traps import Found
from refactorer.outline.batches import BatchSource
from refactorer.outline.functions.values import values_of
from refactorer.outline.outline import STEP, TRAIN_DATA, VALIDATION_STEP

_ARGUMENTS = (
    "dataset", "batch_size", "shuffle", "num_workers", "pin_memory", "drop_last", "collate_fn", "timeout",
    "persistent_workers", "prefetch_factor",
)  # fmt: skip
_READ = ("dataset", "batch_size")
_DEPTH = 6


def find_train(plan: Plan) -> Found | None:
    """Why the batches of the training may not be those of the loop."""
    site = plan.outline.site
    if site.form == "whole":
        return None
    if plan.outline.fetches_lazily:
        return find_closing(plan)
    if TRAIN_DATA in plan.outline.hooks:
        iterable = plan.outline.train.iterable
        if _is_range(plan.program, iterable) and is_constant(plan, iterable):
            return None
        made = loaders_held(plan.program, iterable)
        if isinstance(iterable, cst.Attribute) and made:
            return _find_held(plan, iterable, made)
        return Found(plan.outline.train.loop, "the batches come from an expression that every epoch evaluates anew")
    return _find(plan, plan.outline.train, STEP)


def _find_held(plan: Plan, iterable: cst.Attribute, made: list[cst.Call]) -> Found | None:
    """What may go wrong with a loader that an object holds."""
    base = plan.outline.variable(iterable.value)
    if any(used is base and plan.outline.is_write(node) for node, used in plan.outline.uses(*plan.lines())):
        return Found(plan.outline.train.loop, "the object that holds the loader is replaced")
    if not is_only_measured(plan.program, iterable.attr.value):
        return Found(plan.outline.train.loop, "the script reaches into its own loader")
    reasons = [(call, reason) for call in made if (reason := _obstacle(plan.program, call)) is not None]
    return Found(*reasons[0]) if reasons else _handled(plan, None, made)


def find_evaluation(plan: Plan) -> Found | None:
    """Why the batches of the evaluation may not be those of its loop."""
    return _find(plan, plan.outline.evaluation, VALIDATION_STEP) if plan.outline.evaluation is not None else None


def is_asked_early(plan: Plan) -> bool:
    """Whether a loader has begun when the epoch does: no generator does, and no `range` can tell."""
    if plan.outline.site.form == "whole" or plan.outline.fetches_lazily:
        return False
    return not _is_range(plan.program, plan.outline.train.iterable)


def _is_range(program: Program, value: cst.CSTNode | None) -> bool:
    return isinstance(value, cst.Call) and program.qualified_name(value.func) == "builtins.range"


def _find(plan: Plan, source: BatchSource, hook: str) -> Found | None:
    program = plan.program
    if _is_range(program, source.iterable):
        return None
    loader = plan.outline.variable(source.iterable)
    made = loaders(program, loader) if loader is not None else []
    if not made:
        return Found(source.loop, "the batches do not come from a DataLoader that is made in this file")
    for call in made:
        reason = _obstacle(program, call)
        if reason is not None:
            return Found(call, reason)
    return _handled(plan, loader, made)


def loaders(program: Program, variable: Variable | None, depth: int = 0) -> list[cst.Call]:
    """The calls of DataLoader that a variable may be bound to; none if it may be anything else."""
    values = values_of(program, variable) if depth <= _DEPTH else None
    found = [_made_by(program, one, depth + 1) for one in values or []]
    return [call for one in found for call in one] if found and all(found) else []


def loaders_held(program: Program, node: cst.CSTNode | None) -> list[cst.Call]:
    """The same for the attribute of an object."""
    found = [_made_by(program, value, 0) for value in values_held(program, node)]
    return [call for one in found for call in one] if found and all(found) else []


def _made_by(program: Program, value: cst.BaseExpression, depth: int) -> list[cst.Call]:
    if isinstance(value, cst.IfExp):
        parts = [_made_by(program, part, depth) for part in (value.body, value.orelse)]
        return [call for part in parts for call in part] if all(parts) else []
    if isinstance(value, cst.Name):
        return loaders(program, program.variables.get(value), depth)
    if isinstance(value, cst.Call) and (program.qualified_name(value.func) or "").startswith("torch.utils.data."):
        return [value] if program.qualified_name(value.func).endswith(".DataLoader") else []  # type: ignore[union-attr]
    return []


def _obstacle(program: Program, call: cst.Call) -> str | None:
    """What makes a DataLoader more than a list of batches that is shuffled."""
    given = _given(program, call)
    if given is None:
        return "the arguments of its DataLoader are not all known"
    for name in given:
        if name not in _ARGUMENTS:
            return f"its DataLoader has a {name} of its own"
    if "drop_last" in given and not is_false(given["drop_last"]):
        return "its DataLoader may drop the only batch there is"
    if not is_fixed(program, given.get("dataset")):
        return "nothing shows that its data set keeps its length"
    return None


def _given(program: Program, call: cst.Call) -> dict[str, cst.BaseExpression] | None:
    """The arguments of a DataLoader by name; None where one is not known."""
    given: dict[str, cst.BaseExpression] = {}
    for index, arg in enumerate(call.args):
        if arg.star == "**" and isinstance(arg.value, cst.Name):
            settings = _settings(program, program.variables.get(arg.value), frozenset())
            if settings is None:
                return None
            given.update(settings)
        elif arg.star or (arg.keyword is None and index > 2):
            return None
        else:
            given[arg.keyword.value if arg.keyword is not None else _ARGUMENTS[index]] = arg.value
    return given


def is_fresh(program: Program, call: cst.Call) -> bool:
    """Whether a DataLoader makes each batch by torch's own function: containers that nobody else has."""
    given = _given(program, call)
    return given is not None and "collate_fn" not in given


def has_workers(plan: Plan) -> bool:
    """Whether a loader may have worker processes, which see the script as it is when they start."""
    texts = [node.value for node in plan.program.find(cst.SimpleString)]
    return any("num_workers" in text for text in (*texts, *(node.value for node in plan.program.find(cst.Name))))


def _settings(
    program: Program, variable: Variable | None, seen: frozenset[Variable]
) -> dict[str, cst.BaseExpression] | None:
    """The keys and values of a dictionary of arguments, made of displays and filled by `update`; None if unsure."""
    if variable is None or variable in seen:
        return None
    found: dict[str, cst.BaseExpression] = {}
    for value in values_of(program, variable) or [cst.Name("unknown")]:
        parts = [value.body, value.orelse] if isinstance(value, cst.IfExp) else [value]
        if not all(isinstance(part, cst.Dict) and _fill(found, part) for part in parts):
            return None
    for read in variable.reads:
        parent = program.parent.get(read.node)
        if isinstance(parent, cst.Arg) and parent.star == "**":
            continue
        if isinstance(parent, cst.Arg) and _is_update(program.parent.get(parent)):
            continue
        call = program.parent.get(parent) if isinstance(parent, cst.Attribute) else None
        if not _is_update(call) or len(call.args) != 1:  # type: ignore[union-attr]
            return None
        more = _settings_given(program, call.args[0].value, seen | {variable})  # type: ignore[union-attr]
        if more is None:
            return None
        found.update(more)
    return found


def _settings_given(
    program: Program, value: cst.BaseExpression, seen: frozenset[Variable]
) -> dict[str, cst.BaseExpression] | None:
    found: dict[str, cst.BaseExpression] = {}
    if isinstance(value, cst.Dict):
        return found if _fill(found, value) else None
    return _settings(program, program.variables.get(value), seen) if isinstance(value, cst.Name) else None


def _fill(found: dict[str, cst.BaseExpression], display: cst.Dict) -> bool:
    for element in display.elements:
        key = element.key if isinstance(element, cst.DictElement) else None
        if not isinstance(key, cst.SimpleString):
            return False
        found[str(key.evaluated_value)] = element.value
    return True


def _is_update(call: cst.CSTNode | None) -> bool:
    return isinstance(call, cst.Call) and isinstance(call.func, cst.Attribute) and call.func.attr.value == "update"


def _handled(plan: Plan, loader: Variable | None, made: Iterable[cst.Call]) -> Found | None:
    """Where the training reaches into a loader or its data set."""
    sets: set[Variable | None] = {
        plan.outline.variable(arg.value) for call in made for index, arg in enumerate(call.args)
        if (index == 0 and arg.keyword is None) or (arg.keyword is not None and arg.keyword.value == "dataset")
    }  # fmt: skip
    for node, variable in plan.outline.uses(*plan.lines()):
        parent = plan.program.parent.get(node)
        if variable is loader and isinstance(parent, cst.Attribute):
            if parent.attr.value not in _READ or not _is_measured(plan.program, parent):
                return Found(node, "the training reaches into its own loader")
        elif variable in sets and variable is not None and not only_reads(plan.program, node):
            return Found(node, "the training reaches into its own data set")
    for held in sets:
        for seen in held.reads if held is not None else []:
            own = seen.scope.function is plan.outline.site.driver or seen.order < 0
            if not own and not _is_handed_over(plan.program, seen.node):
                return Found(seen.node, "a function reaches into the data set")
    for node in plan.program.find(cst.Attribute):
        if node.attr.value == "dataset" and _is_changed(plan.program, node):
            return Found(node, "the data set of a loader is changed")
    return None


def _is_handed_over(program: Program, node: cst.CSTNode) -> bool:
    """Whether a function gives the data set to a loader, or only reads it."""
    return only_reads(program, node) or isinstance(program.parent.get(node), cst.Arg)


def _is_changed(program: Program, node: cst.Attribute) -> bool:
    """Whether something in `loader.dataset` is stored, or called as a method."""
    part = program.parent.get(node)
    if not isinstance(part, cst.Attribute):
        return False
    parent = program.parent.get(part)
    return isinstance(parent, (cst.AssignTarget, cst.AugAssign, cst.Call))


def _is_measured(program: Program, node: cst.Attribute) -> bool:
    """Whether `loader.dataset` is only measured, or `loader.batch_size` only read."""
    parent = program.parent.get(node)
    if node.attr.value != "dataset":
        return not isinstance(parent, (cst.AssignTarget, cst.AugAssign))
    call = program.parent.get(parent) if isinstance(parent, cst.Arg) else None
    return isinstance(call, cst.Call) and program.qualified_name(call.func) == "builtins.len"


def mentions_loader(plan: Plan, nodes: Iterable[cst.CSTNode]) -> bool:
    """Whether some code names a loader that the Trainer holds."""
    sources = [source for source in (plan.outline.train, plan.outline.evaluation) if source is not None]
    held = {plan.outline.variable(source.iterable) for source in sources if source.iterable is not None}
    return any(variable in held for _, variable in plan.outline.uses(*nodes)) or any(
        isinstance(node, cst.Attribute) and node.attr.value == "train_dataloader" for node in walk(*nodes)
    )
