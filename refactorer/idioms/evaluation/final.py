"""The evaluation behind the training: whether the driver can hand it to `trainer.test`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import libcst as cst

from refactorer.analysis.flow import passes_errors_on
from refactorer.analysis.scopes import Variable
from refactorer.analysis.targets import names_in
from refactorer.analysis.walk import walk
from refactorer.idioms.evaluation.one_process import may_be_alone
from refactorer.idioms.evaluation.parts import Evaluation, entered, last_mode
from refactorer.idioms.shapes import mode_line, only_call
from refactorer.outline.blocks import block_lines
from refactorer.outline.control import loop_jumps
from refactorer.outline.objects.optimizers import Roles
from refactorer.outline.outline import Outline


@dataclass(frozen=True)
class Block:
    """Statements behind the training, with what runs between it and them, and behind them."""

    lines: Sequence[cst.CSTNode]
    earlier: Sequence[cst.CSTNode]
    later: Sequence[cst.CSTNode]


def blocks_behind(outline: Outline) -> list[Block]:
    """The statements behind the training, and those of every `if` among them."""
    loop = outline.site.epoch_loop
    around = outline.program.parent[loop]
    if not isinstance(around, (cst.Module, cst.IndentedBlock)):
        return []
    lines: list[cst.CSTNode] = list(around.body)
    first = Block(lines[lines.index(loop) + 1 :], (), ())
    return [first, *_blocks_in(first)]


def _blocks_in(block: Block) -> Iterator[Block]:
    """The blocks of every `if` in a block; the conditions that are asked on the way run in front of them."""
    for index, line in enumerate(block.lines):
        earlier = [*block.earlier, *block.lines[:index]]
        later = [*block.lines[index + 1 :], *block.later]
        branch: cst.CSTNode | None = line
        while isinstance(branch, (cst.If, cst.Else)):
            earlier += [branch.test] if isinstance(branch, cst.If) else []
            inner = Block(block_lines(branch.body), tuple(earlier), later)
            yield inner
            yield from _blocks_in(inner)
            branch = branch.orelse if isinstance(branch, cst.If) else None


def is_sometimes(outline: Outline, found: Evaluation) -> bool:
    """Whether an evaluation behind the training stands under a condition."""
    return outline.program.parent[found.line] is not outline.program.parent[outline.site.epoch_loop]


def take_in(outline: Outline, roles: Roles, found: Evaluation) -> None:
    """Lines right in front of a loop that get it ready (`total = 0`) become a part of the evaluation."""
    lines = list(found.earlier)
    taken: list[cst.CSTNode] = []
    while found.function is None and lines and _gets_ready(outline, roles, lines[-1]):
        taken.insert(0, lines.pop())
    while taken and not isinstance(taken[0].body[0], cst.Assign):  # type: ignore[attr-defined]
        lines.append(taken.pop(0))
    found.earlier, found.before, found.taken = lines, [*taken, *found.before], taken


def _gets_ready(outline: Outline, roles: Roles, line: cst.CSTNode) -> bool:
    if any(mode_line(outline, line, model, "eval") for model in roles.models):
        return True
    call = only_call(line)
    if call is not None and isinstance(call.func, cst.Attribute) and call.func.attr.value == "reset":
        return isinstance(call.func.value, cst.Name) and not call.args
    small = line.body[0] if isinstance(line, cst.SimpleStatementLine) and len(line.body) == 1 else None
    if not isinstance(small, cst.Assign) or not all(names_in(target.target) for target in small.targets):
        return False
    calls = (outline.program.qualified_name(call.func) for call in walk(small) if isinstance(call, cst.Call))
    plain = (cst.Name, cst.BaseNumber, cst.SimpleString, cst.List, cst.Dict, cst.Tuple, cst.Element, cst.Call)
    parts = (cst.Attribute, cst.UnaryOperation, cst.BaseUnaryOp)
    known = all(isinstance(node, (*plain, *parts)) for node in walk(small.value))
    named = all(v.owner is None or names_library(outline, v) for _, v in outline.uses(small.value))
    return known and named and all(name is not None and name.startswith(("time.", "builtins.")) for name in calls)


def names_library(outline: Outline, variable: Variable) -> bool:
    """Whether a variable is an imported module or something of one."""
    return isinstance(outline.program.definition(variable), cst.ImportAlias)


def final_obstacle(outline: Outline, found: Evaluation) -> str | None:
    """What keeps an evaluation behind the training from being a test of the same module."""
    if last_mode([*found.earlier, *found.before]) == "train":
        return "the model is in training mode"
    if outline.site.epoch_loop.orelse is not None:
        return "the training has an else branch"
    for outer in outline.program.ancestors(outline.site.epoch_loop):
        if isinstance(outer, (cst.FunctionDef, cst.ClassDef)):
            break
        handles = isinstance(outer, (cst.Try, cst.TryStar))
        if handles or (isinstance(outer, cst.With) and not passes_errors_on(outline.program, outer)):
            return "the script goes on after an exception in it"
    if is_sometimes(outline, found) and may_be_alone(outline, found):
        return "one process may run it while the others go on"
    if loop_jumps(found.earlier):
        return "the script may leave the loop around the training in front of it"
    with entered(outline, found):
        changed = next((v for v in _used(outline, found) if _is_made_behind(outline, found, v)), None)
    return f"{changed.name} is assigned between the training and it" if changed is not None else None


def _used(outline: Outline, found: Evaluation) -> list[Variable]:
    """The variables of a test that the module has to know, other than the loader that the driver hands over."""
    lines = [*found.before, found.loop, *found.after, *([found.line] if found.function is not None else [])]
    loader = _own_loader(outline, found)
    return [variable for _, variable in outline.uses(*lines) if variable.owner is not None and variable is not loader]


def _own_loader(outline: Outline, found: Evaluation) -> Variable | None:
    """The variable of the test's loader, if the test does not look at it beside the loop, or nothing else does."""
    iterable = found.source(outline).iterable
    loader = outline.variable(iterable) if isinstance(iterable, cst.Name) else None
    places = (outline.site.driver, outline.program.scope[outline.program.module])
    if loader is None or loader.owner not in places or any(seen.scope is not loader.owner for seen in loader.writes):
        return None
    beside = [node for node, v in outline.uses(*found.before, found.loop, *found.after) if v is loader]
    if any(outline.is_write(node) for node in beside):
        return None
    hooks = [line for body in outline.hooks.values() for line in body]
    trains = outline.variable(outline.train.iterable) is loader or outline.mentions(loader, *hooks)
    return None if trains and len(beside) > 1 else loader


def _is_made_behind(outline: Outline, found: Evaluation, variable: Variable) -> bool:
    """Whether a variable is bound behind the training, in front of the test or by functions that may run there."""
    program = outline.program
    own = [found.line, *found.taken, *([found.function] if found.function is not None else [])]
    calls = any(isinstance(node, cst.Call) for line in found.earlier for node in walk(line))
    taken = (outline.site.epoch_loop, *outline.consumed)
    for seen in variable.writes:
        if seen.order < 0 or any(program.contains(part, seen.node) for part in own):
            continue
        by_others = seen.scope.function is not variable.owner
        if calls and by_others and not any(program.contains(part, seen.node) for part in taken):
            return True
        if any(program.contains(line, seen.node) for line in found.earlier):
            return True
    return False
