"""Variables from outside the step that hold plain values, loaders or functions: no step can change what they show."""

from __future__ import annotations

import libcst as cst

from refactorer.analysis.scopes import Variable
from refactorer.outline.anchors import uses_of
from refactorer.outline.inline import arguments
from refactorer.outline.optimizers import may_be_module
from refactorer.outline.outline import Outline
from refactorer.outline.refusal import PlainerView

_VALUES = (cst.BaseNumber, cst.BaseString, cst.BinaryOperation, cst.UnaryOperation, cst.Comparison, cst.Call, cst.Name,
           cst.IfExp, cst.BooleanOperation, cst.Attribute, cst.Subscript)  # fmt: skip
_MAKERS = ("torch.utils.data.", "torch.device", "time.", "builtins.len", "builtins.int", "builtins.float", "tqdm.")


def is_plain(outline: Outline, variable: Variable, seen_before: frozenset[Variable] = frozenset()) -> bool:
    """Whether a variable from outside the step holds a plain value, a loader or a function, and not a model.

    A parameter of the driver is plain if every call of it is known and hands it something plain; what other functions
    are handed, their callers answer for.
    """
    program = outline.program
    if variable is outline.variable(outline.train.iterable):
        return True
    places = [outline.site.epoch_loop, *outline.consumed]
    for seen in variable.writes:
        parent = program.parent.get(seen.node)
        if isinstance(parent, (cst.FunctionDef, cst.ClassDef, cst.ImportAlias, cst.Attribute)):
            if outline.models_unknown and not _is_library(program.imports.get(seen.node, "")):
                return False
            continue
        if any(program.contains(place, seen.node) for place in places if seen.node in program.order):
            continue
        if isinstance(parent, cst.Param):
            function = program.enclosing_function(parent)
            if function is None or not program.contains(function, outline.site.epoch_loop):
                continue
            if variable in seen_before or not _is_plain_parameter(outline, parent, {*seen_before, variable}):
                return False
            continue
        assign = program.parent.get(parent) if isinstance(parent, cst.AssignTarget) else None
        value = assign.value if isinstance(assign, cst.Assign) else None
        if not _is_plain_value(outline, variable, value):
            return False
    return True


def _is_plain_value(outline: Outline, variable: Variable, value: cst.CSTNode | None) -> bool:
    if isinstance(value, (cst.List, cst.Dict)) and not value.elements:
        return True
    if isinstance(value, (cst.List, cst.Dict, cst.Tuple, cst.Set)):
        return all(isinstance(e.value, (cst.BaseNumber, cst.SimpleString)) for e in value.elements)
    if outline.models_unknown and isinstance(value, (cst.Call, cst.Name, cst.Attribute, cst.Subscript, cst.IfExp)):
        return isinstance(value, cst.Call) and _is_known_maker(outline, value)
    return isinstance(value, _VALUES) and not may_be_module(outline, variable)


def _is_library(full: str) -> bool:
    return full.split(".")[0] in ("torch", "numpy", "math", "time", "datetime", "os", "sys", "logging", "tqdm")


def _is_known_maker(outline: Outline, call: cst.Call) -> bool:
    """Whether a call makes something that holds no model: parsed arguments, a loader, a number, a criterion."""
    if isinstance(call.func, cst.Attribute) and call.func.attr.value == "parse_args":
        return True
    name = outline.program.qualified_name(call.func) or ""
    return name.startswith(_MAKERS) or name.endswith("Loss")


def _is_plain_parameter(outline: Outline, parameter: cst.Param, seen_before: set[Variable]) -> bool:
    program = outline.program
    function = program.enclosing_function(parameter)
    if function is None or isinstance(program.parent.get(program.parent[function]), cst.ClassDef):
        return False
    uses = uses_of(program, function)
    for use in uses:
        call = program.parent.get(use)
        if not isinstance(call, cst.Call) or call.func is not use:
            return False
        try:
            given = arguments(program, function, call, decorators_known=False)
        except PlainerView:
            return False
        if parameter not in given or not _is_plain_argument(outline, given[parameter], frozenset(seen_before)):
            return False
    return bool(uses)


def _is_plain_argument(outline: Outline, value: cst.BaseExpression, seen_before: frozenset[Variable]) -> bool:
    """A literal, a plain variable, or an attribute of one (`args.lr`)."""
    while isinstance(value, cst.Attribute):
        value = value.value
    if isinstance(value, (cst.BaseNumber, cst.BaseString)):
        return True
    if isinstance(value, cst.Name) and value.value in ("None", "True", "False"):
        return True
    variable = outline.variable(value)
    if variable is None or any(outline.program.contains(outline.site.epoch_loop, s.node) for s in variable.writes):
        return False
    return is_plain(outline, variable, seen_before)
