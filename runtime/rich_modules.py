"""rich, as Lightning has imported it, which a script does not see.

Importing rich draws from the generator of ``random``, so a script that imports it has to do so anew. There are two
copies then, and the classes of one know nothing of the other's. rich imports parts of itself late; while Lightning's
progress bar draws, such an import has to find the copy that the bar is made of.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterable, Iterator
from types import ModuleType
from typing import Any

_copy: dict[str, ModuleType] = {}


def hide(before: Iterable[str]) -> None:
    """Take rich out of the modules that are there, unless it was among those that were there before."""
    if not any(_is_rich(name) for name in before):
        _copy.update(_take())


@contextlib.contextmanager
def shown_to(callbacks: Iterable[Any]) -> Iterator[None]:
    """Inside, Lightning's copy is there for a progress bar that is made of it."""
    from pytorch_lightning.callbacks import RichProgressBar

    if not _copy or not any(isinstance(callback, RichProgressBar) for callback in callbacks):
        yield
        return
    others = _take()
    sys.modules.update(_copy)
    try:
        yield
    finally:
        _copy.update(_take())
        sys.modules.update(others)


def _take() -> dict[str, ModuleType]:
    return {name: sys.modules.pop(name) for name in list(sys.modules) if _is_rich(name)}


def _is_rich(name: str) -> bool:
    return name.partition(".")[0] == "rich"
