"""``self.log`` at the price of what it stores, and the logged values read when somebody asks for them.

Lightning checks the arguments of ``log`` anew for every batch, and collects all logged values, as numbers for the
progress bar, behind every batch. Neither can give another answer than in the epoch's first batch, or is wanted every
time. The first batch of an epoch goes through Lightning's own ``log``, with its checks, errors and warnings.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from pytorch_lightning.trainer.connectors.logger_connector.result import _get_default_dtype, _ResultMetric
from torch import Tensor

#: How many arguments of ``log`` may be given by position; the batch size comes later.
_POSITIONS = 9
_LARGEST = torch.finfo(torch.float32).max


class Shortcuts:
    """Stores logged values as Lightning's ``log`` did in the first batch of the epoch.

    Args:
        trainer: The Trainer whose loop runs.
        results: The loop's collection of logged values.
    """

    def __init__(self, trainer: Any, results: Any) -> None:
        self._connector = trainer._logger_connector
        self._results = results
        self._known: dict[Any, _ResultMetric] = {}

    def store(self, fx: str, name: str, value: Any, args: tuple[Any, ...], options: dict[str, Any]) -> bool:
        """Store ``value``; False where Lightning's ``log`` has to be called, and ``remember`` after it."""
        if self._connector._first_loop_iter is not False:
            return False
        metric = self._known.get(_key(fx, name, args, options))
        tensor = None if metric is None else _plain(value, metric.value)
        if metric is None or tensor is None:
            return False
        metric._computed = None
        metric._update_count += 1
        _update(metric, tensor, self._results, options.get("batch_size"))
        metric.has_reset = False
        self._connector._current_fx = fx
        return True

    def remember(self, fx: str, name: str, args: tuple[Any, ...], options: dict[str, Any]) -> None:
        """Lightning's ``log`` has accepted these arguments: the next batch need not ask again."""
        metric = self._results.get(f"{fx}.{name}")
        if type(metric) is not _ResultMetric or not metric.is_tensor or len(args) > _POSITIONS:
            return
        if not metric.meta.sync.should and not metric.meta.enable_graph:
            self._known[_key(fx, name, args, options)] = metric


@contextmanager
def shortcuts(trainer: Any, results: Any) -> Iterator[None]:
    """Have ``Module.log`` store into ``results`` while this loop runs."""
    before = trainer.__dict__.get("_shortcuts")
    trainer._shortcuts = Shortcuts(trainer, results)
    try:
        yield
    finally:
        trainer._shortcuts = before


class Readings:
    """Says whether the logged values have to be collected behind every batch."""

    def __init__(self, results: Any) -> None:
        self._results = results
        self._count = 0
        self._eager = False

    def eager(self) -> bool:
        """Whether a value could change before somebody asks for it, or has to be written for every batch."""
        if len(self._results) != self._count:
            self._count = len(self._results)
            self._eager = any(self._is_eager(metric) for metric in self._results.values())
        return self._eager

    def _is_eager(self, metric: _ResultMetric) -> bool:
        if not self._results.training:
            return metric.meta.on_step
        # a metric object may be updated by others; a value from the start of a batch that is left out does not count
        return not metric.is_tensor or metric.meta.fx == "on_train_batch_start"


def _key(fx: str, name: str, args: tuple[Any, ...], options: dict[str, Any]) -> tuple[Any, ...]:
    return (fx, name, args, *options.items())


def _plain(value: Any, like: Tensor) -> Tensor | None:
    """A copy of the value as a scalar on the device of ``like``; None for anything unusual.

    A number gets to an accelerator without waiting for it, as ``torch.tensor`` would.
    """
    if type(value) is Tensor:
        usual = value.ndim == 0 and value.dtype in (torch.float32, torch.float64) and value.device == like.device
        return value.detach().clone() if usual else None
    if type(value) not in (float, int) or not abs(value) <= _LARGEST:
        return None
    return torch.full((), value, dtype=_get_default_dtype(), device=like.device)


def _update(metric: _ResultMetric, value: Tensor, results: Any, batch_size: int | None) -> None:
    """What ``_ResultMetric.update`` does."""
    meta = metric.meta
    if meta.on_step:
        metric._forward_cache = value
        if not meta.on_epoch:
            metric.value = value
            return
    if meta.is_mean_reduction:
        size = results._extract_batch_size(metric, batch_size, meta)
        metric.value = metric.value + value * size
        metric.cumulated_batch_size = metric.cumulated_batch_size + size
    elif meta.is_sum_reduction:
        metric.value = metric.value + value
    else:
        metric.value = meta.reduce_fx(metric.value, value)
