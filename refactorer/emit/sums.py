"""Sums of whole numbers where `self.current_epoch + 1` takes the place of a name: `epoch - 1`, `epoch + 1`."""

from __future__ import annotations

import libcst as cst

_WITHOUT_PARENTHESES = (cst.BinaryOperation, cst.Arg, cst.Index, cst.Element, cst.FormattedStringExpression)


def added_up(
    parent: cst.CSTNode | None, name: cst.Name, new: cst.CSTNode, around: cst.CSTNode | None
) -> cst.BaseExpression | None:
    """What `name + 2` or `name - 2` becomes where `new` is a sum with a whole number; None for anything else.

    `around` is what the old sum stands in: its brackets may be all that parts it from a word, as in `not(epoch - 1)`.
    """
    if not isinstance(parent, cst.BinaryOperation) or parent.left is not name:
        return None
    if not isinstance(new, cst.BinaryOperation) or not isinstance(new.operator, cst.Add):
        return None
    if not isinstance(parent.operator, (cst.Add, cst.Subtract)) or name.lpar:
        return None
    if not isinstance(parent.right, cst.Integer) or not isinstance(new.right, cst.Integer):
        return None
    sign = 1 if isinstance(parent.operator, cst.Add) else -1
    total = new.right.evaluated_value + sign * parent.right.evaluated_value
    if total == 0:
        left = new.left
        drops = not parent.lpar or isinstance(around, _WITHOUT_PARENTHESES)
        return left if drops else left.with_changes(lpar=parent.lpar, rpar=parent.rpar)
    old = parent.operator
    kind = cst.Add if total > 0 else cst.Subtract
    operator = kind(whitespace_before=old.whitespace_before, whitespace_after=old.whitespace_after)
    return parent.with_changes(left=new.left, operator=operator, right=cst.Integer(str(abs(total))))
