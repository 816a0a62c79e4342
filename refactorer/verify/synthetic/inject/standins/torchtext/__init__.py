"""Stands for torchtext where that cannot be imported: generated data sets, tokenizers, vocabularies, transforms.

Names and arguments are those of torchtext 0.9 to 0.18, and `legacy` has the fields and iterators of the versions before
them. What is not here is an error that says so.
"""

from __future__ import annotations

from typing import NoReturn

from . import data, datasets, functional, legacy, transforms, vocab

__version__ = "0.18.0+refactorer"
__all__ = ["data", "datasets", "functional", "legacy", "transforms", "vocab"]


def disable_torchtext_deprecation_warning() -> None:
    """There is no warning."""


def __getattr__(name: str) -> NoReturn:
    if name.startswith("__"):
        raise AttributeError(name)
    raise ImportError(f"the stand-in for torchtext has no {name!r}: install torchtext to verify this script")
