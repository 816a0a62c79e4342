"""Strings that show no more than the number that a tensor holds: `'{:.2f}'.format(loss)`, `'%.4f' % loss`.

Written as it is, a tensor shows its `grad_fn`. With a format it is asked for its value, or refuses.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import count
from string import Formatter

import libcst as cst

_CONVERSION = re.compile(r"%(?:\(\w+\))?[-+ #0]*(?:\*|\d+)?(?:\.(?:\*|\d+))?[hlL]?(.)")
_PATH = re.compile(r"[.\[]")
_OF_NUMBERS = frozenset("diouxXeEfFgG%")


def formats_numbers(node: cst.CSTNode) -> bool:
    """Whether an expression is a text with `%`, all of whose conversions are those of numbers."""
    if not isinstance(node, cst.BinaryOperation) or not isinstance(node.operator, cst.Modulo):
        return False
    text = _text(node.left)
    return text is not None and _OF_NUMBERS.issuperset(_CONVERSION.findall(text))


def written_plainly(call: cst.Call) -> Iterable[cst.BaseExpression] | None:
    """What a call of `format()` of a text writes as it is, without a format; None for other calls."""
    text = _text(call.func.value) if isinstance(call.func, cst.Attribute) and call.func.attr.value == "format" else None
    if text is None or any(arg.star for arg in call.args):
        return None
    given = [(arg.keyword.value if arg.keyword is not None else str(i), arg.value) for i, arg in enumerate(call.args)]
    fields = _fields(text)
    return [value for name, value in given if not fields.get(name, False)]


def _fields(text: str) -> dict[str, bool]:
    """The fields of a text for `format()`: whether each is written with a format wherever it stands."""
    try:
        parts = [(name, spec, how) for _, name, spec, how in Formatter().parse(text) if name is not None]
    except ValueError:
        return {}
    if any("{" in (spec or "") for _, spec, _ in parts):
        return {}
    numbers = count()
    found: dict[str, bool] = {}
    for name, spec, how in parts:
        key = _PATH.split(name, maxsplit=1)[0] or str(next(numbers))
        found[key] = bool(spec) and how is None and found.get(key, True)
    return found


def has_format(part: cst.FormattedStringExpression) -> bool:
    """Whether an expression in a formatted string is written with a format that is known: `{loss:.3f}`."""
    spec = part.format_spec or ()
    return part.conversion is None and bool(spec) and all(isinstance(text, cst.FormattedStringText) for text in spec)


def _text(node: cst.CSTNode) -> str | None:
    """The text of a constant string."""
    if isinstance(node, (cst.SimpleString, cst.ConcatenatedString)):
        value = node.evaluated_value
        return value if isinstance(value, str) else None
    return None
