"""Ends a run where its training data would be iterated once more than REFACTORER_TRACE_EPOCHS times.

A pass over a data set counts when an optimizer stepped on one of its batches, so evaluations do not; where there is no
optimizer, when `backward()` was called. What a script does between two epochs belongs to the first of them, so both
versions end at the same point.
"""

from __future__ import annotations

import functools
import os
from typing import Any

# Found beside this file, whose folder is on the path of the traced process.
import refactorer_plugins as plugins  # type: ignore[import-not-found]


class Epochs:
    """Counts the passes over each data set that trained."""

    def __init__(self, limit: int, tracer: Any) -> None:
        self.limit, self.tracer = limit, tracer
        self.datasets: dict[int, Any] = {}
        self.passes: dict[int, int] = {}
        self.current: Pass | None = None

    def begins(self, loader: Any, tracer: Any) -> None:
        """A loader is about to be iterated."""
        key = id(loader.dataset)
        self.datasets[key] = loader.dataset  # kept, so that no other gets the same id
        if self.passes.get(key, 0) >= self.limit and tracer.main:
            tracer.end(cut=True)
            os._exit(0)

    def stepped(self) -> None:
        """The batch that was given last was trained on."""
        if self.current is not None and not self.current.counted:
            self.current.counted = True
            self.passes[self.current.key] = self.passes.get(self.current.key, 0) + 1


class Pass:
    """One pass over a data set."""

    def __init__(self, key: int) -> None:
        self.key, self.counted = key, False


def start(tracer: Any) -> None:
    """Watches loaders and optimizers from the moment when torch is imported."""
    epochs = Epochs(int(os.environ["REFACTORER_TRACE_EPOCHS"]), tracer)
    plugins.after("torch", lambda torch: _watch(epochs))


def _watch(epochs: Epochs) -> None:
    from torch.utils.data import DataLoader
    from torch.utils.data.dataloader import _BaseDataLoaderIter

    iterate, following = DataLoader.__iter__, _BaseDataLoaderIter.__next__

    @functools.wraps(iterate)
    def __iter__(self: Any) -> Any:
        epochs.begins(self, epochs.tracer)
        found: Any = iterate(self)
        found.refactorer_pass = Pass(id(self.dataset))
        return found

    @functools.wraps(following)
    def __next__(self: Any) -> Any:
        batch = following(self)
        epochs.current = getattr(self, "refactorer_pass", None)
        return batch

    DataLoader.__iter__ = __iter__  # type: ignore[method-assign]
    _BaseDataLoaderIter.__next__ = __next__  # type: ignore[method-assign]
    epochs.tracer.after_update.append(epochs.stepped)
