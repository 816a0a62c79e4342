"""Stands for torchvision where that cannot be imported: generated data sets, the usual transforms, some models.

Names and arguments are torchvision's, so that scripts run; what is not here is an error that says so.
"""

from __future__ import annotations

from typing import NoReturn

from . import datasets, models, transforms, utils

__version__ = "0.0.0+refactorer"
__all__ = ["datasets", "models", "transforms", "utils"]


def __getattr__(name: str) -> NoReturn:
    if name.startswith("__"):
        raise AttributeError(name)
    raise ImportError(f"the stand-in for torchvision has no {name!r}: install torchvision to verify this script")
