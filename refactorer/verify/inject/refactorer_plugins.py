"""Starts what else runs inside a verified script, beside the tracer: the modules that REFACTORER_TRACE_PLUGINS names.

Each has a function `start(tracer)`, and what it changes in torch or numpy it leaves to `after`.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
from collections.abc import Callable, Iterator
from typing import Any

# Found beside this file, whose folder is on the path of the traced process.
from refactorer_imports import AroundImport  # type: ignore[import-not-found]

_waiting: dict[str, list[Callable[[Any], None]]] = {}


def after(module: str, action: Callable[[Any], None]) -> None:
    """Runs an action with a module when that has been imported and the tracer has changed what it needs."""
    _waiting.setdefault(module, []).append(action)


def start(tracer: Any) -> None:
    """Starts the plugins in their order."""
    for name in os.environ.get("REFACTORER_TRACE_PLUGINS", "").split():
        importlib.import_module(name).start(tracer)
    if _waiting:
        sys.meta_path.insert(0, AroundImport({name: _run(actions) for name, actions in _waiting.items()}))


def _run(actions: list[Callable[[Any], None]]) -> Any:
    @contextlib.contextmanager
    def around(module: Any) -> Iterator[None]:
        yield
        for action in actions:
            action(module)

    return around
