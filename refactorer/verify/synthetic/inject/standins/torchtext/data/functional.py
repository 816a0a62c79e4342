"""Helpers for data sets."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch


class _MapStyle(torch.utils.data.Dataset[Any]):
    def __init__(self, rows: Iterable[Any]) -> None:
        self._data = list(rows)

    def __len__(self) -> int:
        return len(self._data)

    def __getitem__(self, index: int) -> Any:
        """One sample."""
        return self._data[index]


def to_map_style_dataset(iter_data: Iterable[Any]) -> torch.utils.data.Dataset[Any]:
    """The samples of an iterable as a data set with a length."""
    return _MapStyle(iter_data)
