"""The fit loop. ``FitLoop.run`` reads as the script's loop over epochs does; Lightning's counters are kept up to date.

Where a feature is asked for that it does not know, the inherited loop runs instead (see ``runtime.reasons``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytorch_lightning as pl
from lightning_fabric.utilities.exceptions import MisconfigurationException
from pytorch_lightning.loops.fit_loop import _FitLoop
from pytorch_lightning.loops.training_epoch_loop import _TrainingEpochLoop
from pytorch_lightning.loops.utilities import _is_max_limit_reached
from pytorch_lightning.trainer.states import RunningStage

from runtime import held, hooks, reasons, resuming, sharing
from runtime.accumulation import refuse_own_clearing
from runtime.batches import BatchLoop
from runtime.data import Passed, limit_of, request, whole
from runtime.epochs import Epochs
from runtime.evaluation import EvaluationLoop
from runtime.resuming import Point

if TYPE_CHECKING:
    from runtime.trainer import Trainer

_explain = reasons.explain
_LIGHTNINGS_WINDOWS = {"divide_loss": True, "last_window": "step", "sync_each_batch": False}


class EpochLoop(_TrainingEpochLoop):
    """Lightning's epoch loop; the lean loop uses its counters, and it runs itself only when Lightning's loop does."""

    trainer: Trainer
    val_loop: EvaluationLoop

    def _should_check_val_fx(self, data_fetcher: Any) -> bool:
        return not self.trainer.stopping and super()._should_check_val_fx(data_fetcher)

    def _should_check_val_epoch(self) -> bool:
        automatic = getattr(self.trainer.lightning_module, "automatic_validation", True)
        return bool(automatic) and super()._should_check_val_epoch()

    def _should_accumulate(self) -> bool:
        if self.trainer.last_window == "step":
            return super()._should_accumulate()
        return not self._accumulated_batches_reached()


class FitLoop(_FitLoop):
    """The loop over the epochs."""

    trainer: Trainer
    epoch_loop: EpochLoop
    _combined_loader: Any
    epoch_progress: Any

    def __init__(self, trainer: Trainer, min_epochs: int | None = 0, max_epochs: int | None = None) -> None:
        self._max_batches: int | float = float("inf")
        super().__init__(trainer, min_epochs=min_epochs, max_epochs=max_epochs)
        self._reason: tuple[str | None] | None = None
        self._batches: BatchLoop | None = None
        self._hooks: dict[str, hooks.Hook | None] = {}
        self._schedulers_stepped = False
        self._skips = False

    # ---- which loop runs

    def forget_reason(self) -> None:
        """A new fit: decide anew which loop runs."""
        self._reason = None

    def note_reason(self) -> None:
        """Look for a reason before any hook runs: callbacks of the tuner take themselves out of the list."""
        reason = reasons.fit_reason(self.trainer)
        if reason is not None:
            self._reason = (reason,)

    def lean_loop_reason(self) -> str | None:
        """Why Lightning's own loop has to run, or None. Decided once per fit."""
        if self.trainer.strategy.lightning_module is None:
            return None
        if self._reason is None:
            self._reason = (reasons.fit_reason(self.trainer),)
        return self._reason[0]

    # ---- data

    @property
    def max_batches(self) -> int | float:
        """Batches per epoch, infinite where unknown. The loader is asked for its length only when this is read."""
        if not isinstance(self._combined_loader, Passed):
            return self._max_batches
        limit = limit_of(self._combined_loader, self.trainer.limit_train_batches, RunningStage.TRAINING)
        return min(self._combined_loader.length(), limit)

    @max_batches.setter
    def max_batches(self, value: int | float) -> None:
        self._max_batches = value

    def setup_data(self) -> None:
        """Take the training data as they are; nothing is iterated, counted or copied on a single process."""
        if self.lean_loop_reason() is not None:
            with whole(self._data_source, self.trainer.lightning_module):
                return super().setup_data()
        if self._combined_loader is not None or self.trainer.limit_train_batches == 0:
            return None
        loader = request(self.trainer, self._data_source)
        self._combined_loader = sharing.for_training(self.trainer, loader)
        self.trainer.val_check_batch = float("inf")
        return None

    # ---- the lean loop

    def run(self) -> None:
        """Train for all epochs."""
        refuse_own_clearing(self.trainer)
        reason = self.lean_loop_reason()
        if reason is not None:
            _explain("Lightning's own loop trains: %s", reason)
            self._check_windows(reason)
            self._begin_epochs()
            held.keep_losses_of_lightnings_loop(self.trainer)
            return super().run()
        _explain("the lean loop trains")
        if self.trainer.limit_train_batches == 0 or self._finished():
            return None
        self._prepare()
        self._call("on_train_start")
        point = self._resume()
        while point is not Point.START or (not self._finished() and self._next_epoch()):
            self._epoch(point)
            point = Point.START
        self._call("on_train_end")
        return None

    def _check_windows(self, reason: str) -> None:
        """Lightning's own loop has one way to accumulate gradients.

        Raises:
            MisconfigurationException: another one is asked for.
        """
        trainer = self.trainer
        given = {name: getattr(trainer, name) for name in _LIGHTNINGS_WINDOWS}
        if trainer.accumulate_grad_batches != 1 and given != _LIGHTNINGS_WINDOWS:
            asked = ", ".join(f"{name}={value!r}" for name, value in given.items())
            raise MisconfigurationException(
                f"Trainer({asked}) cannot be used together with this: {reason}. Leave one of them out."
            )

    def _epoch(self, point: Point) -> None:
        if point is Point.START:
            self._start_epoch()
        if self._skips:
            return self._skip()
        if point in (Point.START, Point.BATCHES):
            self._train(resumed=point is Point.BATCHES)
        if point is not Point.END:
            self._validate()
        if not self.trainer.stopping:
            self._end_epoch()
        return None

    def _start_epoch(self) -> None:
        self.batches.reset()
        self.epoch_progress.increment_ready()
        self._call("on_train_epoch_start")
        self.batches.reset_counters()
        self.epoch_progress.increment_started()

    def _skip(self) -> None:
        """Count an epoch of which nothing runs but the hooks of its start, and hand on what these have logged."""
        connector = self.trainer._logger_connector
        connector.epoch_end_reached()
        self.epoch_progress.increment_processed()
        connector.on_epoch_end()
        connector.update_train_epoch_metrics()
        self.epoch_progress.increment_completed()

    def _fresh_data(self) -> None:
        """A ``train_dataloader`` method of the module is what the script's ``for`` evaluates in every epoch."""
        if isinstance(self._data_source.instance, pl.LightningModule):
            self._combined_loader = None
            self.setup_data()

    def _train(self, resumed: bool) -> None:
        if self.trainer.stopping:
            return
        if not self.batches.stop:
            self._fresh_data()
        if resumed:
            self._combined_loader._load_state_dicts(self._combined_loader_states_to_load)
        try:
            self.batches.run(self._combined_loader)
        finally:
            if isinstance(self._data_source.instance, pl.LightningModule):
                self._combined_loader.release()

    def _validate(self) -> None:
        trainer = self.trainer
        if trainer.stopping or not self.batches.validates() or not self.epoch_loop._should_check_val_epoch():
            return
        trainer.validating = True
        if hooks.module_hook(trainer.lightning_module, "on_validation_model_zero_grad"):
            trainer.lightning_module.on_validation_model_zero_grad()
        with self._at_last_batch():
            self.epoch_loop.val_loop.run()
        trainer.training = True

    def _end_epoch(self) -> None:
        trainer, connector = self.trainer, self.trainer._logger_connector
        connector.epoch_end_reached()
        self.epoch_progress.increment_processed()
        name = "on_train_epoch_end"
        hook = self._hook(name, lambda: hooks.resolve(trainer, name, watching=False))
        if hook is not None:
            hook()
        if trainer.stopping:
            return
        if self.batches.complete:
            if not self._schedulers_stepped:
                self.epoch_loop._update_learning_rates("epoch", update_plateau_schedulers=False)
            self._schedulers_stepped = False
            self.epoch_loop._update_learning_rates("epoch", update_plateau_schedulers=True)
        hook = self._hook("watching", lambda: hooks.resolve(trainer, name, watching=True))
        if hook is not None:
            hook()
        connector.on_epoch_end()
        with self._at_last_batch():
            connector.update_train_epoch_metrics()
        self.epoch_progress.increment_completed()

    @contextmanager
    def _at_last_batch(self) -> Iterator[None]:
        """Log with the step of the epoch's last batch, as loggers expect, and not with the next one's."""
        before = self.epoch_loop._batches_that_stepped
        self.epoch_loop._batches_that_stepped = max(0, before - self.batches.counted)
        try:
            yield
        finally:
            self.epoch_loop._batches_that_stepped = before

    # ---- beginning and end

    @property
    def batches(self) -> BatchLoop:
        """The loop over the batches; there is one while the lean loop runs."""
        assert self._batches is not None
        return self._batches

    def _prepare(self) -> None:
        source = self._data_source.instance
        if not isinstance(source, pl.LightningModule):
            self.setup_data()
        if self.trainer.enable_validation:
            self.epoch_loop.val_loop.take_passed_data()
        self._batches = BatchLoop(self.trainer)

    def _resume(self) -> Point:
        """Put the counters of a loaded checkpoint right; returns what comes next."""
        loaded = self._loaded_from_state_dict
        self._begin_epochs()
        # not through the property, which turns False to True when max_steps is set
        self._restarting = self._loaded_from_state_dict = self._resuming_from_checkpoint = False
        self.epoch_loop.restarting = False
        point = resuming.find(self) if loaded else Point.START
        if point is not Point.START:
            self._next_epoch()
        if point in (Point.VALIDATION, Point.END):
            self.batches.complete = True
        self._schedulers_stepped = point is Point.VALIDATION and resuming.schedulers_stepped(self.epoch_loop)
        return point

    @property
    def _epochs(self) -> Epochs | None:
        return self.trainer._epochs

    def _begin_epochs(self) -> None:
        if self._epochs is not None:
            self._epochs.begin(self.epoch_progress.current.processed)

    def _next_epoch(self) -> bool:
        self._skips = False
        return self._epochs is None or self._epochs.advance()

    def _finished(self) -> bool:
        trainer = self.trainer
        return (
            trainer.stopping
            or _is_max_limit_reached(self.epoch_loop.global_step, self.max_steps)
            or _is_max_limit_reached(self.epoch_progress.current.processed, self.max_epochs or 0)
            or (trainer.should_stop and self._can_stop_early)
        )

    def stop_epoch(self) -> bool:
        """End the epoch after the current batch; False when Lightning's own loop runs."""
        if self.lean_loop_reason() is not None or self._batches is None:
            return False
        self._batches.stop = True
        return True

    def skip_epoch(self) -> None:
        """Train nothing of the epoch whose ``on_train_epoch_start`` runs.

        Raises:
            RuntimeError: no such hook runs.
        """
        progress = self.epoch_progress.current
        if not self.trainer.training or progress.started == progress.ready:
            raise RuntimeError("skip_epoch() leaves out an epoch at its start; call it from on_train_epoch_start.")
        self._skips = True

    def teardown(self) -> None:
        """Let go of what belongs to this run."""
        self._batches = None
        self._hooks.clear()
        self.trainer.__dict__.pop("_lean_backward", None)
        super().teardown()

    def _hook(self, name: str, make: Callable[[], hooks.Hook | None]) -> hooks.Hook | None:
        if name not in self._hooks:
            self._hooks[name] = make()
        return self._hooks[name]

    def _call(self, name: str) -> None:
        """Call a hook on callbacks, module and strategy."""
        hook = self._hook(name, lambda: hooks.resolve(self.trainer, name))
        if hook is not None:
            hook()

    # ---- Lightning's own loop, with the script's epochs

    def on_advance_start(self) -> None:
        """Take the next of the script's epochs; without one, StopIteration ends Lightning's loop."""
        if not self._next_epoch():
            raise StopIteration
        super().on_advance_start()

    def advance(self) -> None:
        """Lightning's batches of an epoch, left out after ``skip_epoch``."""
        if not self._skips:
            super().advance()

    def on_advance_end(self) -> None:
        """Lightning's end of an epoch, left out after ``skip_epoch`` and ``stop_training``."""
        if self._skips:
            self._skip()
        elif not self.trainer.stopping:
            super().on_advance_end()

    def on_iteration_done(self) -> None:
        """Keep the iterator that Lightning has begun in front of the first epoch for the first that is not skipped."""
        unused = self._skips and (self.is_resuming or self.epoch_progress.current.processed == 1)
        super().on_iteration_done()
        self._resuming_from_checkpoint = unused
