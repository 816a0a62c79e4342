"""The loop over the batches of one training epoch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytorch_lightning.trainer.states import RunningStage

from runtime import held, hooks
from runtime.accumulation import AccumulatingStep
from runtime.callbacks import BatchEnds
from runtime.data import Passed, limit_of, transfer_function
from runtime.logged import Readings, shortcuts
from runtime.steps import make_step

if TYPE_CHECKING:
    from runtime.trainer import Trainer


class BatchLoop:
    """Iterates as ``for batch in loader`` does: one ``iter``, no look-ahead, until StopIteration.

    Everything that does not change during a fit is looked up once, here; the step anew when a hook of the epoch has set
    ``trainer.optimizers``.

    Attributes:
        stop: Set to end the epoch after the current batch.
        complete: Whether the epoch came to its regular end (also by ``stop``), after which schedulers step.
        counted: Whether the last batch counts as a step for loggers: not where gradients were only accumulated.
    """

    def __init__(self, trainer: Trainer) -> None:
        self.trainer = trainer
        self.loop = trainer.fit_loop.epoch_loop
        self.stop = False
        self.complete = False
        self.skipped = False
        self.counted = True
        self._transfer = transfer_function(trainer)
        self._make_step()
        self._on_start = hooks.resolve(trainer, "on_train_batch_start")
        self._ends_of_callbacks = BatchEnds(trainer)
        self._on_end = hooks.resolve(trainer, "on_train_batch_end", instead=self._ends_of_callbacks.hooks)
        self._looks_ahead = self._ends_of_callbacks.look_ahead()
        self._keeps_loss = held.is_heard(trainer)
        self._readings = Readings(self.loop._results)
        automatic = trainer.lightning_module.automatic_optimization
        configs = [config for config in trainer.lr_scheduler_configs if config.interval == "step"]
        self._schedules = automatic and any(not config.reduce_on_plateau for config in configs)
        self._watches = automatic and any(config.reduce_on_plateau for config in configs)

    def _make_step(self) -> None:
        self._optimizers = list(self.trainer.optimizers)
        self._step = make_step(self.trainer)
        self._windows = self._step if isinstance(self._step, AccumulatingStep) else None

    def reset(self) -> None:
        """Begin an epoch."""
        self.stop = self.complete = self.skipped = False
        if self._windows is not None:
            self._windows.begin_epoch()

    def reset_counters(self) -> None:
        """Counters of the current epoch go to zero, behind the hooks of its start, as in Lightning."""
        loop = self.loop
        loop.batch_progress.reset_on_run()
        loop.scheduler_progress.reset_on_run()
        loop.automatic_optimization.optim_progress.reset_on_run()
        loop.val_loop.batch_progress.total.reset()

    def validates(self) -> bool:
        """Whether the epoch's end is one after which the validation comes, as in Lightning."""
        stopped_early = self.trainer.should_stop and self.trainer.fit_loop._can_stop_early
        return (self.complete and not self.skipped) or stopped_early

    def run(self, passed: Passed) -> None:
        """Train on the batches of one epoch."""
        if self.stop:
            self.complete = True
            self.loop.batch_progress.is_last_batch = True
            return
        if [*map(id, self._optimizers)] != [*map(id, self.trainer.optimizers)]:
            self._make_step()
        limit = limit_of(passed, self.trainer.limit_train_batches, RunningStage.TRAINING)
        if self.loop.batch_progress.current.ready and not passed.restored:
            # resumed within the epoch: as in Lightning, as many batches are fetched as are missing
            limit = self.trainer.fit_loop.max_batches
        try:
            with shortcuts(self.trainer, self.loop._results):
                self._iterate(passed.loader, limit)
        finally:
            self._collect()
        self._ends_of_callbacks.finish()
        self.complete = self.complete or self.skipped
        self.loop.batch_progress.is_last_batch = self.complete

    def _skip_rest(self) -> None:
        """``on_train_batch_start`` returned -1: as in Lightning, the epoch ends without validation."""
        self.skipped = True
        progress: Any = self.loop.batch_progress
        for counter in (progress.total, progress.current):
            counter.started = counter.processed = counter.completed = counter.ready

    def _iterate(self, loader: Any, limit: int | float) -> None:
        trainer, loop, step = self.trainer, self.loop, self._step
        transfer, on_start, on_end = self._transfer, self._on_start, self._on_end
        windows, keeps_loss = self._windows, self._keeps_loss
        connector, results = trainer._logger_connector, loop._results
        progress: Any = loop.batch_progress
        total, current = progress.total, progress.current
        bounded = loop.max_steps != -1
        last = trainer.fit_loop.max_batches if self._looks_ahead else None
        index = before = current.ready - 1  # -1, unless the epoch is resumed
        for batch in loader:
            index += 1
            if transfer is not None:
                batch = transfer(batch)
            total.ready += 1
            current.ready += 1
            progress.is_last_batch = index + 1 == last
            connector._first_loop_iter = index == before + 1
            results.batch = batch
            if on_start is not None and on_start(batch, index) == -1:
                return self._skip_rest()
            total.started += 1
            current.started += 1
            stepped, outputs = step(batch, index)
            total.processed += 1
            current.processed += 1
            if keeps_loss:
                held.keep_loss(trainer, outputs)
            if stepped and self._schedules:
                loop._update_learning_rates("step", update_plateau_schedulers=False)
            if on_end is not None:
                on_end(outputs, batch, index)
            total.completed += 1
            current.completed += 1
            self._log(connector, results)
            if stepped and self._watches:
                loop._update_learning_rates("step", update_plateau_schedulers=True)
            self.counted = stepped or windows is None
            loop._batches_that_stepped += self.counted
            asked = self.stop or trainer.should_stop or trainer.stopping
            if (asked or bounded or index + 1 >= limit) and self._ends(index + 1, limit):
                return None
        self.complete = True
        if windows is not None and windows.finish() and self._schedules:
            loop._update_learning_rates("step", update_plateau_schedulers=False)
        return None

    def _log(self, connector: Any, results: Any) -> None:
        """Hand the logged values on where they are wanted now; whoever reads them collects them (``_collect``)."""
        if results:
            if self._readings.eager():
                connector.on_batch_end()
            trainer: Any = self.trainer
            every = trainer.log_every_n_steps
            if every and ((self.loop._batches_that_stepped + 1) % every == 0 or trainer.should_stop):
                connector.update_train_step_metrics()
        results.batch = None
        results.batch_size = None

    def _collect(self) -> None:
        """Keep the values that were logged last: soon they are no longer those of a step."""
        connector, results = self.trainer._logger_connector, self.loop._results
        if results and not self._readings.eager() and connector._first_loop_iter is not None:
            connector.on_batch_end()

    def _ends(self, done: int, limit: int | float) -> bool:
        """Whether no further batch is fetched after ``done`` batches."""
        trainer, fit = self.trainer, self.trainer.fit_loop
        if self.stop or trainer.stopping or done >= limit:
            self.complete = not trainer.stopping
            return True
        if fit.max_steps != -1 and self.loop.global_step >= fit.max_steps:
            self.complete = done == fit.max_batches
            return True
        if trainer.should_stop and fit._can_stop_early:
            for logger in trainer.loggers:
                logger.save()
            self.complete = done == fit.max_batches
            return True
        return False
