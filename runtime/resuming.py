"""Where a training goes on that begins with a checkpoint, read from Lightning's counters in it."""

from __future__ import annotations

from enum import Enum, auto
from typing import Any


class Point(Enum):
    """What comes next in the epoch that is trained."""

    START = auto()
    """Its hooks and all its batches: the usual beginning."""

    BATCHES = auto()
    """The rest of its batches."""

    VALIDATION = auto()
    """The validation: the checkpoint was saved behind the last batch."""

    END = auto()
    """Its end: the checkpoint was saved by the validation."""


def find(loop: Any) -> Point:
    """Return where the fit loop goes on, and put the counters of a loaded checkpoint right."""
    progress, batches = loop.epoch_progress, loop.epoch_loop.batch_progress
    if progress.current.processed > progress.current.completed:
        # saved by a callback at the end of an epoch: its schedulers had stepped already
        progress.increment_completed()
        return Point.START
    if progress.current.started == progress.current.processed:
        # saved by the hook of an epoch's start, maybe, which will be called again
        progress.current.ready, progress.total.ready = progress.current.started, progress.total.started
        return Point.START
    if batches.is_last_batch and batches.current.ready == batches.current.completed:
        # saved during the validation, which counts as part of the last batch
        loop.epoch_loop._batches_that_stepped += 1
        return Point.END
    return _within(loop.epoch_loop, loop.max_batches)


def _within(loop: Any, batches: int | float) -> Point:
    """The checkpoint was saved around a batch: its step counts if it was done, and Lightning counts the rest."""
    loop._restarting = True
    loop.update_restart_stage()
    at_end = loop.restarted_on_train_batch_end and loop.batch_progress.current.ready >= batches
    if at_end:
        loop._batches_that_stepped += 1
        loop.batch_progress.increment_completed()
    else:
        loop.reset()
    loop._restarting = False
    loop.reset_restart_stage()
    return Point.VALIDATION if at_end else Point.BATCHES


def schedulers_stepped(loop: Any) -> bool:
    """Whether the schedulers of an epoch stepped before its checkpoint was saved, as those of Lightning's loop do.

    Known where none of them steps more often; with others it is taken for a checkpoint of the lean loop.
    """
    by_epoch = all(config.interval == "epoch" for config in loop.trainer.lr_scheduler_configs)
    return by_epoch and loop.scheduler_progress.current.completed > 0
