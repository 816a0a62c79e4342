"""Evaluations that no place of the training leads to: they stay, and the reader learns why."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from refactorer.analysis.program import Program
from refactorer.analysis.walk import holds, walk
from refactorer.idioms.evaluation.parts import is_loader, is_no_grad, is_switched, runs_model, silences
from refactorer.outline.anchors import holds_converted, uses_of
from refactorer.outline.batches import source_of
from refactorer.outline.classes import class_around
from refactorer.outline.optimizers import Roles
from refactorer.outline.outline import Outline

_AROUND = (
    ((cst.For, cst.While), "it stands inside another loop"),
    ((cst.Try, cst.TryStar), "it stands in a `try` statement"),
    ((cst.With,), "it stands in a `with` block"),
    ((cst.If,), "it stands under a condition"),
)


def overlooked(outline: Outline, roles: Roles) -> Iterator[tuple[cst.For, str]]:
    """The loops of a file that seem to evaluate the model of its first training, and why they stay."""
    program = outline.program
    if holds_converted(program):
        return
    for loop in program.find(cst.For):
        if (
            _is_called(program, loop)
            and not _trains(outline, loop)
            and runs_model(outline, roles, loop)
            and _is_quiet(outline, loop)
        ):
            iterable = source_of(program, loop).iterable
            if iterable is not None and is_loader(outline, iterable):
                yield loop, _around(outline, loop) or _unreached(outline, loop)
            elif iterable is not None and _is_made(iterable):
                yield loop, "it iterates over the result of a call"


def _is_called(program: Program, loop: cst.For) -> bool:
    """Whether the function that a loop stands in, if any, is mentioned in the file."""
    function = program.enclosing_function(loop)
    if function is None or uses_of(program, function):
        return True
    return any(node.attr.value == function.name.value for node in program.find(cst.Attribute))


def _trains(outline: Outline, loop: cst.For) -> bool:
    attributes = (part for part in walk(loop) if isinstance(part, cst.Attribute))
    return holds([loop], outline.site.batch_loop) or any(part.attr.value == "backward" for part in attributes)


def _is_made(iterable: cst.BaseExpression) -> bool:
    """Whether a call is given something that is named like a loader: `meter.log_every(val_loader, 20)`."""
    arguments = iterable.args if isinstance(iterable, cst.Call) else ()
    names = [cst.Module([]).code_for_node(arg.value).lower() for arg in arguments]
    return any("loader" in name and "(" not in name for name in names)


def _is_quiet(outline: Outline, loop: cst.For) -> bool:
    """Whether the script runs a loop without gradients, or behind an `eval()` of its own function."""
    if silences(outline, loop):
        return True
    inner: cst.CSTNode = loop
    for outer in outline.program.ancestors(loop):
        if isinstance(outer, cst.With) and any(is_no_grad(outline, item.item) for item in outer.items):
            return True
        if isinstance(outer, (cst.IndentedBlock, cst.Module)) and is_switched(list(outer.body[: _place(outer, inner)])):
            return True
        if isinstance(outer, cst.FunctionDef):
            return any(is_no_grad(outline, decorator.decorator) for decorator in outer.decorators)
        inner = outer
    return False


def _place(block: cst.IndentedBlock | cst.Module, line: cst.CSTNode) -> int:
    return next((i for i, part in enumerate(block.body) if part is line), 0)


def _around(outline: Outline, loop: cst.For) -> str | None:
    """What stands around a loop, within its function, that no hook could begin in the middle of."""
    own = (outline.site.epoch_loop, outline.site.batch_loop)
    for outer in outline.program.ancestors(loop):
        if isinstance(outer, cst.FunctionDef) or outer in own:
            return None
        silent = isinstance(outer, cst.With) and len(outer.items) == 1 and is_no_grad(outline, outer.items[0].item)
        for kinds, reason in _AROUND:
            if isinstance(outer, kinds) and not silent:
                return reason
    return None


def _unreached(outline: Outline, loop: cst.For) -> str:
    """Why no line of the training, or of the code behind it, leads to a loop."""
    program, site = outline.program, outline.site
    function = program.enclosing_function(loop)
    if function is None or function is site.driver.node:
        return "it runs outside the training"
    name = function.name.value
    if function in outline.methods.values():
        return f"{name}() becomes a method of the module"
    if class_around(program, function) is not None:
        return f"{name}() is a method of a class"
    block = program.parent[site.epoch_loop]
    if any(program.contains(block, use) for use in uses_of(program, function)):
        return f"no line by itself calls {name}() in the training or behind it"
    return f"{name}() is called outside the code that trains"
