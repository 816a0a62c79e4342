"""Batches that are moved as a whole: `{k: v.to(device) for k, v in batch.items()}`, `[t.to(device) for t in batch]`."""

from __future__ import annotations

import libcst as cst

from refactorer.analysis.scopes import Variable
from refactorer.idioms.device.choice import Target, target_of, types_in
from refactorer.idioms.device.data import is_fresh
from refactorer.outline.outline import Outline

_READING = {"items", "keys", "values", "get"}


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


def only_read(outline: Outline, variable: Variable) -> bool:
    """Whether nothing changes a batch that is now the loader's own object; one that is made anew may be changed."""
    if is_fresh(outline):
        return True
    program = outline.program
    uses = [node for body in outline.hooks.values() for node, used in outline.uses(*body) if used is variable]
    for node in [*uses, *(seen.node for seen in variable.occurrences)]:
        parent = program.parent.get(node)
        if isinstance(parent, cst.Subscript) and parent.value is node:
            if isinstance(program.parent.get(parent), (cst.AssignTarget, cst.AugAssign, cst.Del)):
                return False
        elif isinstance(parent, cst.Attribute):
            if parent.attr.value not in _READING:
                return False
        elif isinstance(parent, cst.Arg):
            if not parent.star:
                return False
        elif isinstance(parent, cst.Assign):
            if not all(isinstance(target.target, cst.Tuple) for target in parent.targets):
                return False
        elif not (outline.is_write(node) or isinstance(parent, cst.CompFor)):
            return False
    return True
