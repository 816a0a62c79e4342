"""Makes the batches of every loader REFACTORER_TRACE_BATCHES times as large, as so many processes train on together."""

from __future__ import annotations

import functools
import os
from typing import Any

# Found beside this file, whose folder is on the path of the traced process.
import refactorer_plugins as plugins  # type: ignore[import-not-found]


def start(tracer: Any) -> None:
    """Begins when torch is imported."""
    plugins.after("torch", _install)


def _install(torch: Any) -> None:
    from torch.utils.data import DataLoader

    times = int(os.environ["REFACTORER_TRACE_BATCHES"])
    initialise = DataLoader.__init__

    @functools.wraps(initialise)
    def __init__(self: Any, dataset: Any, batch_size: Any = 1, *args: Any, **kwargs: Any) -> None:
        initialise(self, dataset, batch_size * times if batch_size else batch_size, *args, **kwargs)

    DataLoader.__init__ = __init__  # type: ignore[method-assign]
