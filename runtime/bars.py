"""Loaders in progress bars of the script: what is divided among processes is the loader behind the bar."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tqdm.std import tqdm


class Barred:
    """Iterates over ``loader`` under a bar that the script has made around another one.

    The script's bar stays the object that it is, and has its own loader again as soon as it has begun.
    """

    def __init__(self, bar: Any, loader: Any) -> None:
        self.bar = bar
        self.loader = loader

    def __iter__(self) -> Iterator[Any]:
        bar, own = self.bar, self.bar.iterable
        bar.iterable, bar.total = self.loader, self._length()
        batches = iter(bar)
        try:
            first = next(batches)
        except StopIteration:
            return
        finally:
            bar.iterable = own
        yield first
        yield from batches

    def _length(self) -> int | None:
        try:
            return len(self.loader)
        except TypeError:
            return None

    def __len__(self) -> int:
        return len(self.loader)


def loader_in(iterable: Any) -> Any:
    """What a bar of tqdm was made around; anything else is returned as it is."""
    while isinstance(iterable, tqdm) and iterable.iterable is not None:
        iterable = iterable.iterable
    return iterable


def around(iterable: Any, loader: Any) -> Any:
    """``loader`` under the bar that ``iterable`` is, if it is one."""
    return Barred(iterable, loader) if isinstance(iterable, tqdm) else loader
