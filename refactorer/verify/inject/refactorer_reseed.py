"""Moves every seed that a script sets by REFACTORER_TRACE_RESEED, so that one script trains under several seeds."""

from __future__ import annotations

import functools
import os
import random
from collections.abc import Callable
from typing import Any

# Found beside this file, whose folder is on the path of the traced process.
import refactorer_plugins as plugins  # type: ignore[import-not-found]


def start(tracer: Any) -> None:
    """Changes the functions that seed `random`, torch and numpy."""
    offset = int(os.environ["REFACTORER_TRACE_RESEED"])
    random.seed = _moved(random.seed, offset)
    plugins.after("torch", lambda torch: _torch(torch, offset))
    plugins.after("numpy.random", lambda numpy: setattr(numpy, "seed", _moved(numpy.seed, offset)))


def _torch(torch: Any, offset: int) -> None:
    for holder, name in ((torch, "manual_seed"), (torch.random, "manual_seed")):
        setattr(holder, name, _moved(getattr(holder, name), offset))


def _moved(seed: Callable[..., Any], offset: int) -> Callable[..., Any]:
    @functools.wraps(seed)
    def call(*args: Any, **kwargs: Any) -> Any:
        if args and type(args[0]) is int:
            args = (args[0] + offset, *args[1:])
        elif type(kwargs.get("seed")) is int:
            kwargs["seed"] += offset
        return seed(*args, **kwargs)

    return call
