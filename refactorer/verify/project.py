"""Finds out which files a script needs around it, and where it is run from."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

MARKERS = (".git", ".hg", "pyproject.toml", "setup.py", "setup.cfg")
UPWARDS = re.compile(r"(?<![\w.])((?:\.\./)+)([\w][\w.+-]*)")


@dataclass(frozen=True)
class Project:
    """A script with the folders that belong to it; all paths are absolute and lie below `base`.

    `parts` are what a scratch copy holds: the project's folder, and what the code reaches through `../name`.
    """

    base: Path
    parts: tuple[Path, ...]
    script: Path
    cwd: Path


def find_project(script: Path, args: Sequence[str] = (), cwd: Path | None = None) -> Project:
    """The project of a script: the nearest folder above it that looks like a project's root, or its own folder.

    The working folder is `cwd` (by default the current one) when that lies in the project, else the script's folder.
    """
    script = script.resolve()
    root = _root(script)
    cwd = (cwd or Path.cwd()).resolve()
    if not cwd.is_relative_to(root):
        cwd = script.parent
    siblings = _siblings(root, {cwd, script.parent}, args)
    base = Path(os.path.commonpath([path.parent for path in (root, *siblings)]))
    return Project(base, (root, *siblings), script, cwd)


def _root(script: Path) -> Path:
    home = Path.home()
    for folder in script.parents:
        if folder == home or folder == folder.parent:
            break
        if any((folder / marker).exists() for marker in MARKERS):
            return folder
    return script.parent


def _siblings(root: Path, starts: set[Path], args: Sequence[str]) -> list[Path]:
    """What lies outside `root` and is mentioned as `../name` in the project's code or in the arguments."""
    found = set()
    for text in [*args, *_sources(root)]:
        for ups, name in UPWARDS.findall(text):
            for start in starts:
                path = Path(os.path.normpath(start / ups / name))
                if path.exists() and not path.is_relative_to(root) and not root.is_relative_to(path):
                    found.add(path)
    return sorted(path for path in found if not any(other in path.parents for other in found))


def _sources(root: Path, most: int = 300) -> list[str]:
    texts: list[str] = []
    for folder, folders, files in os.walk(root):
        folders[:] = [name for name in folders if not ignored(Path(folder, name))]
        texts += [Path(folder, name).read_text(errors="replace") for name in files if name.endswith(".py")]
        if len(texts) > most:
            break
    return texts


_CACHES = {"__pycache__", ".mypy_cache", ".ruff_cache", ".pytest_cache", ".ipynb_checkpoints"}
IGNORED = frozenset({".git", ".hg", ".svn", ".tox", ".nox", "node_modules"} | _CACHES)


def ignored(path: Path) -> bool:
    """Whether a folder is no part of what a script works with: version control, caches, environments."""
    return path.name in IGNORED or (path / "pyvenv.cfg").exists() or (path / "conda-meta").is_dir()
