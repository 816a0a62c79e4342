"""Which names of a file other files of its project use: a conversion may not take those away.

Few files import a given one, and a run over a large project asks for thousands of them: so a process looks once which
words stand in the imports of which files, and parses only the files that mention a module.
"""

from __future__ import annotations

import os
import re
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import islice
from pathlib import Path

from refactorer.discovery import SKIPPED
from refactorer.project.facts import Facts, Imported, facts_of
from refactorer.project.texts import text_of
from refactorer.project.used_elsewhere import Uses, kept, uses_of_module, uses_of_names
from refactorer.source import Source

_MOST_FILES = 5_000
_REPOSITORY, _PROJECT = (".git", ".hg"), ("pyproject.toml", "setup.py", "setup.cfg", "requirements.txt")
_REST = r"(?:[^\n\\]|\\\r?\n)*"
_IMPORT = re.compile(
    rf"(?:^|[;:])[ \t]*(?:from[ \t]+[\w.]+[ \t]+import[ \t]*(?:\([^)]*\)|{_REST})|import[ \t]+{_REST})".encode(),
    re.MULTILINE,
)
_BY_TEXT = re.compile(rb"\b(?:(?:import_module|__import__)\s*\(|sys\.modules\s*\[)\s*[frbuFRBU]*[\"']([\w.]*)")
_PATCHED = re.compile(rb"\b(?:patch|setattr)\s*\(\s*[\"']([\w.]+)[\"']")
_SET = re.compile(rb"\n[ \t]*(?:\w+\.)*(\w+)\.(\w+)[ \t]*=[^=]")
_SET_BY_NAME = re.compile(rb"(?:object|setattr)\s*\(\s*(?:\w+\.)*(\w+)\s*,\s*[\"'](\w+)[\"']")
_RUNS = (b"run_path", b"spec_from_file_location", b"SourceFileLoader", b"exec(")
_SETS = (b"setattr", b"patch")
_FILE = re.compile(rb"[\"'/\\](\w+)\.py[\"']")
_WORD = re.compile(rb"\w+")


def used_elsewhere(source: Source) -> tuple[str, ...]:
    """The names of a file, and its methods as `.method`, that other files of its project use."""
    facts = facts_of(source.text)
    real = Path(os.path.realpath(source.path))
    return kept(facts, _Importers(*_top(real), facts.classes).uses(real)) if facts is not None else ()


def replaced_elsewhere(source: Source) -> frozenset[str]:
    """The names of modules, not of classes, that files of the project bind to something else, as tests do."""
    index = _index(_top(Path(os.path.realpath(source.path)))[0])
    return index.replaced | {parts[-1] for parts in index.patched if len(parts) > 1 and not parts[-2][:1].isupper()}


def forget() -> None:
    """Files may have changed: the next question looks at them again."""
    _index.cache_clear()


@dataclass(frozen=True)
class _Index:
    """The files whose imports mention a word; the modules that code imports by a text, and packages by the like.

    `patched` are the dotted names of what tests put something else in the place of, as parts; `replaced` the names that
    files set of something that they import.
    """

    files: dict[str, tuple[Path, ...]]
    patched: frozenset[tuple[str, ...]]
    replaced: frozenset[str]
    modules: frozenset[str]
    packages: frozenset[str]


@dataclass(frozen=True)
class _Importers:
    """The files below a folder that import one of them; `whole` says that it is known to be all of a project.

    `classes` are those of the file that is asked about.
    """

    top: Path
    whole: bool
    classes: frozenset[str]

    def uses(self, path: Path, seen: frozenset[Path] = frozenset()) -> Uses:
        """What others use of a file."""
        index = _index(self.top)
        name, package = (path.parent.name, "") if path.name == "__init__.py" else (path.stem, path.parent.name)
        found = Uses(everything=name in index.modules or package in index.packages)
        for parts in (parts for parts in index.patched if name in parts):
            inner = parts[parts.index(name) + 1 :]
            found.replaced.update(inner[:1])
            found.methods.update(inner[1:2])
            found.replaced.update(f".{method}" for method in inner[1:2])
        for other in index.files.get(name, ()):
            theirs = _facts(other) if other != path and other not in seen else None
            if theirs is not None:
                self._add(found, path, other, theirs, seen)
        if path.name != "__init__.py" and (path.parent / "__init__.py").is_file():
            self._add_inner(found, path, index.files.get(package, ()))
        return found

    def _add_inner(self, found: Uses, path: Path, others: Iterable[Path]) -> None:
        """Adds what files use that import the package, and ask it for the module: `package.module.name`."""
        for other in others:
            theirs = _facts(other) if other != path else None
            imports = theirs.imports if theirs is not None else []
            around = [one for one in imports if self._means(other, one, _full(one), path.parent / "__init__.py")]
            if theirs is not None and around:
                inner = [replace(one, bound=f"{one.name_of_module}.{path.stem}", renamed=True) for one in around]
                found.add(uses_of_module(theirs, inner, self.classes))

    def _add(self, found: Uses, path: Path, other: Path, theirs: Facts, seen: frozenset[Path]) -> None:
        """Adds what one file uses, and what is used of it, if it hands names of the module on."""
        names = [one for one in theirs.imports if not one.whole and self._means(other, one, one.module, path)]
        modules = [one for one in theirs.imports if self._means(other, one, _full(one), path)]
        if names:
            found.add(uses_of_names(theirs, names, self.classes))
        if modules:
            found.add(uses_of_module(theirs, modules, self.classes))
        if any(one.name == "*" for one in names) or (names and other.name == "__init__.py"):
            found.add(self.uses(other, seen | {path}))

    def _means(self, other: Path, one: Imported, module: str, path: Path) -> bool:
        """Whether what a file imports may be this one: it has the name, and is where the file would find it."""
        place = path.parent if path.name == "__init__.py" else path.with_suffix("")
        parts = module.split(".") if module else []
        if one.level:
            return other.parents[min(one.level, len(other.parents)) - 1].joinpath(*parts) == place
        if not parts or list(place.parts[-len(parts) :]) != parts:
            return False
        base = place.parents[len(parts) - 1]
        return base in other.parents or (self.whole and not _has(other.parent, parts[0]))


def _full(one: Imported) -> str:
    """The dotted name of what is imported, were it a module."""
    return one.module if one.whole else f"{one.module}.{one.name}".lstrip(".")


def _has(folder: Path, name: str) -> bool:
    return (folder / name).is_dir() or (folder / f"{name}.py").is_file()


def _facts(path: Path) -> Facts | None:
    text = text_of(str(path))
    return facts_of(text) if text is not None else None


def _top(path: Path) -> tuple[Path, bool]:
    """The folder of the whole project, if it shows what it is; else the one above the file's, if it has files too."""
    above = [folder for folder in path.parents if folder not in (Path.home(), Path(folder.anchor))]
    for marks in (_REPOSITORY, _PROJECT):
        for folder in above:
            if any((folder / mark).exists() for mark in marks):
                return folder, True
    outside = [folder for folder in above if not (folder / "__init__.py").exists()]
    holds = len(outside) > 1 and any(outside[1].glob("*.py"))
    return outside[1] if holds else [*outside, path.parent][0], False


@lru_cache(maxsize=4)
def _index(top: Path) -> _Index:
    files: defaultdict[str, list[Path]] = defaultdict(list)
    asked: set[str] = set()
    patched: set[tuple[str, ...]] = set()
    replaced: set[str] = set()
    for path in islice(_python_files(top), _MOST_FILES):
        try:
            data = path.read_bytes()
        except OSError:
            continue
        statements = b" ".join(found.group() for found in _IMPORT.finditer(data))
        words = set(_WORD.findall(statements))
        sets = _SET.findall(data)
        if any(word in data for word in _SETS):
            sets += _SET_BY_NAME.findall(data)
            patched.update(tuple(found.decode().split(".")) for found in _PATCHED.findall(data))
        replaced.update(name.decode() for owner, name in sets if owner in words and not owner[:1].isupper())
        for word in words:
            files[word.decode()].append(path)
        asked.update(found.decode() for found in _BY_TEXT.findall(data))
        if any(word in data for word in _RUNS):
            asked.update(found.decode() for found in _FILE.findall(data))
    modules = frozenset(text.rpartition(".")[2] for text in asked)
    packages = frozenset(text.split(".")[-2] for text in asked if text.endswith(".") and len(text) > 1)
    found = {word: tuple(paths) for word, paths in files.items()}
    return _Index(found, frozenset(patched), frozenset(replaced), modules - {""}, packages)


def _python_files(top: Path) -> Iterator[Path]:
    """The files below a folder, those near its top first."""
    waiting = deque([top])
    while waiting:
        try:
            with os.scandir(waiting.popleft()) as entries:
                for entry in sorted(entries, key=lambda entry: entry.name):
                    if entry.is_dir(follow_symlinks=False) and entry.name not in SKIPPED:
                        waiting.append(Path(entry.path))
                    elif entry.name.endswith(".py") and entry.is_file():
                        yield Path(entry.path)
        except OSError:
            continue
