"""Attributes that are set while their object is made: by a method of the constructor's, or by a class out of sight."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from refactorer.analysis.program import Program
from refactorer.analysis.scopes import Variable
from refactorer.analysis.targets import names_in
from refactorer.outline.classes import class_of_method
from refactorer.outline.functions.arguments import matched
from refactorer.outline.functions.known_methods import is_asked_by_name
from refactorer.outline.outline import Outline
from refactorer.outline.training.anchors import uses_of
from refactorer.outline.training.reach import functions_run


def in_constructor(program: Program, place: cst.CSTNode) -> bool:
    """Whether a place is on a line of a constructor, under no condition."""
    function = program.enclosing_function(place)
    inside = function is not None and function.name.value == "__init__"
    return inside and _is_own_line(program, function, place)


def in_method_of_constructor(outline: Outline, place: cst.CSTNode) -> bool:
    """Whether a place is on a line of a method that constructors call (`self.build()`), and else the driver at most."""
    program = outline.program
    method = program.enclosing_function(place)
    if method is None or class_of_method(program, method) is None or not _is_own_line(program, method, place):
        return False
    if is_asked_by_name(program, method):
        return False
    uses = uses_of(program, method)
    made = [use for use in uses if _is_call_of_constructor(program, use)]
    return bool(made) and all(use in made or is_beside_training(outline, use) for use in uses)


def is_beside_training(outline: Outline, place: cst.CSTNode) -> bool:
    """Whether a place is in the function of the training, in front of the loop or behind it."""
    program, loop = outline.program, outline.site.epoch_loop
    same = program.enclosing_function(place) is program.enclosing_function(loop)
    return same and not program.contains(loop, place)


def is_behind_for_good(outline: Outline, place: cst.CSTNode) -> bool:
    """Whether a place runs behind the training, which nothing begins once more."""
    program, loop = outline.program, outline.site.epoch_loop
    again = any(isinstance(outer, (cst.For, cst.While, cst.FunctionDef)) for outer in program.ancestors(loop))
    return is_beside_training(outline, place) and program.order[place] > program.order[loop] and not again


def _is_own_line(program: Program, function: cst.FunctionDef | None, place: cst.CSTNode) -> bool:
    return function is not None and program.parent[program.statement(place)] is function.body


def _is_call_of_constructor(program: Program, use: cst.CSTNode) -> bool:
    call, constructor = program.parent.get(use), program.enclosing_function(use)
    params = constructor.params.params if constructor is not None else ()
    own = (
        isinstance(use, cst.Attribute) and bool(params)
        and program.variables.get(use.value) is program.variables.get(params[0].name)
    )  # fmt: skip
    return own and isinstance(call, cst.Call) and call.func is use and in_constructor(program, use)


def is_left_alone(outline: Outline, base: Variable) -> bool:
    """Whether the training surely runs no code out of sight that is there to change an object.

    It may look up its attributes, call methods that the file defines, and have others compute something of its data
    (`self.model(x)`). It may not hand the object itself to anyone but functions of the file, which leave it alone too.
    """
    program = outline.program
    reached = functions_run(outline)
    trains = program.enclosing_function(outline.site.epoch_loop)
    kind = class_of_method(program, trains) if trains is not None else None
    lines = kind.body.body if kind is not None else ()
    own = {part.name.value for part in lines if isinstance(part, cst.FunctionDef)}
    bases = {base, *(v for method in reached if (v := _object_of(program, method, kind)) is not None)}
    parts = [outline.site.epoch_loop, *outline.consumed, *reached]
    while lent := {v for node in _names_of(outline, bases, parts) if (v := _lent_to(outline, node))} - bases:
        bases |= lent
    return all(_lent_to(outline, n) or _is_known_use(outline, n, own) for n in _names_of(outline, bases, parts))


def _object_of(program: Program, method: cst.CSTNode, kind: cst.ClassDef | None) -> Variable | None:
    """The parameter by which a method of a class knows its object."""
    if not isinstance(method, cst.FunctionDef) or kind is None or class_of_method(program, method) is not kind:
        return None
    return program.variables[method.params.params[0].name] if method.params.params else None


def _names_of(outline: Outline, bases: set[Variable], parts: list[cst.CSTNode]) -> Iterator[cst.Name]:
    for part in parts:
        for node in outline.program.find(cst.Name, part):
            variable = outline.variable(node)
            if variable in bases and outline.program.access(node) == "read":
                yield node


def _lent_to(outline: Outline, node: cst.Name) -> Variable | None:
    """The parameter of a function of the file that a call hands an object to."""
    program = outline.program
    arg = program.parent.get(node)
    call = program.parent.get(arg) if isinstance(arg, cst.Arg) and arg.value is node else None
    function = program.function(call.func) if isinstance(call, cst.Call) else None
    if function is None or function.decorators or not isinstance(call, cst.Call):
        return None
    bound = matched(function.params, call.args) or {}
    return next((program.variables[parameter.name] for parameter, value in bound.items() if value is node), None)


def _is_known_use(outline: Outline, node: cst.Name, own: set[str]) -> bool:
    program = outline.program
    attribute = program.parent.get(node)
    if not isinstance(attribute, cst.Attribute) or attribute.value is not node:
        return False
    call = program.parent.get(attribute)
    if not isinstance(call, cst.Call) or call.func is not attribute or attribute.attr.value in own:
        return True
    return not isinstance(program.parent.get(call), cst.Expr) and _takes_data(outline, call)


def _takes_data(outline: Outline, call: cst.Call) -> bool:
    """Whether an argument is made of more than numbers of epochs and batches, and of what stays the same."""
    numbers = (outline.train.index, _counted(outline))
    counts = {outline.variable(name) for number in numbers for name in names_in(number)}
    for _, variable in outline.uses(*(arg.value for arg in call.args)):
        inside = [s for s in variable.writes if s.node in outline.program.order and _is_inside(outline, s.node)]
        if inside and variable not in counts:
            return True
    return False


def _counted(outline: Outline) -> cst.BaseExpression | None:
    """What the loop binds to the number of the epoch, or of the batch."""
    loop = outline.site.epoch_loop
    if not isinstance(loop, cst.For):
        return None
    ranged = isinstance(loop.iter, cst.Call) and outline.program.qualified_name(loop.iter.func) == "builtins.range"
    return loop.target if ranged or outline.site.form == "epochs" else None


def _is_inside(outline: Outline, node: cst.CSTNode) -> bool:
    """Whether the training itself binds a name there, or a function that it calls."""
    inside = outline.program.contains(outline.site.epoch_loop, node)
    return inside or outline.program.enclosing_function(node) in functions_run(outline)
