"""Batches that Lightning treats in a way of its own: it leaves out None, and makes lists, dictionaries, objects anew.

To move a batch, Lightning makes every container in it anew. A container that the loader hands out again would then not
have what the step has done to it, and some cannot be made anew. A tensor stays the very object.
"""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from refactorer.analysis.program import Program
from refactorer.analysis.scopes import Variable
from refactorer.analysis.walk import walk
from refactorer.lightning.data import is_fresh, loaders, loaders_held
from refactorer.lightning.plan import Plan
from refactorer.lightning.traps import Found
from refactorer.outline.batches import BatchSource
from refactorer.outline.outline import STEP, VALIDATION_STEP

_SKIPPING = (cst.IfExp, cst.BooleanOperation, cst.Lambda)
_NEVER_NONE = ("builtins.range", "builtins.zip", "builtins.enumerate")
_PASSING = ("builtins.iter", "builtins.enumerate", "builtins.zip", "tqdm.")
_CONTAINERS = (
    "builtins.list", "builtins.tuple", "builtins.dict", "collections.", "typing.NamedTuple", "typing.Mapping",
    "typing.Sequence", "typing.List", "typing.Dict", "typing.Tuple",
)  # fmt: skip
_OF_TENSORS = {
    "to", "cuda", "float", "long", "double", "half", "int", "shape", "size", "dim", "view", "reshape", "unsqueeze",
    "squeeze", "permute", "transpose", "t", "dtype", "requires_grad_", "contiguous", "detach", "numel", "flatten",
    "type", "item", "expand", "sum", "mean", "max", "min", "argmax", "cpu", "numpy",
}  # fmt: skip


def find_none(plan: Plan) -> Found | None:
    """Batches that may be None."""
    for source, hook in _unseen(plan):
        if not _is_never_none(plan, source, hook):
            return Found(source.loop, "a batch may be None")
    return None


def find_containers(plan: Plan) -> Found | None:
    """Why Lightning may not hand on a batch as it is."""
    for source, hook in _unseen(plan):
        if plan.outline.keeps_batches or plan.outline.moves_batches:
            return None
        if _is_taken_apart(plan.program):
            return Found(source.loop, "its batches may be objects of a class of the script")
        if not _holds_tensors(plan, source, hook):
            return Found(source.loop, "its batches may hold lists or dictionaries that the loader hands out again")
    return None


def _unseen(plan: Plan) -> Iterator[tuple[BatchSource, str]]:
    """The sources of batches, with their steps, that are not surely made of new containers with tensors."""
    if plan.outline.site.form == "whole":
        return
    for source, hook in ((plan.outline.train, STEP), (plan.outline.evaluation, VALIDATION_STEP)):
        if source is None or source.iterable is None:
            continue
        if not _are_fresh(plan, source.iterable) or _is_taken_apart(plan.program):
            yield source, hook


def _are_fresh(plan: Plan, iterable: cst.BaseExpression | None) -> bool:
    """Whether each batch is one that torch's own function makes of tensors, or a number, or several of these."""
    name = (plan.program.qualified_name(iterable.func) or "") if isinstance(iterable, cst.Call) else ""
    if name == "builtins.range":
        return True
    if isinstance(iterable, cst.Call) and name.startswith(_PASSING):
        return bool(iterable.args) and all(
            _are_fresh(plan, arg.value)
            for arg in iterable.args
            if arg.keyword is None or arg.keyword.value == "iterable"
        )
    made = loaders(plan.program, plan.outline.variable(iterable)) or loaders_held(plan.program, iterable)
    return bool(made) and all(is_fresh(plan.program, call) for call in made)


def _is_taken_apart(program: Program) -> bool:
    """Whether the file has classes whose objects would be moved by their own method, field by field, or made anew."""
    own = any(node.name.value == "to" for node in program.find(cst.FunctionDef))
    parts = [d.decorator for node in program.find(cst.ClassDef) for d in node.decorators]
    classes = [program.qualified_name(part.func if isinstance(part, cst.Call) else part) for part in parts]
    bases = [program.qualified_name(base.value) or "" for node in program.find(cst.ClassDef) for base in node.bases]
    return own or "dataclasses.dataclass" in classes or any(base.startswith(_CONTAINERS) for base in bases)


def _is_never_none(plan: Plan, source: BatchSource, hook: str) -> bool:
    made = source.iterable.func if isinstance(source.iterable, cst.Call) else None
    if plan.program.qualified_name(made) in _NEVER_NONE or isinstance(source.target, (cst.Tuple, cst.List)):
        return True
    return _is_needed(plan, source, hook)


def _is_needed(plan: Plan, source: BatchSource, hook: str) -> bool:
    """Whether the step fails for a batch that is None: its first use takes something out of it."""
    batch = plan.outline.variable(source.target)
    for line in plan.outline.hooks[hook]:
        uses = [node for node, used in plan.outline.uses(line) if used is batch and not plan.outline.is_write(node)]
        if uses:
            return isinstance(line, cst.SimpleStatementLine) and any(_takes_out(plan.program, n) for n in walk(*uses))
    return False


def _takes_out(program: Program, node: cst.CSTNode) -> bool:
    """Whether a name is indexed, asked for an attribute, or taken apart."""
    parent = program.parent.get(node)
    if isinstance(parent, cst.Assign):
        return isinstance(parent.targets[0].target, (cst.Tuple, cst.List))
    may_skip = any(isinstance(outer, _SKIPPING) for outer in program.ancestors(node))
    return isinstance(parent, (cst.Attribute, cst.Subscript)) and not may_skip


def _holds_tensors(plan: Plan, source: BatchSource, hook: str) -> bool:
    """Whether a batch is surely made of tensors, none of which is in a container that the step can see."""
    places = _names(source.target) if source.target is not None else None
    if isinstance(source.target, cst.Name):
        unpacked = _unpacked(plan, plan.outline.variable(source.target), hook)
        if unpacked is not None:
            places = unpacked
    parts = [plan.outline.variable(name) for name in places or ()]
    return places is not None and all(_is_tensor(plan, part, source.loop) for part in parts)


def _names(target: cst.BaseExpression) -> list[cst.Name] | None:
    """The names in a target; None where it is more than names in brackets."""
    if isinstance(target, cst.Name):
        return [target]
    if not isinstance(target, (cst.Tuple, cst.List)):
        return None
    parts = [_names(element.value) if isinstance(element, cst.Element) else None for element in target.elements]
    return None if any(part is None for part in parts) else [name for part in parts for name in part or ()]


def _unpacked(plan: Plan, batch: Variable | None, hook: str) -> list[cst.Name] | None:
    """The names that a step takes a batch apart into, if that is all that it does with it."""
    found: list[cst.Name] | None = None
    for node, used in plan.outline.uses(*plan.lines()):
        if used is not batch or plan.outline.is_write(node):
            continue
        parent = plan.program.parent.get(node)
        names = (
            _names(parent.targets[0].target)
            if isinstance(parent, cst.Assign) and _takes_out(plan.program, node)
            else None
        )
        if names is None or found is not None:
            return None
        found = names
    return found


def _is_tensor(plan: Plan, variable: Variable | None, loop: cst.CSTNode) -> bool:
    """Whether something is asked of a part of a batch that only tensors and arrays have; `_` is not looked at."""
    if variable is None or not variable.reads:
        return True
    parents = [plan.program.parent.get(seen.node) for seen in variable.reads if plan.program.contains(loop, seen.node)]
    asked = [part.attr.value for part in parents if isinstance(part, cst.Attribute)]
    return not parents or any(name in _OF_TENSORS for name in asked)
