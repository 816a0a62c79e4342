"""How long a whole script takes, to choose the wall-time limit of a job."""

from __future__ import annotations

import atexit
import builtins
import os
import time
from datetime import timedelta
from pathlib import Path

import pytorch_lightning as pl

_imported = time.monotonic()


def script_seconds() -> float:
    """Return the seconds since the process began: imports and preparations count, as they do for a job's limit.

    Where the system does not tell, they count from the import of this package.
    """
    try:
        # field 22 of the line, of which the second field may hold blanks: proc(5)
        ticks = float(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
        return time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
    except (AttributeError, OSError, ValueError, IndexError):
        return time.monotonic() - _imported


class ScriptTime(pl.Callback):
    """Prints, when the program ends, how long all of it took, and its longest epoch.

    A job that is to train ten times as many epochs needs about ten times the time; one that is to be cut off by
    ``max_time`` should be given the longest epoch as a margin.

    Attributes:
        longest_epoch: Seconds of the longest epoch, with its evaluation.
        training: Seconds of all epochs.
    """

    def __init__(self) -> None:
        self.longest_epoch = 0.0
        self.training = 0.0
        self._began = 0.0

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Have the time told at the end of the program."""
        atexit.unregister(self._say)  # once, however often fit is called
        if trainer.is_global_zero:
            atexit.register(self._say)

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start the clock."""
        self._began = time.monotonic()

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Stop the clock."""
        seconds = time.monotonic() - self._began
        self.training += seconds
        self.longest_epoch = max(self.longest_epoch, seconds)

    def report(self) -> str:
        """Return the line that is printed at the end."""
        total, training, epoch = (_clock(value) for value in (script_seconds(), self.training, self.longest_epoch))
        return f"Total script time: {total} (training {training}, longest epoch {epoch})"

    def _say(self) -> None:
        builtins.print(self.report())


def _clock(seconds: float) -> str:
    """Hours, minutes and whole seconds; a part of a second counts as one, since a limit has to be long enough."""
    return str(timedelta(seconds=-(-seconds // 1)))
