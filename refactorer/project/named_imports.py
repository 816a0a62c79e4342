"""Libraries that a script has through `from model import *` alone, imported by name.

Where that file says `import torch`, the script has `torch` too, and saying so once more changes nothing but what a
reader sees: in the text that is converted, the import stands behind the one with the star.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

from refactorer.diagnostics import Diagnostic
from refactorer.emit.check import unbound_names
from refactorer.project.facts import Facts, facts_of
from refactorer.project.files import SCRIPT, member_of
from refactorer.project.modules import Modules
from refactorer.result import Converted, Result

if TYPE_CHECKING:
    from refactorer.converter import Finding

_STAR = re.compile(r"\bimport\s*\*")
_LIBRARIES = ("torch", "numpy", "tqdm")
Found = TypeVar("Found", "Diagnostic", "Finding")


@dataclass(frozen=True)
class Named:
    """A text with imports that the file does not have; `added` are the numbers of their lines, from 1."""

    text: str
    added: Sequence[int] = ()

    def in_file(self, found: Sequence[Found], path: str) -> tuple[Found, ...]:
        """Diagnostics or findings about this text, where the file has their lines."""
        return tuple(
            replace(one, line=one.line - sum(line <= one.line for line in self.added))
            if one.path in (path, None)
            else one
            for one in found
        )

    def result_of(self, result: Result, text: str) -> Result:
        """The result for the file itself, whose text is given."""
        if not self.added:
            return result
        result = replace(result, diagnostics=self.in_file(result.diagnostics, result.path))
        return replace(result, before=text) if isinstance(result, Converted) else result


def named_imports(text: str, modules: Modules) -> Named:
    """The text of a script with imports for the libraries that other files of its project give it unnamed."""
    facts = facts_of(text) if _STAR.search(text) else None
    if facts is None or facts.opaque or "\r" in text.replace("\r\n", ""):
        return Named(text)
    new: defaultdict[int, list[str]] = defaultdict(list)
    for name in sorted(_unbound(text)):
        found = _through_stars(SCRIPT, facts, name, modules)
        if found is not None:
            line, code = found
            new[line].append(code)
    if any(_is_inside(facts, line) for line in new):
        return Named(text)
    for codes in new.values():
        codes.sort(key=lambda code: (code.startswith("from"), code))
    lines: list[str] = []
    added: list[int] = []
    for number, line_of_script in enumerate(text.split("\n"), start=1):
        lines.append(line_of_script)
        added += range(len(lines) + 1, len(lines) + 1 + len(new[number]))
        lines += [code + "\r" * line_of_script.endswith("\r") for code in new[number]]
    return Named("\n".join(lines), added)


def _unbound(text: str) -> set[str]:
    try:
        return unbound_names(text)
    except SyntaxError:
        return set()


def _is_inside(facts: Facts, line: int) -> bool:
    """Whether a statement goes on behind the end of a line."""
    return any(node.lineno <= line < (node.end_lineno or line) for node in facts.tree.body)


def _through_stars(
    base: str, facts: Facts, name: str, modules: Modules, seen: frozenset[str] = frozenset()
) -> tuple[int, str] | None:
    """The last `import *` that binds a name, by its line, and the code of the import of a library that it comes from.

    None if a later one may bind the name as well, or if it is not surely bound to a library.
    """
    stars = [one for one in facts.imports if one.name == "*"]
    if name.startswith("_") or base in seen or not all(one.line for one in stars):
        return None
    for one in sorted(stars, key=lambda one: -one.line):
        reference = modules.reference(base, one)
        given = modules.facts(reference) if reference is not None else None
        if reference is None or given is None or given.opaque or given.bindings("__all__"):
            return None
        if name in given.names:
            code = _library(given, name)
            return (one.line, code) if code is not None else None
        if modules.file(member_of(reference, name)) is not None:
            return None
        if not given.starred:
            continue
        inner = _through_stars(reference, given, name, modules, seen | {base})
        return (one.line, inner[1]) if inner is not None else None
    return None


def _library(facts: Facts, name: str) -> str | None:
    """The import by which a file binds a name, if nothing else there does and it is one of a library."""
    found = {one.code if one.renamed or not one.whole else f"import {one.bound}": one for one in facts.imports_of(name)}
    if len(found) != 1 or facts.bindings(name) != len(facts.imports_of(name)) or name in facts.rebound:
        return None
    code, one = found.popitem()
    known = one.line and not one.level and one.module.split(".")[0] in _LIBRARIES
    return code if known else None
