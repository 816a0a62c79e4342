"""Lightning's own callbacks without the work that they do behind every batch for nothing.

A progress bar that is drawn a thousand times a second looks like one that is drawn ten times, and a checkpoint
callback that saves once per epoch has nothing to ask behind a batch. Callbacks of other classes are called as they are.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import ModelCheckpoint, ProgressBar, RichProgressBar, TQDMProgressBar
from pytorch_lightning.utilities.model_helpers import is_overridden

from runtime.progress import INTERVAL, LoopBar


class BatchEnds:
    """What stands in for ``on_train_batch_end`` of Lightning's own callbacks, looked up once per fit."""

    def __init__(self, trainer: Any) -> None:
        self._trainer = trainer
        self._bars = [PacedBar(callback) for callback in trainer.callbacks if _is_default_bar(callback)]
        savers = [callback for callback in trainer.callbacks if _saves_as_lightning_does(callback)]
        self.hooks: dict[int, Callable[..., None]] = {id(bar.callback): bar.batch_end for bar in self._bars}
        self.hooks |= {id(callback): _saving(callback) for callback in savers}

    def look_ahead(self) -> bool:
        """Whether a callback may ask, behind a batch, if it was the epoch's last one."""
        name, drawn = "on_train_batch_end", {id(bar.callback) for bar in self._bars}
        hooked = [c for c in self._trainer.callbacks if is_overridden(name, c, parent=pl.Callback)]
        return any(id(callback) not in drawn for callback in hooked)

    def finish(self) -> None:
        """Draw what has not been drawn yet: the batches are over."""
        for bar in self._bars:
            bar.finish(self._trainer)


class PacedBar:
    """Draws a progress bar every ``INTERVAL`` seconds at most, and for the last batch."""

    def __init__(self, callback: ProgressBar) -> None:
        self.callback = callback
        self._due = 0.0
        self._missed: int | None = None

    def batch_end(self, trainer: Any, module: Any, outputs: Any, batch: Any, index: int) -> None:
        """``on_train_batch_end`` of the bar, or nothing."""
        if time.monotonic() < self._due:
            self._missed = index
            return
        self._missed = None
        self.callback.on_train_batch_end(trainer, module, outputs, batch, index)
        self._due = time.monotonic() + INTERVAL

    def finish(self, trainer: Any) -> None:
        """Draw the last batch, if it was left out."""
        bar = self.callback if isinstance(self.callback, LoopBar) else None
        if self._missed is not None and not (bar is not None and bar.over_epochs):
            index, self._missed = self._missed, None
            self.callback.on_train_batch_end(trainer, trainer.lightning_module, None, None, index)
        if bar is not None:
            bar.end_of_batches()


def _is_default_bar(callback: Any) -> bool:
    """Whether this is one of Lightning's bars, unchanged, and not one that is to show every so many batches."""
    if type(callback) is TQDMProgressBar:
        return bool(callback.refresh_rate == 1)
    return type(callback) in (LoopBar, RichProgressBar)


def _saves_as_lightning_does(callback: Any) -> bool:
    own = ModelCheckpoint.on_train_batch_end
    return isinstance(callback, ModelCheckpoint) and type(callback).on_train_batch_end is own


def _saving(callback: Any) -> Callable[..., None]:
    def batch_end(trainer: Any, *args: Any) -> None:
        every = callback._every_n_train_steps
        due = every >= 1 and trainer.global_step % every == 0
        if due or callback._train_time_interval is not None:
            callback.on_train_batch_end(trainer, *args)

    return batch_end
