"""Names of a file that other files use: its last line reads them while it is converted, so that they stay."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from dataclasses import replace

from refactorer.result import Converted, Result

_NAME = "__used_by_other_files__"
_CALL = "lambda used, *given: used{}(*given)"
_PLACE = "lambda used, given: [0 for used{} in given]"
_COMMA = ",\n"
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


def exported(text: str) -> tuple[str, ...]:
    """The functions of a file that its `__all__` names."""
    try:
        lines = ast.parse(text).body if "__all__" in text else []
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ()
    exports = (line for line in lines if not isinstance(line, _DEFINITIONS) and _is_export(line))
    texts = {part.value for line in exports for part in ast.walk(line) if isinstance(part, ast.Constant)}
    return tuple(line.name for line in lines if isinstance(line, ast.FunctionDef) and line.name in texts)


def marked(text: str, names: Iterable[str]) -> str:
    """The text with a last statement that reads names and calls `.method`s, or binds them: `name=`, `.method=`."""
    reads = [_read(name) for name in dict.fromkeys(names)]
    return f"{text}\n{_NAME} = [{_COMMA.join(reads)}]\n" if reads else text


def _read(name: str) -> str:
    if name.startswith("."):
        return _PLACE.format(name[:-1]) if name.endswith("=") else _CALL.format(name)
    return f"({name[:-1]} := {name[:-1]})" if name.endswith("=") else name


def unmarked(result: Result) -> Result:
    """A result for a text with that line, without it.

    A name that the line has to ask the module for is bound to what it finds there.
    """
    if not isinstance(result, Converted) or _NAME not in result.before:
        return result
    before, names = _divided(result.before)
    after, values = _divided(result.after)
    lines = [f"{name} = {value}\n" for name, value in zip(names, values) if name.isidentifier() and name != value]
    end = "\n" if lines and not after.endswith("\n") else ""
    return replace(result, before=before, after=f"{after}{end}{''.join(lines)}")


def _divided(text: str) -> tuple[str, list[str]]:
    """A text without its last line, and the elements of the list there."""
    text, _, line = text.rpartition(f"\n{_NAME} = ")
    listed = ast.parse(line, mode="eval").body
    assert isinstance(listed, ast.List)
    return text, [ast.unparse(element) for element in listed.elts]


def _is_export(line: ast.stmt) -> bool:
    return any(isinstance(part, ast.Name) and part.id == "__all__" for part in ast.walk(line))
