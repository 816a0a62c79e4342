"""Batches that are moved as a whole: `{k: v.to(device) for k, v in batch.items()}`, `[t.to(device) for t in batch]`."""

from __future__ import annotations

import libcst as cst

from refactorer.analysis.scopes import Variable
from refactorer.analysis.targets import names_in
from refactorer.idioms.device.choice import Choice
from refactorer.idioms.device.data import is_fresh
from refactorer.idioms.device.lines import text_of
from refactorer.idioms.device.moves import target_of, types_in
from refactorer.idioms.shapes import is_none, is_none_test
from refactorer.outline.blocks import block_lines
from refactorer.outline.outline import Outline

_READING = {"items", "keys", "values", "get"}
_CHANGING = {"pop", "update", "setdefault"}
_KINDS: dict[type[cst.CSTNode], str] = {cst.ListComp: "list", cst.DictComp: "dict", cst.SetComp: "set"}


def source_of_copy(outline: Outline, node: cst.BaseExpression, choice: Choice) -> cst.BaseExpression | None:
    """The batch that an expression is, with each of its items moved; None for any other expression."""
    comprehension = _comprehension(outline, node)
    if comprehension is None or comprehension.for_in.ifs or comprehension.for_in.inner_for_in is not None:
        return None
    source, items = items_of(comprehension)
    if len(items) != 1:
        return None
    if isinstance(comprehension, cst.DictComp):
        pair = comprehension.for_in.target
        same_key = isinstance(pair, cst.Tuple) and _is(outline, comprehension.key, pair.elements[0].value)
        return source if same_key and _moves(outline, comprehension.value, items[0], choice) else None
    if source is not comprehension.for_in.iter:
        return None
    return source if _moves(outline, comprehension.elt, items[0], choice) else None  # type: ignore[attr-defined]


def items_of(node: cst.BaseComp) -> tuple[cst.BaseExpression, list[cst.Name]]:
    """What a comprehension goes over, seen through `items()` and `values()`, and the names of its items."""
    call, target = node.for_in.iter, node.for_in.target
    method = call.func if isinstance(call, cst.Call) and not call.args else None
    if not isinstance(method, cst.Attribute) or method.attr.value not in ("items", "values"):
        return call, names_in(target)
    if method.attr.value == "values":
        return method.value, names_in(target)
    pair = target.elements if isinstance(target, cst.Tuple) else ()
    return (method.value, names_in(pair[1].value)) if len(pair) == 2 else (call, [])


def without_moves(outline: Outline, node: cst.BaseExpression) -> cst.BaseExpression:
    """What is left of the copy of a batch without its moves: `list(batch)`, `dict(batch.items())`."""
    comprehension = _comprehension(outline, node)
    assert comprehension is not None
    star = outline.program.parent.get(node)
    if isinstance(star, cst.Arg) and star.star:
        return items_of(comprehension)[0]
    kind = {cst.ListComp: "list", cst.DictComp: "dict", cst.SetComp: "set", cst.GeneratorExp: "iter"}[
        type(comprehension)
    ]
    if isinstance(node, cst.Call):
        return node.with_changes(args=[cst.Arg(comprehension.for_in.iter)])
    kind = _KINDS.get(type(comprehension), "")
    bound = (variable.name for variable in outline.program.variables.values() if variable.owner is not None)
    if not kind or kind in bound:
        part = "value" if isinstance(comprehension, cst.DictComp) else "elt"
        return comprehension.with_changes(**{part: items_of(comprehension)[1][0]})
    return cst.Call(cst.Name(kind), [cst.Arg(comprehension.for_in.iter)])


def _comprehension(outline: Outline, node: cst.BaseExpression) -> cst.BaseComp | None:
    """A comprehension, perhaps as the only argument of `list` or `tuple`."""
    if isinstance(node, cst.Call) and outline.program.qualified_name(node.func) in ("builtins.tuple", "builtins.list"):
        node = node.args[0].value if len(node.args) == 1 else node
    return node if isinstance(node, cst.BaseComp) else None


def _moves(outline: Outline, node: cst.BaseExpression, item: cst.BaseExpression, choice: Choice) -> bool:
    """`v.to(device)`, or that for tensors and `v` for all else, as the Trainer does it."""
    if isinstance(node, cst.IfExp):
        moved = _moves(outline, node.body, item, choice)
        if _is_something(outline, node.test, item):
            return moved and (is_none(node.orelse) or _is(outline, node.orelse, item))
        return moved and is_tensor_test(outline, node.test, item) and _is(outline, node.orelse, item)
    if not isinstance(node, cst.Call) or not choice.is_moved_to(target_of(outline, node)) or types_in(node):
        return False
    return isinstance(node.func, cst.Attribute) and _is(outline, node.func.value, item)


def _is_something(outline: Outline, test: cst.BaseExpression, item: cst.BaseExpression) -> bool:
    if not is_none_test(test) or not isinstance(test, cst.Comparison):
        return False
    return isinstance(test.comparisons[0].operator, cst.IsNot) and _is(outline, test.left, item)


def _is(outline: Outline, node: cst.BaseExpression, item: cst.BaseExpression) -> bool:
    return isinstance(node, cst.Name) and outline.variable(node) is outline.variable(item)


def is_tensor_test(outline: Outline, test: cst.BaseExpression, item: cst.BaseExpression) -> bool:
    """Whether a test asks whether an item is a tensor, and no more."""
    if not isinstance(test, cst.Call) or not test.args or not _is(outline, test.args[0].value, item):
        return False
    name = outline.program.qualified_name(test.func)
    if name == "torch.is_tensor":
        return True
    kinds = [outline.program.qualified_name(arg.value) for arg in test.args[1:]]
    return name == "builtins.isinstance" and kinds == ["torch.Tensor"]


def means_the_same(outline: Outline, variable: Variable, copy: cst.BaseExpression) -> bool:
    """Whether the loader's own batch does as well as a moved copy: only its items are looked at, unchanged.

    A dictionary that the loader makes anew for each batch may be changed.
    """
    program = outline.program
    changes = isinstance(copy, cst.DictComp) and is_fresh(outline)
    uses = [node for body in outline.hooks.values() for node, used in outline.uses(*body) if used is variable]
    for node in [*uses, *(seen.node for seen in variable.occurrences)]:
        parent = program.parent.get(node)
        if isinstance(parent, cst.Subscript) and parent.value is node:
            fine = _is_item(outline, parent, changes)
        elif isinstance(parent, cst.Attribute):
            fine = parent.attr.value in (_READING | _CHANGING if changes else _READING)
        elif isinstance(parent, cst.Arg):
            fine = bool(parent.star) or _is_length(outline, parent)
        elif isinstance(parent, cst.Assign):
            fine = all(isinstance(target.target, cst.Tuple) for target in parent.targets)
        else:
            fine = outline.is_write(node) or isinstance(parent, (cst.CompFor, cst.For))
        if not fine:
            return False
    return True


def _is_item(outline: Outline, node: cst.Subscript, changes: bool) -> bool:
    """`batch[0]` is the same of a list and of a tuple; `batch[:2]` is not, save for `*batch[:2]`."""
    parent = outline.program.parent.get(node)
    if isinstance(parent, (cst.AssignTarget, cst.AugAssign, cst.Del)):
        return changes
    sliced = any(isinstance(element.slice, cst.Slice) for element in node.slice)
    return not sliced or (isinstance(parent, cst.Arg) and bool(parent.star))


_Kinds = tuple[type[cst.CSTNode], ...]


def moved_item(
    outline: Outline, line: cst.CSTNode, choice: Choice, kinds: _Kinds = (cst.Integer, cst.SimpleString)
) -> cst.Subscript | None:  # fmt: skip
    """The item of `x[0] = x[0].to(device)`."""
    small = line.body[0] if isinstance(line, cst.SimpleStatementLine) and len(line.body) == 1 else None
    if not isinstance(small, cst.Assign) or len(small.targets) != 1 or not isinstance(small.value, cst.Call):
        return None
    place, call = small.targets[0].target, small.value
    if not isinstance(place, cst.Subscript) or not isinstance(place.value, cst.Name) or types_in(call):
        return None
    if not choice.is_moved_to(target_of(outline, call)) or not isinstance(call.func, cst.Attribute):
        return None
    index = place.slice[0].slice if len(place.slice) == 1 else None
    known = isinstance(index, cst.Index) and isinstance(index.value, kinds)
    return place if known and text_of(place) == text_of(call.func.value) else None


def moved_items(outline: Outline, loop: cst.CSTNode, choice: Choice) -> cst.BaseExpression | None:
    """The list of `for i in range(len(x)): x[i] = x[i].to(device)`."""
    if not isinstance(loop, cst.For) or loop.orelse is not None or not isinstance(loop.target, cst.Name):
        return None
    lines = block_lines(loop.body)
    item = moved_item(outline, lines[0], choice, (cst.Name,)) if len(lines) == 1 else None
    if item is None or "#" in text_of(loop) or text_of(item.slice[0]) != loop.target.value:
        return None
    return item.value if text_of(loop.iter) == f"range(len({text_of(item.value)}))" else None


def _is_length(outline: Outline, arg: cst.Arg) -> bool:
    call = outline.program.parent.get(arg)
    return isinstance(call, cst.Call) and outline.program.qualified_name(call.func) == "builtins.len"
