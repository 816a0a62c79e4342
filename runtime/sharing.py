"""Dividing data among processes.

Training data are divided by samples, as torch's DistributedSampler does, in equal parts. Evaluation data are divided
by batches: every batch is seen by exactly one process and is the one that a single process would see, so that sums
over all processes are exact, whether a script adds up samples or means of batches.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

import torch
from lightning_utilities.core.rank_zero import rank_zero_warn
from pytorch_lightning.strategies import DDPStrategy, Strategy
from pytorch_lightning.utilities.combined_loader import CombinedLoader
from torch.utils.data import BatchSampler, DataLoader, DistributedSampler, RandomSampler, SequentialSampler

from runtime.data import Passed, combines


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
    """Every ``world``-th item, beginning with item ``rank``.

    Args:
        even: Repeat the first items so that all processes get the same number.
    """

    def __init__(self, items: Any, rank: int, world: int, even: bool) -> None:
        self.items = items
        self.rank = rank
        self.world = world
        self.even = even

    def __iter__(self) -> Iterator[Any]:
        if not self.even:
            return islice(iter(self.items), self.rank, None, self.world)
        items = list(self.items)
        while items and len(items) % self.world:
            items.append(items[len(items) % self.world - 1])
        return iter(items[self.rank :: self.world])

    def __len__(self) -> int:
        total = len(self.items)
        return -(-total // self.world) if self.even else len(range(self.rank, total, self.world))


def for_training(trainer: Any, loader: Any) -> Passed:
    """Return this process's part of the training data, divided anew by the sampler in every epoch."""
    if combines(trainer.lightning_module, loader):
        return Passed(loader, _Combined(trainer, loader))
    if not _divides(trainer):
        return Passed(loader, trainer.strategy.process_dataloader(loader))
    if not isinstance(loader, DataLoader) or isinstance(loader.dataset, torch.utils.data.IterableDataset):
        rank_zero_warn("The training data cannot be divided among the processes: each one trains on all of them.")
    elif not isinstance(loader.sampler, DistributedSampler):
        loader = _divide_samples(trainer, loader)
    loader = trainer.strategy.process_dataloader(loader)
    return Passed(loader, loader)


def for_evaluation(trainer: Any, loader: Any) -> Passed:
    """Return this process's part of the evaluation data; the script still sees its own, whole object."""
    if not _divides(trainer) or (isinstance(loader, DataLoader) and isinstance(loader.sampler, DistributedSampler)):
        return Passed(loader, trainer.strategy.process_dataloader(loader))
    rank, world = _place(trainer)
    # the other strategies communicate in every forward pass and would wait for the process with fewer batches
    even = not isinstance(trainer.strategy, DDPStrategy)
    share = _divide_batches(trainer, loader, rank, world, even)
    return Passed(loader, trainer.strategy.process_dataloader(share), first=rank, stride=world)


def start_epoch(passed: Passed, epoch: int) -> None:
    """Let the sampler that was put in above shuffle differently in each epoch; the script's own are left alone."""
    combined = isinstance(passed.loader, _Combined)
    for loader in passed.loader.combined.flattened if combined else [passed.loader]:
        sampler = getattr(loader, "sampler", None)
        if isinstance(sampler, _TrainingSampler):
            sampler.set_epoch(epoch)


class _Combined:
    """Several loaders that a ``train_dataloader`` method returned, combined as Lightning does."""

    def __init__(self, trainer: Any, loaders: Any) -> None:
        self.combined = loaders if isinstance(loaders, CombinedLoader) else CombinedLoader(loaders, "max_size_cycle")
        self.combined.flattened = [for_training(trainer, loader).loader for loader in self.combined.flattened]

    def __iter__(self) -> Iterator[Any]:
        return (batch for batch, _, _ in self.combined)


class _TrainingSampler(DistributedSampler[Any]):
    """The sampler that for_training puts into the script's loader."""


def _divides(trainer: Any) -> bool:
    connector = trainer._accelerator_connector
    return bool(trainer.world_size > 1 and connector.use_distributed_sampler and connector.is_distributed)


def _place(trainer: Any) -> tuple[int, int]:
    return trainer.global_rank, trainer.world_size


def _divide_samples(trainer: Any, loader: DataLoader[Any]) -> DataLoader[Any]:
    rank, world = _place(trainer)
    strategy, sampler = trainer.strategy, loader.sampler
    if not _has_plain_batches(loader):
        name = "sampler" if loader.batch_sampler is None else "batch_sampler"
        shared = Share(Agreed(getattr(loader, name), strategy), rank, world, even=True)
        return _with(loader, **{name: shared})
    part: Any
    if _shuffles_plainly(sampler) or isinstance(sampler, SequentialSampler):
        part = _TrainingSampler(
            loader.dataset, world, rank, shuffle=isinstance(sampler, RandomSampler), seed=_seed(strategy, loader)
        )
    else:
        part = Share(Agreed(sampler, strategy), rank, world, even=True)
    return _with(loader, sampler=part, batch_sampler=_batches(loader, part))


def _divide_batches(trainer: Any, loader: Any, rank: int, world: int, even: bool) -> Any:
    if not isinstance(loader, DataLoader) or isinstance(loader.dataset, torch.utils.data.IterableDataset):
        return Share(loader, rank, world, even=False)
    sampler: Any = loader.sampler
    if isinstance(sampler, RandomSampler):
        sampler = SequentialSampler(loader.dataset)  # type: ignore[arg-type]
    elif not isinstance(sampler, SequentialSampler):
        sampler = Agreed(sampler, trainer.strategy)
    if loader.batch_sampler is None:
        return _with(loader, sampler=Share(sampler, rank, world, even))
    batches = (
        _batches(loader, sampler) if _has_plain_batches(loader) else Agreed(loader.batch_sampler, trainer.strategy)
    )
    return _with(loader, batch_sampler=Share(batches, rank, world, even))


def _has_plain_batches(loader: DataLoader[Any]) -> bool:
    """Whether the loader cuts its batches itself from the samples that its sampler names."""
    return type(loader.batch_sampler) is BatchSampler and loader.batch_size is not None


def _batches(loader: DataLoader[Any], sampler: Iterable[Any]) -> BatchSampler:
    assert loader.batch_size is not None
    return BatchSampler(sampler, loader.batch_size, loader.drop_last)


def _shuffles_plainly(sampler: Any) -> bool:
    """Whether this is what ``shuffle=True`` makes: each sample once, in random order."""
    return type(sampler) is RandomSampler and not sampler.replacement and sampler._num_samples is None


def _seed(strategy: Strategy, loader: DataLoader[Any]) -> int:
    """The seed that the script set for its shuffling, the same on all processes; nothing is drawn."""
    generator = getattr(loader.sampler, "generator", None) or loader.generator
    seed = torch.initial_seed() if generator is None else generator.initial_seed()
    return int(strategy.broadcast(seed)) % 2**32


def _with(loader: DataLoader[Any], **changes: Any) -> DataLoader[Any]:
    """Return a copy of the loader with other samplers; what else its class does stays."""
    clone = copy.copy(loader)
    # DataLoader refuses to have these set; the copy has not been used yet
    clone.__dict__.update(changes, _iterator=None)
    return clone
