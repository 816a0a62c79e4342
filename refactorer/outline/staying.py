"""Whether an expression has the same value in every epoch as it had in front of the training."""

from __future__ import annotations

import libcst as cst

from refactorer.analysis.program import Program
from refactorer.outline.outline import Outline
from refactorer.outline.training.reach import bound_by_functions

_STORING = (cst.AssignTarget, cst.AnnAssign, cst.AugAssign, cst.Del, cst.For, cst.Element, cst.AsName, cst.NamedExpr)
_BY_NAME = tuple(f"builtins.{name}" for name in ("setattr", "delattr", "vars", "exec", "eval", "globals"))
_ASKED = ("__getattr__", "__getattribute__")


def stays(outline: Outline, node: cst.BaseExpression) -> bool:
    """A number, a name that the training does not bind, an attribute that only the driver sets: sums of these."""
    if isinstance(node, cst.Integer):
        return True
    if isinstance(node, cst.BinaryOperation):
        return isinstance(node.operator, (cst.Add, cst.Subtract)) and all(
            stays(outline, part) for part in (node.left, node.right)
        )
    if isinstance(node, cst.Name):
        return _is_kept(outline, node)
    if not isinstance(node, cst.Attribute) or not isinstance(node.value, cst.Name):
        return False
    return _is_kept(outline, node.value) and _attribute_stays(outline, node)


def _is_kept(outline: Outline, name: cst.Name) -> bool:
    """Whether only the driver binds a variable, and does so outside the training."""
    variable = outline.variable(name)
    if variable is None or variable in bound_by_functions(outline):
        return False
    inside, own = [outline.site.epoch_loop, *outline.consumed], (variable.owner, outline.site.driver)
    return not any(
        seen.scope not in own or outline.program.contains(part, seen.node)
        for seen in variable.writes for part in inside
    )  # fmt: skip


def _attribute_stays(outline: Outline, node: cst.Attribute) -> bool:
    program, driver = outline.program, outline.program.enclosing_function(outline.site.epoch_loop)
    named = [found for found in program.find(cst.Attribute) if found.attr.value == node.attr.value]
    stored = [found for found in named if isinstance(program.parent.get(found), _STORING)]
    if any(function.name.value in (node.attr.value, *_ASKED) for function in program.find(cst.FunctionDef)):
        return False  # a property, or what stands for one
    if any(program.qualified_name(call.func) in _BY_NAME for call in program.calls):
        return False
    if any(found.attr.value == "__dict__" for found in program.find(cst.Attribute)):
        return False
    loop = outline.site.epoch_loop
    places = [program.enclosing_function(found) for found in stored if not program.contains(loop, found)]
    if len(places) < len(stored) or any(place not in (driver, *_constructors(program)) for place in places):
        return False
    return not _is_handed_out(outline, program, node.value)


def _constructors(program: Program) -> list[cst.FunctionDef]:
    """What sets attributes of objects that nobody has had before."""
    return [function for function in program.find(cst.FunctionDef) if function.name.value == "__init__"]


def _is_handed_out(outline: Outline, program: Program, base: cst.BaseExpression) -> bool:
    """Whether the training hands an object, not something in it, to code that is out of sight."""
    holder = outline.variable(base)
    for name, used in outline.uses(*(line for body in outline.hooks.values() for line in body)):
        parent = program.parent.get(name)
        if used is not holder or isinstance(parent, (cst.Attribute, cst.Subscript)):
            continue
        call = program.parent.get(parent) if isinstance(parent, cst.Arg) else None
        if not isinstance(call, cst.Call) or program.function(call.func) is None:
            return True
    return False
