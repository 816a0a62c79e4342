"""Batches that are moved as a whole: `{k: v.to(device) for k, v in batch.items()}`, `[t.to(device) for t in batch]`."""

from __future__ import annotations

import libcst as cst

from refactorer.analysis.scopes import Variable
from refactorer.idioms.device.choice import Target, target_of, types_in
from refactorer.idioms.device.data import is_fresh
from refactorer.outline.outline import Outline

_READING = {"items", "keys", "values", "get"}
_CHANGING = {"pop", "update", "setdefault"}


def is_moved_copy(outline: Outline, node: cst.BaseExpression, raw: set[Variable], target: Target) -> bool:
    """Whether an expression is the batch with each of its items moved."""
    if isinstance(node, cst.Call) and outline.program.qualified_name(node.func) in ("builtins.tuple", "builtins.list"):
        node = node.args[0].value if len(node.args) == 1 else node
    if isinstance(node, cst.DictComp):
        pair = node.for_in.target
        call = node.for_in.iter
        if not isinstance(pair, cst.Tuple) or len(pair.elements) != 2 or not isinstance(call, cst.Call):
            return False
        items = isinstance(call.func, cst.Attribute) and call.func.attr.value == "items" and not call.args
        same_key = outline.variable(node.key) is outline.variable(pair.elements[0].value)
        source = call.func.value if isinstance(call.func, cst.Attribute) else call
        found = items and same_key and _moves(outline, node.value, pair.elements[1].value, target)
    elif isinstance(node, (cst.ListComp, cst.GeneratorExp)):
        source = node.for_in.iter
        found = _moves(outline, node.elt, node.for_in.target, target)
    else:
        return False
    single = not node.for_in.ifs and node.for_in.inner_for_in is None
    return found and single and isinstance(source, cst.Name) and outline.variable(source) in raw


def source_of_copy(node: cst.BaseExpression) -> cst.BaseExpression:
    """The batch that a list of its moved items is made of."""
    if isinstance(node, cst.Call):
        node = node.args[0].value
    assert isinstance(node, cst.BaseComp)
    source = node.for_in.iter
    return source.func.value if isinstance(source, cst.Call) and isinstance(source.func, cst.Attribute) else source


def _moves(outline: Outline, node: cst.BaseExpression, item: cst.BaseExpression, target: Target) -> bool:
    """`v.to(device)`, or that for tensors and `v` for all else, as the Trainer does it."""
    if isinstance(node, cst.IfExp):
        return _is_tensor_test(outline, node.test, item) and _is(outline, node.orelse, item) and _moves(
            outline, node.body, item, target
        )  # fmt: skip
    if target_of(outline, node) != target or (isinstance(node, cst.Call) and types_in(node)):
        return False
    return isinstance(node, cst.Call) and isinstance(node.func, cst.Attribute) and _is(outline, node.func.value, item)


def _is(outline: Outline, node: cst.BaseExpression, item: cst.BaseExpression) -> bool:
    return isinstance(node, cst.Name) and outline.variable(node) is outline.variable(item)


def _is_tensor_test(outline: Outline, test: cst.BaseExpression, item: cst.BaseExpression) -> bool:
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


def _is_length(outline: Outline, arg: cst.Arg) -> bool:
    call = outline.program.parent.get(arg)
    return isinstance(call, cst.Call) and outline.program.qualified_name(call.func) == "builtins.len"
