"""Importing libraries in a folder of scripts, some of which may have the name of a library."""

from __future__ import annotations

import contextlib
import importlib.machinery
import os
import sys
from collections.abc import Iterator
from types import ModuleType


@contextlib.contextmanager
def past_the_scripts() -> Iterator[None]:
    """Inside, the folder of the script that runs does not hide installed libraries.

    A script may have files beside it that are called ``scipy.py`` or ``metrics.py``, and import them; Lightning,
    which needs the libraries of that name, must not get the script's. Afterwards the script sees what it saw.
    """
    folder = os.path.abspath(sys.path[0]) if sys.path else ""
    path = list(sys.path)
    elsewhere = [entry for entry in path if os.path.abspath(entry or ".") != folder]
    hidden = {
        name: module for name, module in list(sys.modules.items())
        if _lies_in(module, folder) and importlib.machinery.PathFinder.find_spec(name.partition(".")[0], elsewhere)
    }  # fmt: skip
    libraries_first = [entry for entry in elsewhere if entry] + [entry for entry in path if entry not in elsewhere]
    for name in hidden:
        del sys.modules[name]
    sys.path[:] = libraries_first
    try:
        yield
    finally:
        sys.path[:] = path
        sys.modules.update(hidden)


def _lies_in(module: ModuleType, folder: str) -> bool:
    file = getattr(module, "__file__", None)
    return bool(folder) and isinstance(file, str) and os.path.abspath(file).startswith(folder + os.sep)
