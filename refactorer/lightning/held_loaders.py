"""Loaders that an object holds from its constructor on: `self.train_loader` of a trainer class."""

from __future__ import annotations

import libcst as cst

from refactorer.analysis.program import Program
from refactorer.outline.classes import class_of_method


def values_held(program: Program, node: cst.CSTNode | None) -> list[cst.BaseExpression]:
    """What `object.name` may hold, if one constructor stores it and nothing else does; none if that is not known."""
    if not isinstance(node, cst.Attribute) or not isinstance(node.value, cst.Name) or _stores_by_name(program):
        return []
    stores = [part for part in _named(program, node.attr.value) if _is_store(program, part)]
    target = program.parent.get(stores[0]) if len(stores) == 1 else None
    assign = program.parent.get(target) if isinstance(target, cst.AssignTarget) else None
    constructor = program.enclosing_function(stores[0]) if len(stores) == 1 else None
    if not isinstance(assign, cst.Assign) or constructor is None or constructor.name.value != "__init__":
        return []
    if program.parent.get(program.statement(assign)) is not constructor.body:
        return []
    parameter = program.definition(program.variables.get(assign.value))
    if isinstance(parameter, cst.Param):
        return _given(program, constructor, parameter)
    return [assign.value]


def _stores_by_name(program: Program) -> bool:
    """Whether the file may store attributes whose names are not written out."""
    names = [program.qualified_name(call.func) for call in program.calls]
    return "builtins.setattr" in names or "builtins.vars" in names or bool(_named(program, "__dict__"))


def is_only_measured(program: Program, name: str) -> bool:
    """Whether no more is read of what the attribute holds than its data set and batch size."""
    parents = [program.parent.get(node) for node in _named(program, name)]
    return all(part.attr.value in ("dataset", "batch_size") for part in parents if isinstance(part, cst.Attribute))


def _named(program: Program, name: str) -> list[cst.Attribute]:
    return [node for node in program.find(cst.Attribute) if node.attr.value == name]


def _is_store(program: Program, node: cst.Attribute) -> bool:
    parent = program.parent.get(node)
    if isinstance(parent, cst.For):
        return parent.target is node
    return isinstance(parent, (cst.AssignTarget, cst.AnnAssign, cst.AugAssign, cst.Del, cst.Element))


def _given(program: Program, constructor: cst.FunctionDef, parameter: cst.Param) -> list[cst.BaseExpression]:
    """What each call of the class gives to a parameter of its constructor; none if one of them is not plain."""
    owner = class_of_method(program, constructor)
    names = [param.name.value for param in constructor.params.params[1:]]
    found: list[cst.BaseExpression] = []
    seen = program.variables[owner.name].reads if owner is not None else []
    for use in seen:
        call = program.parent.get(use.node)
        if not isinstance(call, cst.Call) or call.func is not use.node or any(arg.star for arg in call.args):
            return []
        given = {
            arg.keyword.value if arg.keyword is not None else names[index]: arg.value
            for index, arg in enumerate(call.args) if arg.keyword is not None or index < len(names)
        }  # fmt: skip
        if parameter.name.value not in given:
            return []
        found.append(given[parameter.name.value])
    return found
