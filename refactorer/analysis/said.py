"""What a text may say that code makes: `mode + "_writer"` is no name that ends otherwise."""

from __future__ import annotations

import libcst as cst

from refactorer.analysis.program import Program

_ADDING = ("__add__", "__radd__")
_WRITTEN_OTHERWISE = ("\\", "{", "}")


def may_say(program: Program, text: cst.BaseExpression, name: str) -> bool:
    """Whether an expression that gives a text may give this one, as far as the beginning and the end of it tell."""
    if isinstance(text, cst.SimpleString):
        return text.evaluated_value == name
    first, last = _ends(program, text)
    return name.startswith(first) and name.endswith(last)


def _ends(program: Program, text: cst.BaseExpression) -> tuple[str, str]:
    """How a text surely begins and ends."""
    if isinstance(text, cst.SimpleString) and isinstance(text.evaluated_value, str):
        return text.evaluated_value, text.evaluated_value
    if isinstance(text, cst.FormattedString) and text.parts:
        return _written(text.parts[0]), _written(text.parts[-1])
    added = isinstance(text, cst.BinaryOperation) and isinstance(text.operator, cst.Add)
    if added and not any(function.name.value in _ADDING for function in program.find(cst.FunctionDef)):
        return _ends(program, text.left)[0], _ends(program, text.right)[1]  # type: ignore[attr-defined]
    return "", ""


def _written(part: cst.BaseFormattedStringContent) -> str:
    """A part of an f-string that is there as it is written."""
    text = part.value if isinstance(part, cst.FormattedStringText) else ""
    return "" if any(sign in text for sign in _WRITTEN_OTHERWISE) else text
