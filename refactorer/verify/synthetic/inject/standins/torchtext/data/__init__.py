"""Tokenizers and helpers; in old versions also fields, data sets of examples, and iterators."""

from __future__ import annotations

from typing import NoReturn

from ..legacy.data import BucketIterator, Dataset, Example, Field, Iterator, LabelField, TabularDataset
from .functional import to_map_style_dataset
from .utils import get_tokenizer, ngrams_iterator

__all__ = ["BucketIterator", "Dataset", "Example", "Field", "Iterator", "LabelField", "TabularDataset",
           "get_tokenizer", "ngrams_iterator", "to_map_style_dataset"]  # fmt: skip


def __getattr__(name: str) -> NoReturn:
    if name.startswith("__"):
        raise AttributeError(name)
    raise ImportError(f"the stand-in for torchtext.data has no {name!r}: install torchtext to verify this script")
