"""Does something around the first import of a module, and undoes what an import draws."""

from __future__ import annotations

import contextlib
import functools
import importlib.abc
import importlib.util
import random
from collections.abc import Callable, Iterator
from typing import Any

Action = Callable[[Any], "contextlib.AbstractContextManager[None]"]


class AroundImport(importlib.abc.MetaPathFinder):
    """Loads a module, the first time, inside a context that is made from it."""

    def __init__(self, actions: dict[str, Action]) -> None:
        self.actions = actions
        self.looking: set[str] = set()

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        """The spec that other finders give, with the action put around its loading."""
        if name not in self.actions or name in self.looking:
            return None
        self.looking.add(name)
        try:
            spec = importlib.util.find_spec(name)
        finally:
            self.looking.discard(name)
        if spec is None or spec.loader is None:
            return spec
        execute = spec.loader.exec_module

        def exec_module(module: Any) -> None:
            # A library may look for the module without importing it, so the action stays until the module runs.
            with self.actions.pop(name, contextlib.nullcontext)(module):
                execute(module)

        spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


def behind(change: Callable[[Any], None]) -> Action:
    """Changes a module when it has been loaded."""

    @contextlib.contextmanager
    def around(module: Any) -> Iterator[None]:
        yield
        change(module)

    return around


def undrawn() -> Action:
    """Undoes what importing a module draws from `random`, as long as only the tracer has seeded it.

    Without a seed of the script's own, such a draw changes nothing that the script could rely on.
    """
    seeded: list[bool] = []

    def noting(original: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(original)
        def call(*args: Any, **kwargs: Any) -> None:
            seeded.append(True)
            original(*args, **kwargs)

        return call

    restore = random.setstate
    random.seed, random.setstate = noting(random.seed), noting(random.setstate)

    @contextlib.contextmanager
    def around(module: Any) -> Iterator[None]:
        before = random.getstate()
        yield
        if not seeded:
            restore(before)

    return around
