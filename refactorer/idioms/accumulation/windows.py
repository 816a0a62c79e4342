"""Conditions on the number of a batch: behind which batches a script steps its optimizer."""

from __future__ import annotations

from dataclasses import dataclass

import libcst as cst

from refactorer.emit.driver_lines import in_driver
from refactorer.outline.classes import methods_of
from refactorer.outline.outline import Outline

INDEX, LENGTH = "index", "length"


@dataclass(frozen=True)
class Window:
    """Behind every how many batches the optimizer steps, and whether it does behind the last batch of the epoch too."""

    batches: cst.BaseExpression
    steps_last: bool


def window_of(outline: Outline, test: cst.BaseExpression) -> Window | None:
    """The window that a condition closes: `(i + 1) % n == 0`, perhaps `or i + 1 == len(loader)`; None for any other."""
    window, others = closed_by(outline, test)
    return window if not others else None


def closed_by(outline: Outline, test: cst.BaseExpression) -> tuple[Window | None, list[cst.BaseExpression]]:
    """The window that alternatives of a condition close, and the other ones: `not ddp or (i + 1) % n == 0`."""
    parts = _alternatives(test)
    counting = [part for part in parts if _divisor(outline, part, 1) is not None]
    last = [part for part in parts if _is_last(outline, part)]
    batches = _divisor(outline, counting[0], 1) if len(counting) == 1 else None
    if batches is None or len(last) > 1:
        return None, parts
    return Window(batches, bool(last)), [part for part in parts if part not in (*counting, *last)]


def _alternatives(test: cst.BaseExpression) -> list[cst.BaseExpression]:
    if isinstance(test, cst.BooleanOperation) and isinstance(test.operator, cst.Or):
        return [*_alternatives(test.left), *_alternatives(test.right)]
    return [test]


def opens_window(outline: Outline, test: cst.BaseExpression, window: Window) -> bool:
    """Whether a condition is true for the first batch of each window: `i % n == 0`."""
    batches = _divisor(outline, test, 0)
    return batches is not None and same(outline, batches, window.batches)


def counts_batches(outline: Outline, test: cst.CSTNode) -> bool:
    """Whether a condition looks as if it were meant to count batches: it divides something, remainder wanted."""
    return any(isinstance(node.operator, cst.Modulo) for node in outline.program.find(cst.BinaryOperation, test))


def same(outline: Outline, first: cst.BaseExpression, second: cst.BaseExpression) -> bool:
    """Whether two expressions are spelled alike, seen through parameters."""
    return _text(outline, first) == _text(outline, second)


def _text(outline: Outline, node: cst.BaseExpression) -> str:
    plain = in_driver(outline, node).with_changes(lpar=[], rpar=[])
    return cst.Module([]).code_for_node(plain).replace(" ", "")


def _divisor(outline: Outline, test: cst.BaseExpression, first: int) -> cst.BaseExpression | None:
    """n, where a condition holds for the batches whose number, counted from `first`, is a multiple of n."""
    if isinstance(test, cst.UnaryOperation) and isinstance(test.operator, cst.Not):
        return _remainder(outline, test.expression, first)
    sides = _sides(test, cst.Equal)
    if sides is None:
        return None
    for left, right in (sides, sides[::-1]):
        if isinstance(right, cst.Integer) and right.evaluated_value == 0:
            return _remainder(outline, left, first)
        divisor = _remainder(outline, left, first - 1)
        if divisor is not None and _is_less_one(outline, right, divisor):
            return divisor
    return None


def _remainder(outline: Outline, node: cst.BaseExpression, first: int) -> cst.BaseExpression | None:
    """n, of `i % n`, where the numbers of the batches are counted from `first`."""
    if not isinstance(node, cst.BinaryOperation) or not isinstance(node.operator, cst.Modulo):
        return None
    return node.right if _count(outline, node.left) == (INDEX, first) else None


def _is_less_one(outline: Outline, node: cst.BaseExpression, number: cst.BaseExpression) -> bool:
    """Whether a node is `number - 1`."""
    if isinstance(node, cst.Integer) and isinstance(number, cst.Integer):
        return node.evaluated_value == number.evaluated_value - 1
    if not isinstance(node, cst.BinaryOperation) or not isinstance(node.operator, cst.Subtract):
        return False
    return isinstance(node.right, cst.Integer) and node.right.value == "1" and same(outline, node.left, number)


def _is_last(outline: Outline, test: cst.BaseExpression) -> bool:
    """Whether a condition holds for the last batch, and for it only: `i + 1 == len(loader)`, `i == len(loader) - 1`."""
    sides = _sides(test, (cst.Equal, cst.GreaterThanEqual))
    if sides is None or not isinstance(test, cst.Comparison):
        return False
    symmetric = isinstance(test.comparisons[0].operator, cst.Equal)
    for left, right in (sides, sides[::-1]) if symmetric else (sides,):
        number, length = _count(outline, left), _count(outline, right)
        if number is not None and length is not None and (number[0], length[0]) == (INDEX, LENGTH):
            return number[1] - length[1] == 1
    return False


def _sides(
    test: cst.BaseExpression, operators: type[cst.BaseCompOp] | tuple[type[cst.BaseCompOp], ...]
) -> tuple[cst.BaseExpression, cst.BaseExpression] | None:
    """Both sides of a single comparison by one of these operators."""
    if not isinstance(test, cst.Comparison) or len(test.comparisons) != 1:
        return None
    target = test.comparisons[0]
    return (test.left, target.comparator) if isinstance(target.operator, operators) else None


def _count(outline: Outline, node: cst.BaseExpression | None) -> tuple[str, int] | None:
    """A number as the batch's own, from 0 on, or as the length of the loader, and what is added to either."""
    if isinstance(node, cst.BinaryOperation) and isinstance(node.operator, (cst.Add, cst.Subtract)):
        return _sum(outline, node)
    if isinstance(node, cst.Call):
        return (LENGTH, 0) if _is_length(outline, node) else None
    variable = outline.variable(node)
    if variable is None:
        return None
    if variable is outline.variable(outline.train.index):
        return INDEX, outline.train.start
    value = outline.program.assigned_value(variable)
    counted = _count(outline, value) if isinstance(value, (cst.Call, cst.BinaryOperation)) else None
    return counted if counted is not None and counted[0] == LENGTH else None


def _sum(outline: Outline, node: cst.BinaryOperation) -> tuple[str, int] | None:
    sign = 1 if isinstance(node.operator, cst.Add) else -1
    pairs = ((node.left, node.right), (node.right, node.left)) if sign == 1 else ((node.left, node.right),)
    for count, more in pairs:
        found = _count(outline, count) if isinstance(more, cst.Integer) else None
        if found is not None and isinstance(more, cst.Integer):
            return found[0], found[1] + sign * more.evaluated_value
    return None


def _is_length(outline: Outline, call: cst.Call) -> bool:
    """Whether a call is `len()` of the very thing that is iterated over, or of the loader in a progress bar."""
    if outline.program.qualified_name(call.func) != "builtins.len" or len(call.args) != 1:
        return False
    iterable = outline.train.iterable
    if isinstance(iterable, cst.Call) and (outline.program.qualified_name(iterable.func) or "").startswith("tqdm"):
        iterable = iterable.args[0].value if iterable.args and iterable.args[0].keyword is None else None
    variable = outline.variable(iterable)
    same_loader = variable is not None and outline.variable(call.args[0].value) is variable
    return same_loader and not any(_tells_its_length(made) for made in outline.program.find(cst.ClassDef))


def _tells_its_length(kind: cst.ClassDef) -> bool:
    """Whether a class iterates, and says how often, which may be wrong: the Trainer goes by the batches that come."""
    methods = {method.name.value for method in methods_of(kind)}
    return {"__iter__", "__len__"} <= methods
