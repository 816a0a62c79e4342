"""Values that no epoch changes: Lightning asks for the batches once, not in every epoch."""

from __future__ import annotations

import libcst as cst

from refactorer.analysis.program import Program
from refactorer.lightning.plan import Plan

_READERS = (
    "builtins.len", "builtins.enumerate", "builtins.iter", "builtins.print", "builtins.zip", "torch.utils.data.",
)  # fmt: skip
_SIZES = ("shape", "size")


def is_constant(plan: Plan, node: cst.CSTNode | None) -> bool:
    """Whether a number, or a `range` of numbers, is the same in every epoch."""
    if isinstance(node, cst.Integer):
        return True
    if isinstance(node, cst.BinaryOperation):
        return is_constant(plan, node.left) and is_constant(plan, node.right)
    if isinstance(node, cst.Call):
        name = plan.program.qualified_name(node.func)
        if name == "builtins.len":
            return _is_kept(plan, node.args[0].value)
        plain = name == "builtins.range" and not any(arg.star or arg.keyword for arg in node.args)
        return plain and all(is_constant(plan, arg.value) for arg in node.args)
    if isinstance(node, cst.Subscript) and isinstance(node.value, cst.Attribute) and node.value.attr.value in _SIZES:
        return _is_kept(plan, node.value.value)
    return _is_number(plan, node)


def _is_number(plan: Plan, node: cst.CSTNode | None) -> bool:
    """A name that is bound outside the training only, to a number."""
    variable = plan.outline.variable(node) if isinstance(node, cst.Name) else None
    value = plan.program.assigned_value(variable)
    if variable is None or value is None or _is_written(plan, node):
        return False
    return isinstance(value, cst.Integer) or is_constant(plan, value)


def _is_kept(plan: Plan, node: cst.CSTNode) -> bool:
    """Whether a name is bound once, outside the training, and the training only reads elements of what it holds."""
    variable = plan.outline.variable(node) if isinstance(node, cst.Name) else None
    if variable is None or plan.program.assigned_value(variable) is None or _is_written(plan, node):
        return False
    inside = [found for found, used in plan.outline.uses(*plan.lines()) if used is variable]
    driver = plan.outline.site.driver
    elsewhere = [seen.node for seen in variable.reads if seen.scope.function is not driver and seen.order >= 0]
    return all(only_reads(plan.program, found) for found in (*inside, *elsewhere))


def _is_written(plan: Plan, node: cst.CSTNode | None) -> bool:
    variable = plan.outline.variable(node)
    if any(seen.scope is not variable.owner for seen in variable.writes):  # type: ignore[union-attr]
        return True
    return any(used is variable and plan.outline.is_write(found) for found, used in plan.outline.uses(*plan.lines()))


def only_reads(program: Program, node: cst.CSTNode) -> bool:
    """Whether a use of a container only takes elements of it, its shape, or its length."""
    parent = program.parent.get(node)
    if isinstance(parent, cst.Subscript):
        return not isinstance(program.parent.get(parent), (cst.AssignTarget, cst.AugAssign, cst.Del))
    if isinstance(parent, cst.Attribute):
        return parent.attr.value in _SIZES
    call = program.parent.get(parent) if isinstance(parent, cst.Arg) else None
    name = program.qualified_name(call.func) if isinstance(call, cst.Call) else None
    return (name or "").startswith(_READERS)
