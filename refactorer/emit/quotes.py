"""An expression that comes to stand in a formatted string keeps clear of that string's quotes.

Before Python 3.12 the quotes of a formatted string end it wherever they stand, and a backslash may not stand in its
expressions: with `'Valid'` for `mode`, `f'{mode}: '` is `f'Valid: '`, and `f'{names[mode]}'` is `f'{names["Valid"]}'`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import libcst as cst

from refactorer.analysis.walk import walk

Replace = Callable[[cst.CSTNode, Mapping[cst.CSTNode, cst.CSTNode]], cst.CSTNode]


def fitted(string: cst.FormattedString, before: cst.CSTNode, replace: Replace) -> cst.FormattedString:
    """A formatted string that was rebuilt from another one, with quotes in its new parts that do not end it.

    `replace` makes a tree with some nodes replaced and all others shared, since they may have edits of their own.
    """
    kept = {id(part) for part in before.children}
    return string.with_changes(parts=[p if id(p) in kept else _fitted_part(p, string, replace) for p in string.parts])


def _fitted_part(part: cst.CSTNode, string: cst.FormattedString, replace: Replace) -> cst.CSTNode:
    if not isinstance(part, cst.FormattedStringExpression):
        return part
    text = _as_text(part, string)
    if text is not None:
        return text
    other: dict[cst.CSTNode, cst.CSTNode] = {}
    for node in walk(part):
        if isinstance(node, cst.SimpleString) and (new := _requoted(node, string.quote)) is not node:
            other[node] = new
    return replace(part, other) if other else part


def _as_text(part: cst.FormattedStringExpression, string: cst.FormattedString) -> cst.FormattedStringText | None:
    """The text of a plain string that is shown as it is; None for anything else."""
    shown = part.expression
    as_it_is = part.conversion is None and part.format_spec is None and part.equal is None
    if not as_it_is or not isinstance(shown, cst.SimpleString) or shown.prefix:
        return None
    if any(mark in shown.raw_value for mark in (string.quote[0], "\\", "\n")):
        return None
    return cst.FormattedStringText(shown.raw_value.replace("{", "{{").replace("}", "}}"))


def _requoted(node: cst.SimpleString, around: str) -> cst.SimpleString:
    """A string in other quotes than those of the formatted string around it; as it is where it has both."""
    inside = node.raw_value
    if around not in node.value or any(mark in inside for mark in ("'", '"', "\\", "\n")):
        return node
    quote = "'" if '"' in around else '"'
    return node.with_changes(value=f"{node.prefix}{quote}{inside}{quote}")
