"""Makes the scratch copy that a version runs in, so that the user's own folder is never written to."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from refactorer.verify.project import Project, ignored

MOST_FILES = 200_000
MOST_BYTES = 256 << 20  # beyond this, what is large is linked; the tracer copies a link before it is written to


class TooLarge(Exception):
    """The folder of the script holds too many files to be copied."""


Stamp = tuple[int, int]  # size in bytes, modification time in nanoseconds


@dataclass
class Scratch:
    """A copy of a project: where it is, and what it held before the run."""

    folder: Path
    script: Path
    cwd: Path
    before: dict[str, Stamp] = field(default_factory=dict)
    linked: dict[Path, Stamp] = field(default_factory=dict)

    def written(self) -> dict[str, Path | None]:
        """Files that a run made or changed, by name relative to the copy; None for one that it deleted."""
        found: dict[str, Path | None] = {}
        after = dict(_files(self.folder))
        for name, path in after.items():
            if path != self.script and self.before.get(name) != _stamp(path):
                found[name] = path
        found.update({name: None for name in self.before if name not in after})
        return found

    def move(self, folder: Path) -> None:
        """Renames the copy, so that the next run finds its place free and sees the same absolute paths."""
        self.script, self.cwd = (folder / path.relative_to(self.folder) for path in (self.script, self.cwd))
        self.folder = self.folder.rename(folder)

    def damaged(self) -> list[Path]:
        """Files of the user that were linked, not copied, and have changed since."""
        return [path for path, stamp in self.linked.items() if not path.exists() or _stamp(path) != stamp]


def copy_project(project: Project, target: Path, converted: bytes | None = None) -> Scratch:
    """Copies the parts of a project to `target`, with the script's content replaced by `converted`.

    Raises `TooLarge` when there are more than `MOST_FILES` files, and `OSError` when a file cannot be copied.
    """
    scratch = Scratch(
        target, target / project.script.relative_to(project.base), target / project.cwd.relative_to(project.base)
    )
    files = [path for part in project.parts for path in _walk(part)]
    if len(files) > MOST_FILES:
        raise TooLarge(f"{project.parts[0]} holds more than {MOST_FILES} files")
    large = _to_link(path for path in files if path != project.script)
    for path in files:
        copy = target / path.relative_to(project.base)
        copy.parent.mkdir(parents=True, exist_ok=True)
        if path.is_symlink():
            _copy_link(path, copy, project, target)
        elif path.is_dir():
            copy.mkdir(exist_ok=True)
        elif path in large:
            copy.symlink_to(path)
            scratch.linked[path] = _stamp(path)
        elif path.is_file():
            shutil.copy2(path, copy)
    if converted is not None:
        scratch.script.write_bytes(converted)
    scratch.cwd.mkdir(parents=True, exist_ok=True)
    scratch.before = {name: _stamp(path) for name, path in _files(target)}
    return scratch


def _walk(top: Path) -> list[Path]:
    """Every file, link and folder below `top`, which may itself be a file."""
    if not top.is_dir() or top.is_symlink():
        return [top]
    found = [top]
    for folder, folders, files in os.walk(top):
        folders[:] = sorted(name for name in folders if not ignored(Path(folder, name)))
        found += [Path(folder, name) for name in folders + sorted(files)]
        if len(found) > MOST_FILES:
            break
    return found


def _to_link(files: Iterable[Path]) -> set[Path]:
    """The largest files, as many as it takes to stay below the limit; code is always copied."""
    sizes = {path: path.stat().st_size for path in files if path.is_file() and not path.is_symlink()}
    total = sum(sizes.values())
    linked: set[Path] = set()
    for path, size in sorted(sizes.items(), key=lambda item: -item[1]):
        if total <= MOST_BYTES:
            break
        if path.suffix != ".py":
            linked.add(path)
            total -= size
    return linked


def _copy_link(path: Path, copy: Path, project: Project, target: Path) -> None:
    """Keeps a link that stays inside the project; one that leaves it becomes absolute."""
    end = Path(os.path.realpath(path))
    inside = any(end.is_relative_to(part) for part in project.parts)
    copy.symlink_to(os.path.relpath(target / end.relative_to(project.base), copy.parent) if inside else end)


def _files(folder: Path) -> list[tuple[str, Path]]:
    return [
        (path.relative_to(folder).as_posix(), path)
        for path in _walk(folder)
        if path.is_file() and not (path.is_symlink() and not path.resolve().is_relative_to(folder.resolve()))
    ]


def _stamp(path: Path) -> Stamp:
    state = path.stat()
    return state.st_size, state.st_mtime_ns
