"""The opposite of a condition that counts batches, in the form in which scripts ask for a step: `(i + 1) % n == 0`."""

from __future__ import annotations

import libcst as cst

_OPPOSITES: dict[type[cst.BaseCompOp], type[cst.BaseCompOp]] = {
    cst.Equal: cst.NotEqual, cst.NotEqual: cst.Equal, cst.LessThan: cst.GreaterThanEqual,
    cst.GreaterThanEqual: cst.LessThan, cst.GreaterThan: cst.LessThanEqual, cst.LessThanEqual: cst.GreaterThan,
}  # fmt: skip


def opposite(test: cst.BaseExpression) -> cst.BaseExpression:
    """A condition on numbers that holds where another one does not."""
    if isinstance(test, cst.UnaryOperation) and isinstance(test.operator, cst.Not):
        return test.expression
    if isinstance(test, cst.BooleanOperation):
        joined = cst.Or() if isinstance(test.operator, cst.And) else cst.And()
        left, right = (_operand(opposite(part)) for part in (test.left, test.right))
        return cst.BooleanOperation(left, joined, right)
    if isinstance(test, cst.Comparison) and len(test.comparisons) == 1:
        other = _OPPOSITES.get(type(test.comparisons[0].operator))
        if other is not None:
            turned = test.comparisons[0].with_changes(operator=other())
            return test.with_changes(comparisons=[turned], lpar=[], rpar=[])
    return cst.UnaryOperation(cst.Not(), _operand(test))


def _operand(test: cst.BaseExpression) -> cst.BaseExpression:
    if not isinstance(test, cst.BooleanOperation) or test.lpar:
        return test
    return test.with_changes(lpar=[cst.LeftParen()], rpar=[cst.RightParen()])
