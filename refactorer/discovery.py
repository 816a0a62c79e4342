"""Which files a command is about: the paths given, folders searched, ignored files left out, in a stable order."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from refactorer.config import STDIN
from refactorer.diagnostics import Diagnostic

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

SKIPPED = frozenset(
    (".git", ".hg", ".svn", ".bzr", "__pycache__", "__pypackages__", "node_modules", "site-packages")
    + (".venv", ".tox", ".nox", ".eggs", ".mypy_cache", ".ruff_cache", ".pytest_cache", ".ipynb_checkpoints")
)
_ENVIRONMENT_MARKS = ("pyvenv.cfg", "conda-meta")


@dataclass(frozen=True)
class Found:
    """A file to work on; `relative` is its place in a mirrored tree."""

    path: str
    relative: str


@dataclass
class Discovery:
    """The files found, and the folders that could not be listed (E001) or hold nothing to convert."""

    files: list[Found] = field(default_factory=list)
    problems: list[Diagnostic] = field(default_factory=list)
    empty: list[str] = field(default_factory=list)


def discover(paths: Iterable[str], *, exclude: str | None = None) -> Discovery:
    """The Python files at `paths`, each once, in the order of the arguments and then by name.

    A file that is named is always taken. A folder is searched for `*.py`, without what .gitignore files exclude,
    virtual environments and caches; links inside it are not followed, so a search never leaves the folder. `exclude`
    is a folder to leave out.
    """
    discovery = Discovery()
    search = _Search(discovery, os.path.realpath(exclude) if exclude else None)
    seen: set[str] = set()
    for path in paths:
        if path != STDIN and os.path.isdir(path):
            found = [Found(os.path.normpath(os.path.join(path, name)), name) for name in search.folder(path)]
            if not found:
                discovery.empty.append(path)
        else:
            found = [Found(path, os.path.basename(path))]
        for file in found:
            identity = file.path if file.path == STDIN else os.path.realpath(file.path)
            if identity not in seen:
                seen.add(identity)
                discovery.files.append(file)
    return discovery


class _Search:
    def __init__(self, discovery: Discovery, exclude: str | None) -> None:
        self._discovery = discovery
        self._exclude = exclude

    def folder(self, root: str) -> Iterator[str]:
        """The names, relative to `root`, of the Python files below it."""
        absolute = os.path.abspath(root)
        return self._walk(absolute, "", _ignored_from_above(absolute))

    def _walk(self, folder: str, relative: str, ignored: _Ignored) -> Iterator[str]:
        ignored = ignored.below(folder)
        try:
            with os.scandir(folder) as entries:
                ordered = sorted(entries, key=lambda entry: entry.name)
        except OSError as error:
            message = f"cannot be read: {(error.strerror or str(error)).lower()}"
            self._discovery.problems.append(Diagnostic("E001", message, "check the folder's permissions", folder))
            return
        for entry in ordered:
            name = os.path.join(relative, entry.name)
            if entry.is_symlink():
                continue
            if entry.is_dir():
                if not self._skips(entry) and not ignored.matches(entry.path, folder=True):
                    yield from self._walk(entry.path, name, ignored)
            elif entry.name.endswith(".py") and entry.is_file() and not ignored.matches(entry.path, folder=False):
                yield name

    def _skips(self, entry: os.DirEntry[str]) -> bool:
        if entry.name in SKIPPED or (self._exclude and os.path.realpath(entry.path) == self._exclude):
            return True
        return any(os.path.lexists(os.path.join(entry.path, mark)) for mark in _ENVIRONMENT_MARKS)


@dataclass(frozen=True)
class _Ignored:
    """The ignore files in force in a folder, the deepest first; the first that mentions a path decides."""

    specs: tuple[tuple[str, GitIgnoreSpec], ...] = ()

    def below(self, folder: str) -> _Ignored:
        spec = _read_spec(os.path.join(folder, ".gitignore"))
        return _Ignored(((folder, spec), *self.specs)) if spec else self

    def matches(self, path: str, *, folder: bool) -> bool:
        for base, spec in self.specs:
            name = os.path.relpath(path, base).replace(os.sep, "/") + ("/" if folder else "")
            verdict = spec.check_file(name).include
            if verdict is not None:
                return verdict
        return False


def _ignored_from_above(folder: str) -> _Ignored:
    """The ignore files of the git repository that holds `folder`, from its top down to the folder's parent.

    A folder that its repository ignores was named on purpose: then they say nothing about what is in it.
    """
    parents = _up_to_repository(folder)
    if not parents:
        return _Ignored()
    top = parents[0]
    exclude = _read_spec(os.path.join(top, ".git", "info", "exclude"))
    ignored = _Ignored(((top, exclude),)) if exclude else _Ignored()
    for parent, child in zip(parents, [*parents[1:], folder]):
        if parent == folder:
            break
        ignored = ignored.below(parent)
        if ignored.matches(child, folder=True):
            return _Ignored()
    return ignored


def _up_to_repository(folder: str) -> list[str]:
    """The folders from the top of the enclosing git repository down to `folder`; empty outside of any."""
    chain = [folder]
    while not os.path.lexists(os.path.join(chain[0], ".git")):
        parent = os.path.dirname(chain[0])
        if parent == chain[0]:
            return []
        chain.insert(0, parent)
    return chain


def _read_spec(path: str) -> GitIgnoreSpec | None:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            lines = file.read().splitlines()
    except OSError:
        return None
    from pathspec import GitIgnoreSpec

    try:
        return GitIgnoreSpec.from_lines(lines)
    except ValueError:
        return GitIgnoreSpec.from_lines([line for line in lines if _is_pattern(line)])


def _is_pattern(line: str) -> bool:
    """False for a line that git, too, would pass over."""
    from pathspec import GitIgnoreSpec

    try:
        GitIgnoreSpec.from_lines([line])
    except ValueError:
        return False
    return True


def destinations(files: Iterable[Found], paths: Sequence[str], output: str) -> dict[str, str]:
    """Where `--output` puts the result of each file: `output` itself for one file, else a tree that mirrors theirs.

    Raises ValueError, with a message for the user, when that would overwrite an input or one result another.
    """
    files = list(files)
    is_folder = os.path.isdir(output) or output.endswith(("/", os.sep))
    if len(paths) == 1 and not os.path.isdir(paths[0]) and not is_folder:
        return _distinct({files[0].path: output})
    if STDIN in paths:
        raise ValueError(f"standard input has no name to keep in the folder {output}; name a file instead")
    if os.path.exists(output) and not os.path.isdir(output):
        raise ValueError(f"{output} is a file, and there is more than one result; name a folder instead")
    return _distinct({file.path: os.path.normpath(os.path.join(output, file.relative)) for file in files})


def _distinct(planned: dict[str, str]) -> dict[str, str]:
    inputs = {os.path.realpath(path) for path in planned if path != STDIN}
    owner: dict[str, str] = {}
    for path, target in planned.items():
        identity = os.path.realpath(target)
        if identity in inputs:
            raise ValueError(f"{target} is one of the inputs; use --in-place to rewrite files")
        if identity in owner:
            raise ValueError(f"{owner[identity]} and {path} would both be written to {target}")
        owner[identity] = path
    return planned
