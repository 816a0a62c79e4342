"""A job that is about to reach its time limit saves itself and goes back into the queue."""

from __future__ import annotations

import signal
from types import FrameType
from typing import Any, cast

import pytorch_lightning as pl
from lightning_fabric.plugins.environments.slurm import SLURMEnvironment


class Requeue(pl.Callback):
    """On SLURM, saves a checkpoint and requeues the job when a signal says that its time is nearly up.

    Ask for the signal when the job is submitted: ``#SBATCH --signal=SIGUSR1@90`` sends it 90 seconds before the limit
    (``B:`` in front of it would send it to the batch script instead). Saving and requeueing are Lightning's: the file
    ``hpc_ckpt_N.ckpt`` in ``default_root_dir``, then ``scontrol requeue``, and the requeued job finds the file and goes
    on from there. They wait for the end of the current step, so that no half-updated weights are saved. Outside of
    SLURM the callback does nothing.

    A run that goes on within an epoch draws that epoch's remaining batches from the beginning of the data. Where the
    notice is long enough for a whole epoch, ``after="epoch"`` waits for its end, and no sample is seen twice.

    On several processes all of them agree on whether one was told, which costs a small reduction each time.

    Args:
        signum: The signal that is sent; SIGUSR1 by default.
        after: ``"step"`` or ``"epoch"``: what is finished first.

    Raises:
        ValueError: ``after`` is neither of them.

    Attributes:
        saved_at: The number of optimizer steps at which the job was last requeued.
    """

    def __init__(self, signum: int | None = None, *, after: str = "step") -> None:
        if after not in ("step", "epoch"):
            raise ValueError(f"Requeue(after={after!r}): there is 'step' and 'epoch'")
        self.after = after
        # not as a default of the argument: there are systems that have no such signal, and no SLURM either
        self.signum = getattr(signal, "SIGUSR1", 0) if signum is None else signum
        self.saved_at: int | None = None
        self._told = False
        self._before: Any = None

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Listen."""
        self._told = False
        if SLURMEnvironment.detect():
            self._before = signal.signal(self.signum, self._on_signal)

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Save and requeue after a step, once it has been asked for."""
        if self.after == "step":
            self._requeue_when_told(trainer)

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Save and requeue between two epochs, when evaluation and schedulers of the first are done."""
        if self.after == "epoch":
            self._requeue_when_told(trainer)

    def _requeue_when_told(self, trainer: pl.Trainer) -> None:
        told = self._told
        if trainer.world_size > 1 and SLURMEnvironment.detect():
            told = trainer.strategy.reduce_boolean_decision(told, all=False)
        if told:
            self._told = False
            self.saved_at = trainer.global_step
            # the handler makes no use of the frame
            trainer._signal_connector._slurm_sigusr_handler_fn(self.signum, cast(FrameType, None))

    def teardown(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Stop listening."""
        self._stop_listening()

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        """Stop listening."""
        self._stop_listening()

    def _stop_listening(self) -> None:
        if self._before is not None:
            signal.signal(self.signum, self._before)
            self._before = None

    def _on_signal(self, signum: int, frame: Any) -> None:
        self._told = True
