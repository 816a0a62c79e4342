"""Names that one module gives, imported by one statement."""

from __future__ import annotations

from collections.abc import Collection
from itertools import takewhile

import libcst as cst

from refactorer.emit.edits import apply

_WIDTH = 120


def merged(module: cst.Module, added: Collection[str]) -> cst.Module:
    """The file with the names of added imports in the statement near them that imports from the same module.

    That one stands above, with nothing but imports between them, or is the next one.
    """
    code = cst.Module([]).code_for_node
    for line in list(module.body):
        small = _from(line)
        if small is None or line not in module.body or code(small) not in added:
            continue
        same = [other for other in _near(module, line) if source_of(other) == source_of(small)]
        joined = _with_names_of(same[0], small) if same else None
        if joined is not None:
            module = apply(module, {line: None, same[0]: joined})
            added = {*added, code(joined)} if code(same[0]) in added else added
    return module


def _near(module: cst.Module, line: cst.CSTNode) -> list[cst.ImportFrom]:
    """The imports that a statement follows, the first one first, and the one behind it."""
    at = list(module.body).index(line)  # type: ignore[arg-type]
    above = list(takewhile(_is_import, reversed(module.body[:at])))
    beside = [*reversed(above), *module.body[at + 1 : at + 2]]
    return [small for small in map(_from, beside) if small is not None]


def _is_import(line: cst.CSTNode) -> bool:
    small = line.body if isinstance(line, cst.SimpleStatementLine) else ()
    return bool(small) and all(isinstance(one, (cst.Import, cst.ImportFrom)) for one in small)


def _from(line: cst.CSTNode) -> cst.ImportFrom | None:
    small = line.body[0] if isinstance(line, cst.SimpleStatementLine) and len(line.body) == 1 else None
    return small if isinstance(small, cst.ImportFrom) and not isinstance(small.names, cst.ImportStar) else None


def source_of(small: cst.ImportFrom) -> str:
    """The module that an import names, with the dots of a relative one."""
    return "." * len(small.relative) + (cst.Module([]).code_for_node(small.module) if small.module else "")


def _with_names_of(small: cst.ImportFrom, other: cst.ImportFrom) -> cst.ImportFrom | None:
    """An import with the names of another one behind its own; None if the line would be too long."""
    assert not isinstance(small.names, cst.ImportStar) and not isinstance(other.names, cst.ImportStar)
    comma = cst.Comma(whitespace_after=cst.SimpleWhitespace(" "))
    names = [*small.names, *other.names]
    spaced = [
        name.with_changes(comma=comma) if index == len(small.names) - 1 else name for index, name in enumerate(names)
    ]
    joined = small.with_changes(names=spaced)
    return joined if len(cst.Module([]).code_for_node(joined)) <= _WIDTH and small.lpar is None else None
