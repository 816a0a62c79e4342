"""Replaces the known data sets of a script by generated samples, from inside its process.

The parent sets the environment:

* REFACTORER_SYNTHETIC  samples for training; half as many for testing;
* REFACTORER_TRACE_DIR  folder that receives `synthetic-PID.jsonl`: what was replaced, for the report.

Libraries are changed when they are imported, by what `PATCHES` names. One that cannot be imported is replaced by a
small package of the same name from `standins`, if there is one.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import importlib.abc
import importlib.machinery
import importlib.metadata
import importlib.util
import json
import os
import sys
import types
from collections.abc import Callable
from typing import Any

HERE = os.path.dirname(os.path.abspath(__file__))
STANDINS = os.path.join(HERE, "standins")


def samples(train: bool) -> int:
    """How many samples a data set has."""
    size = int(os.environ.get("REFACTORER_SYNTHETIC", "256"))
    return size if train else max(size // 2, 1)


_told: set[str] = set()


def tell(text: str) -> None:
    """Writes down, once for each process, what was replaced."""
    folder = os.environ.get("REFACTORER_TRACE_DIR")
    if folder and text not in _told:
        _told.add(text)
        path = os.path.join(folder, f"synthetic-{os.getpid()}.jsonl")
        with contextlib.suppress(OSError):
            file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            os.write(file, (json.dumps({"text": text}) + "\n").encode())
            os.close(file)


def _vision(module: Any) -> None:
    importlib.import_module("refactorer_vision").replace(module)


def _texts(module: Any) -> None:
    importlib.import_module("refactorer_torchtext").replace(module)


def _hugging_face(module: Any) -> None:
    importlib.import_module("refactorer_texts").replace_hugging_face(module)


def _hub(module: Any) -> None:
    importlib.import_module("refactorer_weights").replace(module)


PATCHES: dict[str, Callable[[Any], None]] = {
    "torchvision.datasets": _vision,
    "torchtext.datasets": _texts,
    "datasets": _hugging_face,
    "torch": _hub,
}


class Patched(importlib.abc.MetaPathFinder):
    """Changes a library right after it was loaded for the first time."""

    def __init__(self) -> None:
        self.looking: set[str] = set()

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        """The spec that other finders give, with the change behind its loading."""
        if name not in PATCHES or name in self.looking:
            return None
        self.looking.add(name)
        try:
            spec = importlib.util.find_spec(name)
        finally:
            self.looking.discard(name)
        if spec is None or spec.loader is None or _from_the_script(spec):
            return spec
        execute = spec.loader.exec_module

        def exec_module(module: Any) -> None:
            execute(module)
            if name in PATCHES:
                PATCHES.pop(name)(module)

        spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


class Standins(importlib.abc.MetaPathFinder):
    """Gives the script a stand-in for a library that is not installed, or that does not load beside this torch.

    Only imports by the script's own files get one: other libraries that ask whether it is there are told the truth.
    """

    def __init__(self) -> None:
        self.known = set(os.listdir(STANDINS)) if os.path.isdir(STANDINS) else set()
        self.given: set[str] = set()
        self.loads: dict[str, bool] = {}

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        """The spec of the stand-in; that of the library itself where it can be imported."""
        if name not in self.known or not _asked_by_the_script():
            return None
        self.known.discard(name)
        why = _why_not(name)
        if why is None:
            return importlib.machinery.ModuleSpec(name, _Loaded(sys.modules[name]))
        self.given.add(name)
        tell(f"a small stand-in for {name} ({why})")
        return importlib.machinery.PathFinder.find_spec(name, [STANDINS])

    def hides(self, name: str) -> bool:
        """Whether other libraries are not to see a library: it is installed, and does not load beside this torch."""
        if name not in self.loads:
            self.loads[name] = True  # it may ask for itself while it loads
            self.loads[name] = name not in self.known or _why_not(name) is None
        return name in self.given or not self.loads[name]


class _Loaded(importlib.abc.Loader):
    """Loads a module that is there already."""

    def __init__(self, module: Any) -> None:
        self.module, self.spec = module, module.__spec__

    def create_module(self, spec: Any) -> Any:
        """The module that is there."""
        return self.module

    def exec_module(self, module: Any) -> None:
        """Gives the module its own spec back; nothing runs twice."""
        module.__spec__, module.__loader__ = self.spec, self.spec.loader


def _why_not(name: str) -> str | None:
    """Why a library cannot be imported; None when it has been."""
    try:
        importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name == name:
            return "not installed"
        reason = str(error)
    except Exception as error:  # a library may fail in any way when it is loaded
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
    else:
        return None
    for module in [module for module in sys.modules if module.split(".")[0] == name]:
        del sys.modules[module]
    return f"it does not load: {reason}"


def _asked_by_the_script() -> bool:
    """Whether the nearest frame that is not part of the import system belongs to a file of the project."""
    frame: types.FrameType | None = sys._getframe(1)
    while frame is not None:
        file = frame.f_code.co_filename
        if not file.startswith(("<frozen importlib", HERE, os.path.dirname(importlib.__file__))):
            return os.path.realpath(file).startswith(_project())
        frame = frame.f_back
    return False


def _project() -> str:
    return os.path.join(os.path.realpath(os.environ.get("REFACTORER_TRACE_ROOT", "/nowhere")), "")


def _from_the_script(spec: Any) -> bool:
    """Whether a module lies in the project: `datasets.py` beside a script is its own."""
    return os.path.realpath(spec.origin or "").startswith(_project())


def _hide(find_spec: Callable[..., Any], standins: Standins) -> Callable[..., Any]:
    """`importlib.util.find_spec`, by which libraries ask what is installed: a stand-in is not."""

    @functools.wraps(find_spec)
    def call(name: str, package: str | None = None) -> Any:
        top = name.partition(".")[0]
        return None if top in standins.given and not _asked_by_the_script() else find_spec(name, package)

    return call


def _hide_installed(distribution: Callable[..., Any], standins: Standins) -> Callable[..., Any]:
    """`importlib.metadata.distribution`, the other way of asking."""

    @functools.wraps(distribution)
    def call(name: str) -> Any:
        found = distribution(name)
        if not _asked_by_the_script() and standins.hides(name):
            raise importlib.metadata.PackageNotFoundError(name)
        return found

    return call


def start(tracer: Any) -> None:
    """Puts the finders first; `tracer` is not needed."""
    standins = Standins()
    importlib.util.find_spec = _hide(importlib.util.find_spec, standins)
    importlib.metadata.distribution = _hide_installed(importlib.metadata.distribution, standins)
    sys.meta_path.insert(0, standins)
    sys.meta_path.insert(0, Patched())
