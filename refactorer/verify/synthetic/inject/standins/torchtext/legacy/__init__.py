"""Fields, examples and iterators, as they were before torchtext 0.9."""

from __future__ import annotations

from . import data, datasets

__all__ = ["data", "datasets"]
