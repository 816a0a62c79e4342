"""Variables from outside the step that hold plain values, loaders or functions: no step can change what they show."""

from __future__ import annotations

import libcst as cst

from refactorer.analysis.parsed_arguments import is_known_part
from refactorer.analysis.scopes import Occurrence, Variable
from refactorer.outline.classes import class_of_method
from refactorer.outline.functions.inline import values_given
from refactorer.outline.functions.shapes_of_values import value_of
from refactorer.outline.outline import Outline

_LIBRARIES = ("torch", "numpy", "math", "time", "datetime", "os", "sys", "logging", "tqdm", "copy", "json", "shutil")
_MAKERS = (
    "argparse.", "datetime.", "logging.", "math.", "os.", "pathlib.", "time.", "tqdm.", "torch.backends.",
    "torch.cuda.", "torch.device", "torch.utils.data.", "torch.utils.tensorboard.", "tensorboardX.",
    "builtins.len", "builtins.int", "builtins.float", "builtins.str", "builtins.range", "builtins.round",
    "builtins.bool", "builtins.open", "numpy.inf",
)  # fmt: skip
_CONTAINERS = ("builtins.list", "builtins.dict", "builtins.set", "collections.")


def is_plain(outline: Outline, variable: Variable, seen_before: frozenset[Variable] = frozenset()) -> bool:
    """Whether a variable from outside the step holds a plain value, a loader or a function, and not a model.

    A parameter of the driver is plain if every call of it is known and hands it something plain; what other functions
    are handed, their callers answer for.
    """
    if variable is outline.variable(outline.train.iterable):
        return True
    if variable in seen_before:
        return False
    seen_before |= {variable}
    return all(_is_plain_write(outline, variable, seen, seen_before) for seen in variable.writes)


def _is_plain_write(outline: Outline, variable: Variable, seen: Occurrence, seen_before: frozenset[Variable]) -> bool:
    program = outline.program
    parent = program.parent.get(seen.node)
    if isinstance(parent, (cst.ImportAlias, cst.Attribute)):
        return program.imports.get(seen.node, "").split(".")[0] in _LIBRARIES or not outline.models_unknown
    if isinstance(parent, (cst.FunctionDef, cst.ClassDef)):
        return not outline.models_unknown
    places = [outline.site.epoch_loop, *outline.consumed]
    if any(program.contains(place, seen.node) for place in places if seen.node in program.order):
        return True
    if isinstance(parent, cst.Param):
        function = program.enclosing_function(parent)
        inside = function is not None and program.contains(function, outline.site.epoch_loop)
        return not inside or _is_plain_parameter(outline, parent, seen_before)
    if is_known_part(program, seen.node):
        return True
    value = value_of(program, seen.node)
    return _is_plain_value(outline, variable, value, seen_before)


def _is_plain_value(
    outline: Outline, variable: Variable, value: cst.CSTNode | None, seen_before: frozenset[Variable]
) -> bool:
    """Literals, settings, loaders, writers, and containers that only the training fills."""
    if isinstance(value, (cst.BaseNumber, cst.BaseString, cst.Comparison, cst.UnaryOperation)):
        return True
    if isinstance(value, (cst.List, cst.Dict, cst.Tuple, cst.Set)):
        constant = all(isinstance(e.value, (cst.BaseNumber, cst.SimpleString)) for e in value.elements)
        return constant and _is_filled_inside(outline, variable)
    if isinstance(value, cst.IfExp):
        return all(_is_plain_value(outline, variable, part, seen_before) for part in (value.body, value.orelse))
    if isinstance(value, (cst.BinaryOperation, cst.BooleanOperation)):
        operands: tuple[cst.BaseExpression, ...] = (value.left, value.right)
        return all(_is_plain_argument(outline, part, seen_before) for part in operands)
    if isinstance(value, cst.Call):
        return _is_known_maker(outline, variable, value)
    return isinstance(value, cst.BaseExpression) and _is_plain_argument(outline, value, seen_before)


def _is_filled_inside(outline: Outline, variable: Variable) -> bool:
    """Whether nothing in front of the training, and no function that stays, can have put something into a container."""
    program, loop = outline.program, outline.site.epoch_loop
    places = [loop, *outline.consumed]
    for seen in variable.reads:
        if seen.node not in program.order or any(program.contains(place, seen.node) for place in places):
            continue
        if program.order[seen.node] < program.order[loop] or seen.scope.function is not outline.site.driver:
            return False
    return True


def _is_known_maker(outline: Outline, variable: Variable, call: cst.Call) -> bool:
    """Whether a call makes something that holds no model: parsed arguments, a loader, a number, a criterion."""
    if isinstance(call.func, cst.Attribute) and call.func.attr.value == "parse_args":
        return True
    name = outline.program.qualified_name(call.func) or ""
    if name.startswith(_CONTAINERS):
        return not call.args and _is_filled_inside(outline, variable)
    return name.startswith(_MAKERS) or (name.startswith("torch.nn.") and name.endswith("Loss"))


def _is_plain_parameter(outline: Outline, parameter: cst.Param, seen_before: frozenset[Variable]) -> bool:
    function = outline.program.enclosing_function(parameter)
    if function is None or class_of_method(outline.program, function) is not None:
        return False
    values = values_given(outline.program, parameter)
    return values is not None and all(_is_plain_argument(outline, value, seen_before) for value in values)


def _is_plain_argument(outline: Outline, value: cst.BaseExpression, seen_before: frozenset[Variable]) -> bool:
    """A literal, a plain variable, or an attribute or element of one (`args.lr`, `config['lr']`)."""
    while isinstance(value, (cst.Attribute, cst.Subscript)):
        value = value.value
    if isinstance(value, (cst.BaseNumber, cst.BaseString)):
        return True
    if isinstance(value, cst.Name) and value.value in ("None", "True", "False"):
        return True
    variable = outline.variable(value)
    if variable is None or any(outline.program.contains(outline.site.epoch_loop, s.node) for s in variable.writes):
        return False
    return is_plain(outline, variable, seen_before)
