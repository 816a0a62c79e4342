"""The Trainer's progress bar: one like those that scripts draw with tqdm, and how a module writes on it.

Lightning's own bars are drawn on standard output, where the printed lines of a script are. This one is drawn on
standard error, as tqdm's are. Each epoch has a bar of its own, which stays; where every epoch is a single batch, there
is one bar over the epochs.
"""

from __future__ import annotations

import sys
import time
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import ProgressBar, TQDMProgressBar
from pytorch_lightning.callbacks.progress.tqdm_progress import Tqdm, convert_inf

#: Seconds between two drawings of a progress bar; tqdm draws as often when it is left alone.
INTERVAL = 0.1


class Bar(Tqdm):
    """A tqdm bar that is drawn every ``INTERVAL`` seconds at most, whoever writes on it, unless it is told to."""

    def __init__(self, **options: Any) -> None:
        self._due = 0.0
        self._own: str = ""
        self.postfix: str | None = None
        super().__init__(file=sys.stderr, dynamic_ncols=True, bar_format=TQDMProgressBar.BAR_FORMAT, **options)

    def set_description(self, desc: str | None = None, refresh: bool | None = True) -> None:
        """What stands in front of the bar."""
        super().set_description(desc, refresh=False)
        self._draw_sometimes()

    def set_description_str(self, desc: str | None = None, refresh: bool | None = True) -> None:
        """The same without a colon."""
        super().set_description_str(desc, refresh=False)
        self._draw_sometimes()

    def set_postfix(self, ordered_dict: Any = None, refresh: bool | None = True, **kwargs: Any) -> None:
        """Names and values behind the bar."""
        super().set_postfix(ordered_dict, refresh=False, **kwargs)
        self._own = self.postfix or ""
        self._draw_sometimes()

    def set_postfix_str(self, s: str = "", refresh: bool | None = True) -> None:
        """Any text behind the bar."""
        super().set_postfix_str(s, refresh=False)
        self._own = self.postfix or ""
        self._draw_sometimes()

    def count(self, done: int) -> None:
        """So many batches are done; drawn where it is time to, and for the last one."""
        self.n = done
        if done == self.total and not self.disable:
            self._draw()
        else:
            self._draw_sometimes()

    def show(self, done: int, logged: dict[str, Any]) -> None:
        """Draw the bar, with the logged values behind what the module wrote on it."""
        if self.disable:
            return
        self.n = done
        super().set_postfix(logged, refresh=False)
        self.postfix = ", ".join(text for text in (self._own, self.postfix) if text)
        self._draw()

    def _draw_sometimes(self) -> None:
        if not self.disable and time.monotonic() >= self._due:
            self._draw()

    def _draw(self) -> None:
        self.refresh()
        self._due = time.monotonic() + INTERVAL


class LoopBar(TQDMProgressBar):
    """What ``Trainer(enable_progress_bar=True)`` draws.

    The module writes on it through ``self.progress_bar``; values that are logged with ``prog_bar=True`` are shown too.
    """

    def __init__(self) -> None:
        super().__init__(leave=True)
        self.over_epochs = False

    def init_sanity_tqdm(self) -> Tqdm:
        """A bar for the sanity check."""
        return self._bar(self.sanity_check_description, leave=False)

    def init_validation_tqdm(self) -> Tqdm:
        """A bar for the batches of a validation."""
        return self._bar(self.validation_description, leave=self.trainer.state.fn == "validate")

    def init_test_tqdm(self) -> Tqdm:
        """A bar for the batches of a test."""
        return self._bar(self.test_description, leave=True)

    def init_predict_tqdm(self) -> Tqdm:
        """A bar for the batches of a prediction."""
        return self._bar(self.predict_description, leave=True)

    def _bar(self, description: str, leave: bool, total: float | None = None) -> Bar:
        return Bar(desc=description, leave=leave, total=total, disable=self.is_disabled)

    def on_train_start(self, trainer: Any, *_: Any) -> None:
        """Decide what is counted."""
        self.over_epochs = trainer.num_training_batches == 1 and trainer.max_epochs != 1
        if self.over_epochs:
            total = trainer.max_epochs if (trainer.max_epochs or -1) > 0 else None
            self.train_progress_bar = self._bar(self.train_description, leave=True, total=total)

    def on_train_epoch_start(self, trainer: Any, *_: Any) -> None:
        """A new bar for the epoch."""
        if not self.over_epochs:
            total = convert_inf(self.total_train_batches)
            self.train_progress_bar = self._bar(f"Epoch {trainer.current_epoch}", leave=True, total=total)

    def on_train_batch_end(self, trainer: Any, module: Any, outputs: Any, batch: Any, index: int) -> None:
        """Draw the number of batches, or of epochs."""
        done = trainer.current_epoch if self.over_epochs else index
        self.train_progress_bar.show(done + 1, self.get_metrics(trainer, module))

    def end_of_batches(self) -> None:
        """Finish the line of an epoch, so that what is printed behind its batches stands on a new one."""
        if not self.over_epochs:
            self.train_progress_bar.close()

    def on_train_epoch_end(self, *_: Any) -> None:
        """Finish the line where that has not happened yet: in Lightning's own loop."""
        self.end_of_batches()

    def on_train_end(self, trainer: Any, *_: Any) -> None:
        """Finish the line of all epochs, if there were any."""
        if self._train_progress_bar is None:
            return
        if self.over_epochs:
            self.train_progress_bar.n = trainer.current_epoch
        self.train_progress_bar.close()

    def on_validation_batch_start(self, trainer: Any, module: Any, batch: Any, index: int, loader: int = 0) -> None:
        """Begin to count the batches of a loader."""
        if self.has_dataloader_changed(loader):
            _begin(self.val_progress_bar, self.total_val_batches_current_dataloader)

    def on_validation_batch_end(self, *arguments: Any) -> None:
        """Draw the number of batches."""
        self.val_progress_bar.count(arguments[4] + 1)

    def on_validation_epoch_end(self, *_: Any) -> None:
        """Finish the line, or take it away within a training."""
        self.val_progress_bar.close()

    def on_validation_end(self, *_: Any) -> None:
        """The next validation counts anew."""
        self.reset_dataloader_idx_tracker()

    def on_test_batch_start(self, trainer: Any, module: Any, batch: Any, index: int, loader: int = 0) -> None:
        """Begin to count the batches of a loader."""
        if self.has_dataloader_changed(loader):
            _begin(self.test_progress_bar, self.total_test_batches_current_dataloader)

    def on_test_batch_end(self, *arguments: Any) -> None:
        """Draw the number of batches."""
        self.test_progress_bar.count(arguments[4] + 1)

    def on_test_epoch_end(self, *_: Any) -> None:
        """Finish the line."""
        self.test_progress_bar.close()


def _begin(bar: Tqdm, total: float | int | None) -> None:
    bar.n, bar.total = 0, convert_inf(total)


class Silent:
    """Has the methods with which one writes on a tqdm bar, and shows nothing."""

    n = 0
    total: int | None = None
    desc = ""
    postfix = ""

    def _nothing(self, *_: Any, **__: Any) -> None:
        """Show nothing."""

    set_description = set_description_str = set_postfix = set_postfix_str = _nothing
    refresh = update = clear = close = reset = display = unpause = _nothing


_SILENT = Silent()
_BARS = (
    ("testing", "_test_progress_bar"),
    ("validating", "_val_progress_bar"),
    ("sanity_checking", "_val_progress_bar"),
    ("predicting", "_predict_progress_bar"),
)


def with_bar(callbacks: Any, asked: bool) -> Any:
    """The callbacks with a bar among them, if one is asked for and there is none."""
    listed = [callbacks] if isinstance(callbacks, pl.Callback) else list(callbacks or [])
    if not asked or any(isinstance(callback, ProgressBar) for callback in listed):
        return callbacks
    return [*listed, LoopBar()]


def current(trainer: Any) -> Any:
    """The bar that is drawn at this moment, or a silent one."""
    callback = None if trainer is None else trainer.progress_bar_callback
    if not isinstance(callback, TQDMProgressBar) or callback.is_disabled:
        return _SILENT
    name = next((bar for stage, bar in _BARS if getattr(trainer, stage)), "_train_progress_bar")
    bar = getattr(callback, name)
    return _SILENT if bar is None else bar  # whether a bar is true may not be asked
