"""The ways to train the same model on the same batches, one file each.

A way imports its library at the top, so a missing one is an ImportError of its file, and the start-up of one way holds
no other library. Each file has ``LABEL``, ``SETTINGS`` (what it is measured with) and ``train(case)``, which returns
the seconds of one epoch and the trained model.
"""

from __future__ import annotations

import importlib
from types import ModuleType

#: Files of the ways; the plain loop, to which all others are compared, comes first.
NAMES = ("raw", "bundled", "lightning", "fabric", "accelerate_loop", "accelerated")


def load(name: str) -> ModuleType:
    """Return the way of that name.

    Raises:
        ImportError: its library is not installed.
    """
    return importlib.import_module(f"{__name__}.{name}")
