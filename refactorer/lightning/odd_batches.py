"""Batches that Lightning would treat in a way of its own: it leaves out None, and takes objects apart to move them."""

from __future__ import annotations

import libcst as cst

from refactorer.analysis.program import Program
from refactorer.analysis.walk import walk
from refactorer.lightning.plan import Plan
from refactorer.lightning.traps import Found
from refactorer.outline.batches import BatchSource
from refactorer.outline.outline import STEP

_SKIPPING = (cst.IfExp, cst.BooleanOperation, cst.Lambda)
_NEVER_NONE = ("builtins.range", "builtins.zip", "builtins.enumerate")


def find_odd_batches(plan: Plan) -> Found | None:
    """Why a loader that nobody can see may yield what Lightning does not hand on as it is."""
    source = plan.outline.train
    if source.iterable is None:
        return None
    if is_taken_apart(plan.program):
        return Found(source.loop, "its batches may be objects of a class of the script")
    made = source.iterable.func if isinstance(source.iterable, cst.Call) else None
    if plan.program.qualified_name(made) in _NEVER_NONE or isinstance(source.target, (cst.Tuple, cst.List)):
        return None
    return None if _is_needed(plan, source) else Found(source.loop, "its batches may be None")


def is_taken_apart(program: Program) -> bool:
    """Whether the file has classes whose objects would be moved by their own method, or field by field."""
    own = any(node.name.value == "to" for node in program.find(cst.FunctionDef))
    parts = [d.decorator for node in program.find(cst.ClassDef) for d in node.decorators]
    classes = [program.qualified_name(part.func if isinstance(part, cst.Call) else part) for part in parts]
    return own or "dataclasses.dataclass" in classes


def _is_needed(plan: Plan, source: BatchSource) -> bool:
    """Whether the step fails for a batch that is None: its first use takes something out of it."""
    batch = plan.outline.variable(source.target)
    for line in plan.outline.hooks[STEP]:
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
