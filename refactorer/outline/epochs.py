"""How the Trainer counts the epochs: by a number for a plain `range`, else by the script's own iterable."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import libcst as cst

from refactorer.analysis.deferred import deferred
from refactorer.analysis.scopes import Variable
from refactorer.outline.functions.values import is_whole
from refactorer.outline.outline import (
    BACKWARD,
    BATCH_END,
    BEFORE_STEP,
    EPOCH_END,
    EPOCH_START,
    STEP,
    TEST_HOOKS,
    VALIDATION_HOOKS,
    Outline,
)
from refactorer.outline.staying import stays
from refactorer.outline.training.reach import bound_by_functions

_WITHIN_EPOCH = (EPOCH_START, STEP, BACKWARD, BEFORE_STEP, BATCH_END, *VALIDATION_HOOKS, EPOCH_END)


@dataclass(frozen=True)
class Epochs:
    """`argument=value` of the Trainer, and the expression for the loop variable inside the module.

    The value is None where the module's own generator counts the epochs. `told` is the parameter `epoch` of a function
    that trains for one epoch. `is_computed` says that the expression names variables of the script.
    """

    argument: str
    value: cst.BaseExpression | None
    current: cst.BaseExpression
    told: Variable | None = None
    is_computed: bool = False


def epochs_of(outline: Outline, making: Sequence[cst.CSTNode], tells_any: bool) -> Epochs:
    """The count or the iterable of the loop over the epochs; one epoch where every iteration is a batch of it.

    `making` is what makes the optimizers in the module. `tells_any` says that the Trainer takes any iterable.
    """
    loop = outline.site.epoch_loop
    if outline.site.form == "steps":
        told = _handed_epoch(outline, making) if tells_any else None
        if told is not None:
            only = cst.List([cst.Element(cst.Name(told.name))])
            return Epochs("epochs", only, cst.parse_expression("self.epoch"), told)
        return Epochs("max_epochs", cst.Integer("1"), cst.parse_expression("self.current_epoch"))
    if isinstance(loop, cst.While):
        return Epochs("epochs", None, cst.parse_expression("self.epoch"))
    iterable = outline.counted or loop.iter
    counted = _plain_range(outline, iterable)
    if counted is not None and isinstance(loop.target, cst.Name):
        number, start = counted
        if not tells_any and not is_whole(outline.program, number):
            number = _call("len", _call("range", number))
        current = "self.current_epoch" + (f" + {start}" if start else "")
        return Epochs("max_epochs", number, cst.parse_expression(current))
    numbered = _numbered(outline, iterable) if not tells_any and iterable is loop.iter else None
    if numbered is not None:
        first, number = numbered
        counter = cst.parse_expression("self.current_epoch")
        value = counter if first is None else cst.BinaryOperation(counter, cst.Add(), first)
        return Epochs("max_epochs", number, value, is_computed=first is not None)
    return Epochs("epochs", iterable, cst.parse_expression("self.epoch"))


def _handed_epoch(outline: Outline, making: Sequence[cst.CSTNode]) -> Variable | None:
    """The parameter `epoch` of the function that trains, if the training only reads it within the epoch."""
    variable = outline.site.driver.variables.get("epoch")
    if variable is None or not isinstance(outline.program.definition(variable), cst.Param):
        return None
    uses = [
        (hook, node) for hook, body in outline.hooks.items() for node, seen in outline.uses(*body) if seen is variable
    ]
    within = all(hook in _WITHIN_EPOCH and not outline.is_write(node) for hook, node in uses)
    kept = (part for body in outline.hooks.values() for part in deferred(outline.program, *body))
    elsewhere = outline.mentions(variable, *making, *outline.methods.values(), *kept)
    return variable if uses and within and not elsewhere and variable not in bound_by_functions(outline) else None


def _plain_range(outline: Outline, node: cst.BaseExpression) -> tuple[cst.BaseExpression, int] | None:
    """(count, first value) of `range(n)`, `range(0, n)`, `range(1, 11)` and `range(1, n + 1)`."""
    if not isinstance(node, cst.Call) or outline.program.qualified_name(node.func) != "builtins.range":
        return None
    values = [arg.value for arg in node.args]
    if any(arg.star or arg.keyword for arg in node.args) or not 1 <= len(values) <= 2:
        return None
    if len(values) == 1:
        return (values[0], 0) if _countable(values[0]) else None
    first, end = values
    if not isinstance(first, cst.Integer):
        return None
    start = first.evaluated_value
    if start == 0 and _countable(end):
        return end, 0
    if isinstance(end, cst.Integer) and end.evaluated_value >= start:
        return cst.Integer(str(end.evaluated_value - start)), start
    if isinstance(end, cst.BinaryOperation) and isinstance(end.operator, cst.Add):
        for number, extra in ((end.left, end.right), (end.right, end.left)):
            if isinstance(extra, cst.Integer) and extra.evaluated_value == start and _countable(number):
                return number, start
    return None


def _numbered(
    outline: Outline, node: cst.BaseExpression
) -> tuple[cst.BaseExpression | None, cst.BaseExpression] | None:
    """(first value, count) of any `range(end)` and `range(first, end)` whose first value stays; 0 is None."""
    if not isinstance(node, cst.Call) or outline.program.qualified_name(node.func) != "builtins.range":
        return None
    if any(arg.star or arg.keyword for arg in node.args) or not 1 <= len(node.args) <= 2:
        return None
    number = _call("len", node)
    if len(node.args) == 1:
        return None, number
    first = node.args[0].value
    if not stays(outline, first):
        return None
    return (first if is_whole(outline.program, first) else _call("int", first)), number


def _call(name: str, argument: cst.BaseExpression) -> cst.Call:
    """A call of a builtin, which makes an integer of Python's own of whatever a `range` takes."""
    return cst.Call(cst.Name(name), [cst.Arg(argument)])


def _countable(node: cst.BaseExpression) -> bool:
    """A number, a name, an attribute or a setting (`config["epochs"]`); all else keeps the script's own `range`."""
    while isinstance(node, cst.Attribute) or (isinstance(node, cst.Subscript) and _is_setting(node)):
        node = node.value
    return isinstance(node, (cst.Integer, cst.Name))


def _is_setting(node: cst.Subscript) -> bool:
    """Whether something is taken from a dictionary by a name that is written out."""
    index = node.slice[0].slice if len(node.slice) == 1 else None
    return isinstance(index, cst.Index) and isinstance(index.value, cst.SimpleString)


def tells_count(outline: Outline, epochs: Epochs, variable: Variable) -> bool:
    """Whether a variable is the number of epochs that the Trainer is given, and the hooks only write or compare it.

    The Trainer has a plain integer, which looks like any other number that a `range` may be given.
    """
    value = epochs.value
    if epochs.argument != "max_epochs" or not isinstance(value, cst.Name) or outline.variable(value) is not variable:
        return False
    behind = any(outline.mentions(variable, *outline.hooks.get(hook, ())) for hook in TEST_HOOKS)
    lines = (line for body in outline.hooks.values() for line in body)
    return not behind and all(_is_told(outline, node) for node, seen in outline.uses(*lines) if seen is variable)


def _is_told(outline: Outline, node: cst.CSTNode) -> bool:
    """Whether an expression is computed with, compared, or written into a text."""
    program = outline.program
    parent = program.parent.get(node)
    if isinstance(parent, cst.FormattedStringExpression):
        return parent.conversion is None
    if isinstance(parent, (cst.BinaryOperation, cst.Comparison, cst.ComparisonTarget)):
        return True
    if isinstance(parent, cst.Element):
        group = program.parent.get(parent)
        around = program.parent.get(group) if group is not None else None
        return isinstance(around, cst.BinaryOperation) and isinstance(around.operator, cst.Modulo)
    call = program.parent.get(parent) if isinstance(parent, cst.Arg) else None
    if not isinstance(call, cst.Call):
        return False
    if isinstance(call.func, cst.Attribute) and isinstance(call.func.value, (cst.SimpleString, cst.ConcatenatedString)):
        return call.func.attr.value == "format"
    return program.qualified_name(call.func) == "builtins.print"
