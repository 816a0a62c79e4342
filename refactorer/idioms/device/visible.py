"""Expressions for a device, or for a condition, that the driver can evaluate in front of the training."""

from __future__ import annotations

import libcst as cst

from refactorer.analysis.flow import flow_of
from refactorer.analysis.scopes import Occurrence, Scope, Variable
from refactorer.idioms.device.conditions import is_availability, is_main_guard
from refactorer.idioms.device.items import are_plain, may_set_item
from refactorer.idioms.device.lines import text_of
from refactorer.idioms.device.made import is_made_with_object, writes_of
from refactorer.idioms.device.named import AVAILABLE, Target
from refactorer.outline.blocks import block_lines
from refactorer.outline.classes import class_of_method
from refactorer.outline.outline import Outline
from refactorer.outline.worked_out import asked_for, only_looks_up


def visible(outline: Outline, target: Target) -> cst.BaseExpression | None:
    """An expression for a device or a condition in front of the training; None if its value is not settled there."""
    site = outline.site
    if target == AVAILABLE:
        return _availability(outline)
    if target[0] == "test":
        known = all(visible(outline, operand) is not None for operand in target[2])  # type: ignore[attr-defined]
        known = known and (AVAILABLE not in target[2] or _sees_torch(outline))  # type: ignore[operator]
        return cst.parse_expression(str(target[1])) if known else None
    variable = target[1]
    if not isinstance(variable, Variable) or site.driver.lookup(variable.name) is not variable:
        return None
    if target[0] == "variable":
        return cst.Name(variable.name) if _is_settled(outline, variable) else None
    if target[0] == "item":
        changes = (_may_still_change(outline, node) for node in may_set_item(outline, variable, target))
        known = are_plain(outline) and not any(changes) and _is_settled(outline, variable)
        return cst.parse_expression(f"{variable.name}{target[2]}") if known else None
    first, *others = str(target[2]).split(".")
    asked = [function for name in (first, *others) for function in asked_for(outline.program, name)]
    if not all(_only_answers(outline, function) for function in asked):
        return None
    made = is_made_with_object(outline, variable, first)
    names = others if made else [first, *others]
    if any(_may_still_change(outline, node) for name in names for node in writes_of(outline, name)):
        return None
    settled = _is_settled(outline, variable) or _is_parameter(outline, variable)
    return cst.parse_expression(f"{variable.name}.{target[2]}") if settled else None


def _only_answers(outline: Outline, function: cst.FunctionDef) -> bool:
    """Whether a property does no more than to look for a device, so that it may be asked once more or less."""
    program = outline.program
    lines = block_lines(function.body)
    places = [call for call in program.find(cst.Call, function.body) if text_of(call).endswith(".parameters())")]
    looks = len(places) == 1 and len(lines) == 1 and text_of(lines[0]).strip() == f"return {text_of(places[0])}.device"
    return only_looks_up(program, function) or looks


def _may_still_change(outline: Outline, node: cst.CSTNode) -> bool:
    """Whether an assignment to a setting may run after the training has begun."""
    program, site = outline.program, outline.site
    function = program.enclosing_function(node)
    if function is site.driver.node or (function is None and site.driver.node is program.module):
        return program.order.get(node, 0) >= program.order[site.epoch_loop]
    return function is not None and not _is_for_the_module_only(outline, function)


def _is_for_the_module_only(outline: Outline, function: cst.FunctionDef) -> bool:
    """Whether a function is called at module level only, and not in the training: so it does not run during it."""
    program = outline.program
    if function in outline.consumed or function in outline.methods.values() or function.decorators:
        return False
    if program.parent.get(program.parent[function]) is not None or class_of_method(program, function) is not None:
        return False
    variable = program.variables.get(function.name)
    reads = variable.reads if variable is not None else []
    for seen in reads:
        parent = program.parent.get(seen.node)
        called = isinstance(parent, cst.Call) and parent.func is seen.node
        if not called or program.enclosing_function(seen.node) is not None:
            return False
        if program.contains(outline.site.epoch_loop, seen.node):
            return False
    return variable is not None and len(variable.writes) == 1


def _availability(outline: Outline) -> cst.BaseExpression | None:
    """The variable that the script asked into, or the question itself."""
    program, site = outline.program, outline.site
    for variable in (*site.driver.variables.values(), *program.scope[program.module].variables.values()):
        value = program.assigned_value(variable)
        seen = site.driver.lookup(variable.name) is variable
        if seen and is_availability(outline, value) and _is_settled(outline, variable):
            return cst.Name(variable.name)
    return cst.parse_expression("torch.cuda.is_available()") if _sees_torch(outline) else None


def _sees_torch(outline: Outline) -> bool:
    """Whether the driver calls torch by its name."""
    torch = outline.site.driver.lookup("torch")
    return torch is not None and outline.program.imports.get(torch.writes[0].node if torch.writes else None) == "torch"  # type: ignore[arg-type]


def _is_parameter(outline: Outline, variable: Variable) -> bool:
    alone = len(variable.writes) == 1 and variable.owner is outline.site.driver
    return alone and isinstance(outline.program.parent.get(variable.writes[0].node), cst.Param)


def _is_settled(outline: Outline, variable: Variable) -> bool:
    """Whether a variable surely has a value when the training begins, and keeps it."""
    program, owner = outline.program, variable.owner
    if _is_parameter(outline, variable):
        return True
    if owner is None or any(_may_write_later(outline, owner, write) for write in variable.writes):
        return False
    return any(variable in flow_of(program, lines).sure for lines in _settling(outline, variable, owner))


def _settling(outline: Outline, variable: Variable, owner: Scope) -> list[list[cst.CSTNode]]:
    """The lines that may settle a variable: those in front of the training, and those of the module around it."""
    program, site = outline.program, outline.site
    found: list[list[cst.CSTNode]] = []
    if owner.node is program.module and site.driver.node is not program.module:
        # the lines of the module do not run while the function trains
        found.append([part for line in program.module.body for part in _lines_of(outline, variable, line)])
        if any(program.enclosing_function(write.node) is not site.driver.node for write in variable.writes):
            return found
        owner = site.driver
    if all(write.order < program.order[site.epoch_loop] for write in variable.writes):
        found.append(_lines_in_front(outline, owner))
    return found


def _may_write_later(outline: Outline, owner: Scope, write: Occurrence) -> bool:
    """Whether a function that binds a variable of another scope may run during the training."""
    program, site = outline.program, outline.site
    function = program.enclosing_function(write.node)
    if write.scope is owner or function is None:
        return False
    if function is site.driver.node:
        return write.order >= program.order[site.epoch_loop]
    return not _is_for_the_module_only(outline, function)


def _lines_of(outline: Outline, variable: Variable, line: cst.CSTNode) -> list[cst.CSTNode]:
    """A line, or those of `if __name__ == '__main__':` where the functions of the file rely on what they bind."""
    relied_on = any(outline.program.enclosing_function(seen.node) is not None for seen in variable.reads)
    return block_lines(line.body) if relied_on and isinstance(line, cst.If) and is_main_guard(line) else [line]


def _lines_in_front(outline: Outline, owner: Scope) -> list[cst.CSTNode]:
    """The lines of a scope in front of the training, those of branches that it does not stand in as a whole."""
    program, loop = outline.program, outline.site.epoch_loop
    found: list[cst.CSTNode] = []
    blocks = [outer for outer in program.ancestors(loop) if isinstance(outer, (cst.Module, cst.IndentedBlock))]
    for block in blocks:
        if program.scope_of(block.body[0]) is owner:
            found += [line for line in block.body if program.last[line] < program.order[loop]]
    return found
