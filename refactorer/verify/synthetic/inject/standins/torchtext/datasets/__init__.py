"""Data sets by the names that torchtext gives them; what they hold is generated."""

from __future__ import annotations

from typing import NoReturn

# On the path of the verified script, as this package is.
import refactorer_torchtext  # type: ignore[import-not-found]

from . import multi30k

__all__ = ["multi30k"]

for _name in refactorer_torchtext.KNOWN:
    globals()[_name] = None  # replaced when the module has been loaded


def __getattr__(name: str) -> NoReturn:
    if name.startswith("__"):
        raise AttributeError(name)
    raise ImportError(f"the stand-in for torchtext has no data set {name!r}: install torchtext to verify this script")
