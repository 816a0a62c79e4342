"""Importing libraries in a folder of scripts, some of which may have the name of a library."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from importlib.machinery import PathFinder
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
    scripts = {
        name for name, module in list(sys.modules.items())
        if name != __package__ and _is_a_script(name, module, folder) and PathFinder.find_spec(name, elsewhere)
    }  # fmt: skip
    hidden = {name: module for name, module in list(sys.modules.items()) if name.partition(".")[0] in scripts}
    libraries_first = [entry for entry in elsewhere if entry] + [entry for entry in path if entry not in elsewhere]
    for name in hidden:
        del sys.modules[name]
    sys.path[:] = libraries_first
    try:
        yield
    finally:
        sys.path[:] = path
        sys.modules.update(hidden)


def _is_a_script(name: str, module: ModuleType, folder: str) -> bool:
    """Whether a module is a file or a package directly in a folder; an environment below it is none of the script's."""
    file = getattr(module, "__file__", None)
    places = (os.path.join(folder, f"{name}.py"), os.path.join(folder, name, "__init__.py"))
    return bool(folder) and isinstance(file, str) and os.path.abspath(file) in places
