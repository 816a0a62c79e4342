"""An expression in the place of another one takes brackets where its parts would otherwise be read apart.

`total - count` in the place of `f()` in `1 - f()` is `1 - (total - count)`. The order is that of the language
reference, "Operator precedence".
"""

from __future__ import annotations

import libcst as cst

_LAMBDA, _CONDITION, _OR, _AND, _NOT, _COMPARISON, _BIT_OR, _SUM, _PRODUCT, _SIGN, _POWER, _AWAIT, _ATOM = range(13)
_OPERATORS: dict[type[cst.CSTNode], int] = {
    cst.Or: _OR,
    cst.And: _AND,
    cst.Not: _NOT,
    cst.Add: _SUM,
    cst.Subtract: _SUM,
    cst.Power: _POWER,
}
_PRODUCTS = (cst.Multiply, cst.MatrixMultiply, cst.Divide, cst.FloorDivide, cst.Modulo)
_BARE_TUPLES = (cst.Assign, cst.AugAssign, cst.Expr, cst.Return, cst.Yield, cst.For, cst.Index)


def bracketed_in(place: cst.CSTNode, field: str, new: cst.CSTNode) -> cst.CSTNode:
    """The expression that becomes the field of a node, in brackets if it would not stay in one piece there."""
    if not isinstance(new, cst.BaseExpression) or new.lpar:
        return new
    if isinstance(new, cst.Tuple):
        apart = not isinstance(place, _BARE_TUPLES)
    elif isinstance(new, (cst.NamedExpr, cst.Yield)):
        apart = not isinstance(place, (cst.Expr, cst.If))
    else:
        apart = _strength(new) < _needed(place, field)
    return new.with_changes(lpar=[cst.LeftParen()], rpar=[cst.RightParen()]) if apart else new


def _strength(node: cst.BaseExpression) -> int:
    """How tightly an expression holds together."""
    if isinstance(node, (cst.BinaryOperation, cst.UnaryOperation, cst.BooleanOperation)):
        return _of_operator(node.operator, unary=isinstance(node, cst.UnaryOperation))
    if isinstance(node, cst.Comparison):
        return _COMPARISON
    if isinstance(node, cst.IfExp):
        return _CONDITION
    if isinstance(node, (cst.Await, cst.Integer)):
        return _AWAIT
    return _LAMBDA if isinstance(node, cst.Lambda) else _ATOM


def _of_operator(operator: cst.CSTNode, *, unary: bool = False) -> int:
    if unary:
        return _NOT if isinstance(operator, cst.Not) else _SIGN
    if isinstance(operator, _PRODUCTS):
        return _PRODUCT
    return _OPERATORS.get(type(operator), _BIT_OR)


def _needed(place: cst.CSTNode, field: str) -> int:
    """How tightly an expression has to hold together to stand in a field of a node."""
    if isinstance(place, cst.BinaryOperation):
        own = _of_operator(place.operator)
        first = "right" if isinstance(place.operator, cst.Power) else "left"
        return own if field == first and own != _BIT_OR else own + 1
    if isinstance(place, cst.BooleanOperation):
        return _of_operator(place.operator) + 1
    if isinstance(place, cst.UnaryOperation):
        return _of_operator(place.operator, unary=True)
    if isinstance(place, (cst.Comparison, cst.ComparisonTarget)):
        return _BIT_OR
    if isinstance(place, cst.IfExp):
        return _CONDITION if field == "orelse" else _OR
    if isinstance(place, cst.FormattedStringExpression):
        return _CONDITION
    if isinstance(place, (cst.Attribute, cst.Subscript, cst.Await)) and field in ("value", "expression"):
        return _ATOM
    if isinstance(place, cst.Call) and field == "func":
        return _ATOM
    starred = isinstance(place, (cst.StarredElement, cst.StarredDictElement))
    if starred or (isinstance(place, cst.Arg) and place.star) or isinstance(place, (cst.CompFor, cst.CompIf)):
        return _BIT_OR
    return _LAMBDA
