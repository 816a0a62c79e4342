"""An expression that comes to stand in a formatted string keeps clear of that string's quotes.

Before Python 3.12 the quotes of a formatted string end it wherever they stand, and a backslash may not stand in its
expressions: with `'Valid'` for `mode`, `f'{mode}: '` is `f'Valid: '`, and `f'{names[mode]}'` is `f'{names["Valid"]}'`.
"""

from __future__ import annotations

import libcst as cst


def fitted(string: cst.FormattedString, before: cst.CSTNode) -> cst.FormattedString:
    """A formatted string that was rebuilt from another one, with quotes in its new parts that do not end it."""
    kept = {id(part) for part in before.children}
    return string.with_changes(parts=[p if id(p) in kept else _fitted_part(p, string) for p in string.parts])


def _fitted_part(part: cst.BaseFormattedStringContent, string: cst.FormattedString) -> cst.BaseFormattedStringContent:
    if not isinstance(part, cst.FormattedStringExpression):
        return part
    text = _as_text(part, string)
    if text is not None:
        return text
    fitting = part.visit(_Requoter(string.quote))
    assert isinstance(fitting, cst.FormattedStringExpression)
    return fitting


def _as_text(part: cst.FormattedStringExpression, string: cst.FormattedString) -> cst.FormattedStringText | None:
    """The text of a plain string that is shown as it is; None for anything else."""
    shown = part.expression
    as_it_is = part.conversion is None and part.format_spec is None and part.equal is None
    if not as_it_is or not isinstance(shown, cst.SimpleString) or shown.prefix:
        return None
    if any(mark in shown.raw_value for mark in (string.quote[0], "\\", "\n")):
        return None
    return cst.FormattedStringText(shown.raw_value.replace("{", "{{").replace("}", "}}"))


class _Requoter(cst.CSTTransformer):
    """Gives the strings of an expression other quotes than those of the formatted string around it."""

    def __init__(self, around: str) -> None:
        super().__init__()
        self.around = around

    def leave_SimpleString(self, original_node: cst.SimpleString, updated_node: cst.SimpleString) -> cst.SimpleString:
        inside = updated_node.raw_value
        if self.around not in updated_node.value or any(mark in inside for mark in ("'", '"', "\\", "\n")):
            return updated_node
        quote = "'" if '"' in self.around else '"'
        return updated_node.with_changes(value=f"{updated_node.prefix}{quote}{inside}{quote}")
