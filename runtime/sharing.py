"""Dividing data among processes.

Training data are divided by samples: process ``r`` of ``n`` gets every ``n``-th sample of the order in which a single
process would see them, beginning with the ``r``-th, so that the ``k``-th batches of all processes together are the
``k``-th batch of a single process with ``n`` times the batch size. The order is the script's own sampler's, drawn from
the script's own generator in every process, and the first process's is used by all. The parts are equally long: the
first samples are repeated, or, where the loader drops its last batch, the last ones are left out.

Evaluation data are divided by batches, where the module adds up what the processes find (:mod:`runtime.divided`): every
batch is seen by exactly one process and is the one that a single process would see, so that sums over all processes are
exact, whether a script adds up samples or means of batches. Elsewhere every process evaluates all of the data.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

import torch
from lightning_utilities.core.rank_zero import rank_zero_warn
from pytorch_lightning.strategies import DDPStrategy, Strategy
from pytorch_lightning.trainer.connectors.data_connector import _DataConnector
from pytorch_lightning.trainer.states import RunningStage
from pytorch_lightning.utilities.combined_loader import CombinedLoader
from torch.utils.data import BatchSampler, DataLoader, DistributedSampler, SequentialSampler

from runtime.bars import around, loader_in
from runtime.data import Passed, combines
from runtime.divided import divides_data


class Agreed:
    """The first process's draw from a sampler, on every process."""

    def __init__(self, sampler: Any, strategy: Strategy) -> None:
        self.sampler = sampler
        self.strategy = strategy

    def __iter__(self) -> Iterator[Any]:
        # every process draws, to keep the random states in step
        return iter(self.strategy.broadcast(list(self.sampler)))

    def __len__(self) -> int:
        return len(self.sampler)


class Share:
    """Every ``world``-th item, beginning with item ``rank``; the items are asked for when the first one is.

    Args:
        even: Repeat the first items so that all processes get the same number.
        drop: Leave out the last items so that all processes get the same number.
    """

    def __init__(self, items: Any, rank: int, world: int, *, even: bool = False, drop: bool = False) -> None:
        self.items = items
        self.rank = rank
        self.world = world
        self.even = even
        self.drop = drop

    def __iter__(self) -> Iterator[Any]:
        if not self.even and not self.drop:
            yield from islice(iter(self.items), self.rank, None, self.world)
            return
        items = list(self.items)
        if self.drop:
            del items[len(items) - len(items) % self.world :]
        while items and len(items) % self.world:
            items.append(items[len(items) % self.world - 1])
        yield from items[self.rank :: self.world]

    def __len__(self) -> int:
        total = len(self.items)
        if self.drop:
            return int(total // self.world)
        return -(-total // self.world) if self.even else len(range(self.rank, total, self.world))


class ScriptsData(_DataConnector):
    """Divides data as above where Lightning's own loop runs: its sampler would always shuffle, by a seed of its own."""

    def _prepare_dataloader(self, dataloader: object, shuffle: bool, mode: RunningStage) -> object:
        loader = loader_in(dataloader)
        if mode == RunningStage.PREDICTING or not isinstance(loader, DataLoader) or not _divides(self.trainer):
            return super()._prepare_dataloader(dataloader, shuffle, mode)
        if not self._requires_distributed_sampler(loader) or self._is_evaluated_whole(mode):
            return dataloader
        return around(dataloader, divide_samples(self.trainer, loader))

    def _is_evaluated_whole(self, mode: RunningStage) -> bool:
        stage = "test" if mode == RunningStage.TESTING else "validation"
        return mode.evaluating and not divides_data(self.trainer.lightning_module, stage)


def for_training(trainer: Any, loader: Any) -> Passed:
    """Return this process's part of the training data, divided anew by the sampler in every epoch."""
    if combines(trainer.lightning_module, loader):
        return Passed(loader, _Combined(trainer, loader))
    if not _divides(trainer):
        return Passed(loader, trainer.strategy.process_dataloader(loader))
    own = loader_in(loader)
    if not isinstance(own, DataLoader) or isinstance(own.dataset, torch.utils.data.IterableDataset):
        rank_zero_warn("The training data cannot be divided among the processes: each one trains on all of them.")
    elif not isinstance(own.sampler, DistributedSampler):
        loader = around(loader, divide_samples(trainer, own))
    loader = trainer.strategy.process_dataloader(loader)
    return Passed(loader, loader)


def for_evaluation(trainer: Any, loader: Any, whole: bool = False) -> Passed:
    """Return this process's part of the evaluation data; the script still sees its own, whole object.

    Args:
        whole: This process's part is all of it: the others do not evaluate, or do the same.
    """
    own = loader_in(loader)
    if whole or not _divides(trainer) or (isinstance(own, DataLoader) and isinstance(own.sampler, DistributedSampler)):
        return Passed(loader, trainer.strategy.process_dataloader(loader))
    rank, world = _place(trainer)
    # the other strategies communicate in every forward pass and would wait for the process with fewer batches
    even = not isinstance(trainer.strategy, DDPStrategy)
    divides = isinstance(own, DataLoader)
    share = around(loader, _divide_batches(trainer, own, rank, world, even)) if divides else Share(loader, rank, world)
    return Passed(loader, trainer.strategy.process_dataloader(share), first=rank, stride=world)


class _Combined:
    """Several loaders that a ``train_dataloader`` method returned, combined as Lightning does."""

    def __init__(self, trainer: Any, loaders: Any) -> None:
        self.combined = loaders if isinstance(loaders, CombinedLoader) else CombinedLoader(loaders, "max_size_cycle")
        self.combined.flattened = [for_training(trainer, loader).loader for loader in self.combined.flattened]

    def __iter__(self) -> Iterator[Any]:
        return (batch for batch, _, _ in self.combined)


def _divides(trainer: Any) -> bool:
    connector = trainer._accelerator_connector
    return bool(trainer.world_size > 1 and connector.use_distributed_sampler and connector.is_distributed)


def _place(trainer: Any) -> tuple[int, int]:
    return trainer.global_rank, trainer.world_size


def divide_samples(trainer: Any, loader: DataLoader[Any]) -> DataLoader[Any]:
    """Return a loader for this process's samples, the same number on each process."""
    rank, world = _place(trainer)
    if not _has_plain_batches(loader):
        name = "sampler" if loader.batch_sampler is None else "batch_sampler"
        return _with(loader, **{name: Share(_agreed(trainer, getattr(loader, name)), rank, world, even=True)})
    share = Share(_agreed(trainer, loader.sampler), rank, world, even=not loader.drop_last, drop=loader.drop_last)
    return _with(loader, sampler=share, batch_sampler=_batches(loader, share))


def _divide_batches(trainer: Any, loader: DataLoader[Any], rank: int, world: int, even: bool) -> Any:
    if isinstance(loader.dataset, torch.utils.data.IterableDataset):
        return Share(loader, rank, world)
    sampler = _agreed(trainer, loader.sampler)
    if loader.batch_sampler is None:
        return _with(loader, sampler=_noticed(Share(sampler, rank, world, even=even)))
    batches = _batches(loader, sampler) if _has_plain_batches(loader) else _agreed(trainer, loader.batch_sampler)
    return _with(loader, batch_sampler=_noticed(Share(batches, rank, world, even=even)))


def _noticed(share: Share) -> Share:
    """Say so where a batch will be evaluated twice."""
    surplus = -len(share.items) % share.world if share.even and hasattr(share.items, "__len__") else 0
    if surplus:
        rank_zero_warn(
            f"{len(share.items)} batches of the evaluation cannot be divided evenly among {share.world} processes, and"
            f" this strategy needs all of them in each step: {surplus} will be evaluated twice, and sums will count"
            " them twice. Choose a batch size that divides evenly, or strategy='ddp'."
        )
    return share


def _agreed(trainer: Any, sampler: Any) -> Any:
    """The same draw on every process; an order that nobody draws is the same anyway."""
    return sampler if isinstance(sampler, SequentialSampler) else Agreed(sampler, trainer.strategy)


def _has_plain_batches(loader: DataLoader[Any]) -> bool:
    """Whether the loader cuts its batches itself from the samples that its sampler names."""
    return type(loader.batch_sampler) is BatchSampler and loader.batch_size is not None


def _batches(loader: DataLoader[Any], sampler: Iterable[Any]) -> BatchSampler:
    assert loader.batch_size is not None
    return BatchSampler(sampler, loader.batch_size, loader.drop_last)


def _with(loader: DataLoader[Any], **changes: Any) -> DataLoader[Any]:
    """Return a copy of the loader with other samplers; what else its class does stays."""
    clone = copy.copy(loader)
    # DataLoader refuses to have these set; the copy has not been used yet
    clone.__dict__.update(changes, _iterator=None)
    return clone
