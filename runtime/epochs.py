"""The epochs of a run: a plain count, or the items of any iterable."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any


class Epochs:
    """Iterates lazily and once over what the script's ``for epoch in ...`` iterated over."""

    def __init__(self, items: Iterable[Any]) -> None:
        self.items = items
        self.current: Any = None
        self._iterator: Iterator[Any] | None = None

    @property
    def count(self) -> int:
        """How many items there are where that is certain without asking the iterable, otherwise -1."""
        return len(self.items) if isinstance(self.items, (range, tuple)) else -1

    def begin(self, done: int) -> None:
        """Start iterating, passing over the items of ``done`` epochs that a checkpoint says are finished."""
        self._iterator = iter(self.items)
        for _ in range(done):
            next(self._iterator, None)

    def advance(self) -> bool:
        """Take the next item; False when there is none."""
        assert self._iterator is not None
        try:
            self.current = next(self._iterator)
        except StopIteration:
            return False
        return True
