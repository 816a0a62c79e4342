"""The evaluation loop: validation within fit, ``trainer.validate`` and ``trainer.test``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytorch_lightning as pl
import torch
import torch.distributed as dist
from pytorch_lightning.loops.evaluation_loop import _EvaluationLoop
from pytorch_lightning.trainer.states import TrainerFn
from torch.nn.parallel import DistributedDataParallel

from runtime import hooks, reasons, sharing
from runtime.data import Passed, limit_of, request, transfer_function, whole
from runtime.divided import divides_data
from runtime.logged import Readings, shortcuts
from runtime.module import Module
from runtime.steps import forward_function

if TYPE_CHECKING:
    from runtime.trainer import Trainer


class EvaluationPlan:
    """What an evaluation calls; looked up once per fit, validate or test."""

    def __init__(self, trainer: Trainer) -> None:
        stage = "test" if trainer.testing else "validation"
        context = "test_step_context" if trainer.testing else "val_step_context"
        module = trainer.lightning_module
        self.step = forward_function(trainer, f"{stage}_step", context)
        self.transfer = transfer_function(trainer)
        self.start = hooks.resolve(trainer, f"on_{stage}_start")
        self.epoch_start = hooks.resolve(trainer, f"on_{stage}_epoch_start")
        self.batch_start = hooks.resolve(trainer, f"on_{stage}_batch_start")
        self.batch_end = hooks.resolve(trainer, f"on_{stage}_batch_end")
        self.epoch_end = hooks.resolve(trainer, f"on_{stage}_epoch_end")
        self.end = hooks.resolve(trainer, f"on_{stage}_end")
        self.model_eval = getattr(module, f"on_{stage}_model_eval")
        self.model_train = hooks.module_hook(module, f"on_{stage}_model_train")


class EvaluationLoop(_EvaluationLoop):
    """Iterates over the evaluation data as ``for batch in loader`` does, in eval mode and without gradients.

    Lightning's own loop runs where several loaders, a profiler or the like ask for it.

    Attributes:
        reason: Why Lightning's own loop evaluates; None when the lean one does, or before the data are known.
        alone: Whether this process evaluates all of the data at the moment, and waits for no other one.
    """

    reason: str | None = None
    alone = False

    trainer: Trainer
    _combined_loader: Any
    _lengths: list[int | float]
    _plan: EvaluationPlan | None = None
    _stop = False

    # ---- data

    @property
    def _max_batches(self) -> list[int | float]:
        """Batches per loader, infinite where unknown. The loader is asked for its length only when this is read."""
        if not isinstance(self._combined_loader, Passed):
            return self._lengths
        return [min(self._combined_loader.length(), self._limit())]

    @_max_batches.setter
    def _max_batches(self, value: list[int | float]) -> None:
        self._lengths = value

    def take_passed_data(self) -> None:
        """Make a loader that was passed to ``fit`` known before it is iterated over for the first time."""
        if not isinstance(self._data_source.instance, pl.LightningModule):
            self.setup_data()

    def setup_data(self) -> None:
        """Take the evaluation data as they are; a ``val_dataloader`` method is called for every evaluation."""
        source = self._data_source.instance
        fitting = self._trainer_fn == TrainerFn.FITTING
        known = self._combined_loader is not None and not isinstance(source, pl.LightningModule)
        if fitting and (known or not self._data_source.is_defined()):
            return
        step = "test_step" if self.trainer.testing else "validation_step"
        if not hooks.module_hook(self.trainer.lightning_module, step) or self._limit_setting == 0:
            return
        if self._steps_aside(source, step):
            return self._setup_lightnings()
        loader = request(self.trainer, self._data_source)
        if self._steps_aside(loader, step):
            self._combined_loader = None
            return self._setup_lightnings()
        stage = step.removesuffix("_step")
        whole = self.alone or (self.trainer.world_size > 1 and not divides_data(self.trainer.lightning_module, stage))
        self._combined_loader = sharing.for_evaluation(self.trainer, loader, whole)

    def _setup_lightnings(self) -> None:
        if self.alone:
            raise RuntimeError(f"validate(alone=True) cannot leave the other processes out: {self.reason}.")
        with whole(self._data_source):
            super().setup_data()

    def _steps_aside(self, loader: Any, step: str) -> bool:
        """Whether Lightning's own loop has to evaluate; the reason is kept and logged."""
        self.reason = reasons.evaluation_reason(self.trainer, loader, step)
        if self.reason is not None:
            reasons.explain("Lightning's own loop evaluates: %s", self.reason)
        return self.reason is not None

    @property
    def _limit_setting(self) -> int | float:
        return self.trainer.limit_test_batches if self.trainer.testing else self.trainer.limit_val_batches

    def _limit(self) -> int | float:
        limit = limit_of(self._combined_loader, self._limit_setting, self._stage)
        return min(limit, self.trainer.num_sanity_val_steps) if self.trainer.sanity_checking else limit

    @contextmanager
    def by_itself(self) -> Iterator[None]:
        """Inside, this process evaluates all of the data, and waits for no other one."""
        kept, self._combined_loader, self.alone = self._combined_loader, None, True
        try:
            yield
        finally:
            self._combined_loader, self.alone = kept, False

    # ---- the loop

    def run(self) -> Any:
        """Evaluate once over the data; returns the logged metrics, per loader."""
        self.setup_data()
        passed = self._combined_loader
        if not isinstance(passed, Passed):
            return super().run()
        if self._plan is None:
            self._plan = EvaluationPlan(self.trainer)
            self._seen_batches_per_dataloader.clear()
            self._verify_dataloader_idx_requirement()
        # what a script does around its evaluation, it does with gradients, unless it says otherwise
        own = isinstance(self.trainer.lightning_module, Module) and not self.inference_mode
        self._gradients = own and torch.is_grad_enabled()
        with torch.inference_mode() if self.inference_mode else torch.no_grad():
            return self._evaluate(passed, self._plan)

    def _iterate_once(self, passed: Passed, plan: EvaluationPlan) -> None:
        try:
            with shortcuts(self.trainer, self._results):
                self._iterate(passed, plan)
        finally:
            if isinstance(self._data_source.instance, pl.LightningModule):
                passed.release()

    def _evaluate(self, passed: Passed, plan: EvaluationPlan) -> Any:
        self._begin()
        self._on_evaluation_model_eval()
        for hook in (plan.start, plan.epoch_start):
            if hook is not None:
                with torch.set_grad_enabled(self._gradients):
                    hook()
        if not self._stop and not self.trainer.stopping:
            self._iterate_once(passed, plan)
        self.batch_progress.is_last_batch = True
        self._store_dataloader_outputs()
        return self.on_run_end()

    def _begin(self) -> None:
        self._stop = False
        self._has_run = False
        self._logged_outputs = []
        self._restarting = False
        self.batch_progress.reset_on_run()

    def _iterate(self, passed: Passed, plan: EvaluationPlan) -> None:
        trainer, limit = self.trainer, self._limit()
        connector, results = trainer._logger_connector, self._results
        readings = Readings(results)
        progress: Any = self.batch_progress
        index, done = passed.first, 0
        if done >= limit:
            return
        for batch in passed.loader:
            if plan.transfer is not None:
                batch = plan.transfer(batch)
            progress.increment_ready()
            connector._first_loop_iter = done == 0
            results.batch = batch
            if plan.batch_start is not None:
                plan.batch_start(batch, index)
            progress.increment_started()
            if done == 0:
                self._share_buffers()
            output = plan.step(batch, index)
            progress.increment_processed()
            if plan.batch_end is not None:
                plan.batch_end(output, batch, index)
            progress.increment_completed()
            self._log(connector, results, readings)
            index += passed.stride
            done += 1
            if self._stop or trainer.stopping or done >= limit:
                break

    def _log(self, connector: Any, results: Any, readings: Readings) -> None:
        eager = bool(results) and readings.eager()
        if eager:
            connector.on_batch_end()
        results.batch = None
        results.batch_size = None
        self._has_run = True
        if self.trainer.sanity_checking:
            return
        if eager:
            connector.update_eval_step_metrics(self._seen_batches_per_dataloader[0])
        self._seen_batches_per_dataloader[0] += 1

    def _share_buffers(self) -> None:
        """Share the first process's buffers (BatchNorm statistics), as the first of many forward passes of DDP does.

        Passes without gradients do so only if the one before had gradients: so the next training step does not either.
        """
        model = self.trainer.strategy.model
        if not self.alone and isinstance(model, DistributedDataParallel) and model.will_sync_module_buffers():
            for name, buffer in model.module.named_buffers():
                if name not in model.parameters_to_ignore:
                    dist.broadcast(buffer, 0)
            model.require_forward_param_sync = False

    def stop_epoch(self) -> bool:
        """End this evaluation after the current batch; False when Lightning's own loop runs."""
        self._stop = True
        return self._plan is not None

    def teardown(self) -> None:
        """Let go of what belongs to this run."""
        self._plan = None
        super().teardown()

    # ---- parts of Lightning's loop, with the hooks of the plan

    def _on_evaluation_model_eval(self) -> None:
        if self._plan is None:
            return super()._on_evaluation_model_eval()
        self._module_mode.capture(self.trainer.lightning_module)
        return self._plan.model_eval()  # type: ignore[no-any-return]

    def _on_evaluation_model_train(self) -> None:
        if self._plan is None:
            return super()._on_evaluation_model_train()
        if self._plan.model_train is not None:
            return self._plan.model_train()  # type: ignore[no-any-return]
        return self._module_mode.restore(self.trainer.lightning_module)

    def _on_evaluation_epoch_end(self) -> None:
        if self._plan is None:
            return super()._on_evaluation_epoch_end()
        if self._plan.epoch_end is not None and not self.trainer.stopping:
            with torch.set_grad_enabled(self._gradients):
                self._plan.epoch_end()
        self.trainer._logger_connector.on_epoch_end()

    def _on_evaluation_end(self, *args: Any, **kwargs: Any) -> None:
        if self._plan is None:
            return super()._on_evaluation_end(*args, **kwargs)
        if self._plan.end is not None:
            self._plan.end()
        self.trainer._logger_connector.reset_results()

    def increment_progress_to_evaluation_end(self) -> None:
        """Set the counters as after an evaluation; Lightning's own loop asks for it when it resumes."""
        self.setup_data()
        if not isinstance(self._combined_loader, Passed):
            super().increment_progress_to_evaluation_end()
        elif self._max_batches[0] != float("inf"):
            self.batch_progress.reset_on_run()
            self.batch_progress.increment_by(int(self._max_batches[0]), is_last_batch=True)
