"""Functions that work for the training alone become methods of the module.

Two kinds need to: helpers that compute gradients, which then go through the Trainer, and functions inside the driver
that share variables with the loop, which then find them on the module.
"""

from __future__ import annotations

import libcst as cst

from refactorer.analysis.walk import walk
from refactorer.emit.reserved import RESERVED
from refactorer.outline.blocks import block_lines
from refactorer.outline.classes import class_of_method
from refactorer.outline.functions.arguments import every_parameter, is_constant
from refactorer.outline.outline import Outline
from refactorer.outline.training.contents import binds_for_others, sees_variables


def make_methods(outline: Outline) -> None:
    """Adds the functions to the hooks of the outline, under the names of the methods."""
    grown = True
    while grown:
        grown = False
        for function in _candidates(outline):
            if any(outline.program.contains(place, function) for place in outline.consumed):
                continue  # it goes with the function around it
            moves = _can_move(outline, function) and sees_variables(outline.program, function) is None
            if moves and not _binds_for_others(outline, function) and _works_for_training_only(outline, function):
                _move(outline, function)
                grown = True


def _candidates(outline: Outline) -> list[cst.FunctionDef]:
    """Functions that have not been placed and that have to be where the loop's variables are."""
    program = outline.program
    nested = [node for node in program.scope if isinstance(node, cst.FunctionDef) and _is_nested(outline, node)]
    written = {v for body in outline.hooks.values() for n, v in outline.uses(*body) if outline.is_write(n)}
    found = [node for node in nested if any(v in written for _, v in outline.uses(*node.body.body))]
    found += [node for node in nested if _writes_outer(node) and node not in found]
    found += [node for node in outline.site.helpers if node not in found and class_of_method(program, node) is None]
    inside = (outline.site.epoch_loop, *outline.consumed)
    return [node for node in found if not any(program.contains(place, node) for place in inside)]


def _is_nested(outline: Outline, node: cst.FunctionDef) -> bool:
    """Whether a function stands in the driver, outside the training."""
    scope = outline.program.scope[node].parent
    return scope is outline.site.driver and not outline.program.contains(outline.site.epoch_loop, node)


def _writes_outer(node: cst.FunctionDef) -> bool:
    return any(isinstance(part, cst.Nonlocal) for part in walk(node.body))


def _binds_for_others(outline: Outline, function: cst.FunctionDef) -> bool:
    """Whether a function binds variables of a function around the driver, which gets no value back."""
    return any(isinstance(node, cst.Nonlocal) and binds_for_others(outline, node) for node in walk(function.body))


def _works_for_training_only(outline: Outline, function: cst.FunctionDef) -> bool:
    program, loop = outline.program, outline.site.epoch_loop
    uses = [seen.node for seen in program.variables[function.name].reads]
    iterable = outline.site.iterable
    for use in uses:
        if iterable is not None and program.contains(iterable, use):
            return False
        if not any(program.contains(place, use) for place in (loop, function, *outline.consumed)):
            return False
    return bool(uses) and len(program.variables[function.name].writes) == 1


def _can_move(outline: Outline, function: cst.FunctionDef) -> bool:
    """Whether the header of a function means the same in a class body: nothing there is evaluated in the driver."""
    if function.decorators or function.asynchronous is not None or not _is_known(outline, function.returns):
        return False
    for parameter in every_parameter(function.params):
        default = parameter.default
        if not _is_known(outline, parameter.annotation) or parameter.name.value == "self":
            return False
        if default is not None and not is_constant(default) and not isinstance(default, cst.Imaginary):
            return False
    return True


def _is_known(outline: Outline, annotation: cst.Annotation | None) -> bool:
    """Whether an annotation means the same above the driver: it names built-in types, and what is imported first."""
    program, parts = outline.program, (cst.Name, cst.Attribute, cst.Subscript, cst.SubscriptElement, cst.Index)
    if annotation is None:
        return True
    for node in walk(annotation.annotation):
        variable = program.variables.get(node)
        if not isinstance(node, parts):
            return False
        writes = variable.writes if variable is not None and variable.owner is not None else []
        if not all(_is_import_in_front(outline, seen.node) for seen in writes):
            return False
    return True


def _is_import_in_front(outline: Outline, node: cst.CSTNode) -> bool:
    """Whether a name is bound by an import at the top of the file, above all of its functions and classes."""
    program = outline.program
    at_top = program.parent.get(program.statement(node)) is program.module
    imported = isinstance(program.parent.get(node), (cst.ImportAlias, cst.Attribute))
    definitions = [line for line in program.module.body if isinstance(line, (cst.FunctionDef, cst.ClassDef))]
    first = min((program.order[line] for line in definitions), default=program.order[outline.site.epoch_loop])
    return at_top and imported and program.order[node] < min(first, program.order[outline.site.epoch_loop])


def _move(outline: Outline, function: cst.FunctionDef) -> None:
    name = function.name.value
    while name in RESERVED or name in outline.hooks:
        name += "_"
    outline.methods[name] = function
    outline.hooks[name] = block_lines(function.body)
    outline.consumed.append(function)
