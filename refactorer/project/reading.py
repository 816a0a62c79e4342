"""Finding and reading the other files of a project, as Python itself would find them from the script's folder."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from functools import partial
from importlib.machinery import EXTENSION_SUFFIXES

from refactorer.project.facts import facts_of
from refactorer.project.files import ALONE, SCRIPT, OtherFile, Others, references_of
from refactorer.project.importers import replaced_elsewhere, used_elsewhere
from refactorer.project.texts import text_of
from refactorer.source import Source


def read_others(source: Source) -> Others:
    """The files that the imports of a script lead to, read when they are asked for; none for a text without a path.

    A file that cannot be found, read, or written in the script's own encoding is left out.
    """
    if not os.path.isfile(source.path) or "import" not in source.text:
        return ALONE
    used = used_elsewhere(source) if "backward" in source.text else ()
    return Others(_Files(source), used, partial(replaced_elsewhere, source))


class _Files(Mapping[str, OtherFile]):
    """Finds each file once. To go through all of them is to follow every import: needed for few scripts only."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._folder = os.path.dirname(os.path.realpath(source.path))
        self._found: dict[str, OtherFile | None] = {}

    def __getitem__(self, reference: str) -> OtherFile:
        if reference not in self._found:
            self._found[reference] = self._look_for(reference)
        file = self._found[reference]
        if file is None:
            raise KeyError(reference)
        return file

    def __iter__(self) -> Iterator[str]:
        waiting = [(SCRIPT, OtherFile(self._source.path, self._source.text, package=True))]
        seen: set[str] = set()
        while waiting:
            base, file = waiting.pop()
            facts = facts_of(file.text)
            for reference in references_of(base, file.package, facts) if facts is not None else ():
                if reference not in seen and reference in self:
                    seen.add(reference)
                    waiting.append((reference, self[reference]))
                    yield reference

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def _look_for(self, reference: str) -> OtherFile | None:
        path, package = _find(reference, self._folder)
        text = _text(path, self._source.encoding) if path is not None else None
        if path is None or text is None:
            return None
        if os.path.samefile(path, self._source.path):
            return OtherFile(self._source.path, text)
        return OtherFile(_shown(path, self._source.path, self._folder), text, package)


def _find(reference: str, folder: str) -> tuple[str | None, bool]:
    """The file of a module, and whether it is that of a package; None where it is no file of the project, surely."""
    name = reference.lstrip(".")
    dots = len(reference) - len(name)
    if not name or (not dots and name.split(".")[0] in _TAKEN):
        return None, False
    for _ in range(dots - 1):
        folder = os.path.dirname(folder)
    *packages, last = name.split(".")
    place = os.path.join(folder, *packages)
    if not dots and _is_in_package(folder) and _may_be_elsewhere(os.path.dirname(folder), name.split(".")[0]):
        return None, False
    if any(os.path.exists(os.path.join(place, last + suffix)) for suffix in EXTENSION_SUFFIXES):
        return None, False
    initial = os.path.join(place, last, "__init__.py")
    if os.path.isfile(initial):
        return initial, True
    path = os.path.join(place, f"{last}.py")
    return (path, False) if os.path.isfile(path) else (None, False)


_TAKEN = sys.stdlib_module_names


def _is_in_package(folder: str) -> bool:
    return os.path.isfile(os.path.join(folder, "__init__.py"))


def _may_be_elsewhere(folder: str, name: str) -> bool:
    """Whether a script that is run as a part of a package would find a module of that name above its own folder."""
    while True:
        if os.path.exists(os.path.join(folder, name)) or os.path.exists(os.path.join(folder, f"{name}.py")):
            return True
        if not _is_in_package(folder):
            return False
        folder = os.path.dirname(folder)


def _text(path: str, encoding: str) -> str | None:
    """The text of a file, if it can be read, and written in an encoding."""
    text = text_of(path)
    try:
        if text is not None and not text.isascii():
            text.encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return None
    return text


def _shown(path: str, script: str, folder: str) -> str:
    """The path of a file as the user would write it: relative, if that of the script is."""
    return os.path.normpath(os.path.join(os.path.dirname(script), os.path.relpath(path, folder)))
