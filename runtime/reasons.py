"""When the lean loop does not know a feature, Lightning's own loop runs: this module says when and why."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

from pytorch_lightning.callbacks import (
    BatchSizeFinder,
    GradientAccumulationScheduler,
    LearningRateFinder,
    StochasticWeightAveraging,
)
from pytorch_lightning.profilers import PassThroughProfiler
from pytorch_lightning.utilities.signature_utils import is_param_in_hook_signature

from runtime.data import combines, is_several_loaders
from runtime.steps import steps_with_closure

#: Callbacks that reach into the loop's inner workings.
_LOOP_CALLBACKS = (BatchSizeFinder, GradientAccumulationScheduler, LearningRateFinder, StochasticWeightAveraging)


log = logging.getLogger(__name__)


def explain(message: str, *details: str) -> None:
    """Log for somebody who has set the level of the logger ``runtime``; a script's own logging stays its own."""
    if logging.getLogger("runtime").level:
        log.debug(message, *details)


def fit_reason(trainer: Any) -> str | None:
    """Return why Lightning's own loop has to train, or None."""
    return next(_fit_reasons(trainer), None)


def evaluation_reason(trainer: Any, loader: Any, step: str) -> str | None:
    """Return why Lightning's own loop has to evaluate ``loader`` with the module's ``step``, or None."""
    if not isinstance(trainer.profiler, PassThroughProfiler):
        return "a profiler is used"
    if trainer.overfit_batches or trainer.fast_dev_run:
        return "overfit_batches or fast_dev_run is used"
    if is_several_loaders(loader):
        return "there are several loaders"
    if is_param_in_hook_signature(getattr(trainer.lightning_module, step), "dataloader_iter", explicit=True):
        return f"{step} takes a dataloader_iter"
    return None


def _fit_reasons(trainer: Any) -> Iterator[str]:
    if trainer.accumulate_grad_batches != 1 and steps_with_closure(trainer):
        yield f"accumulate_grad_batches={trainer.accumulate_grad_batches} with steps that take a closure"
    if trainer.overfit_batches:
        yield f"overfit_batches={trainer.overfit_batches}"
    if trainer.fast_dev_run:
        yield f"fast_dev_run={trainer.fast_dev_run}"
    if getattr(trainer, "_val_check_time_interval", None) is not None:
        yield "val_check_interval is a time"
    elif isinstance(trainer.val_check_interval, int) or trainer.val_check_interval != 1.0:
        yield f"val_check_interval={trainer.val_check_interval}"
    if trainer.check_val_every_n_epoch is None:
        yield "check_val_every_n_epoch=None"
    if trainer.barebones:
        yield "barebones=True"
    if trainer.reload_dataloaders_every_n_epochs:
        yield f"reload_dataloaders_every_n_epochs={trainer.reload_dataloaders_every_n_epochs}"
    if not isinstance(trainer.profiler, PassThroughProfiler):
        yield "a profiler is used"
    if trainer.strategy.handles_gradient_accumulation:
        yield f"{type(trainer.strategy).__name__} accumulates gradients itself"
    yield from (f"the callback {type(c).__name__}" for c in trainer.callbacks if isinstance(c, _LOOP_CALLBACKS))
    if combines(trainer.lightning_module, trainer.fit_loop._data_source.instance):
        yield "there are several training loaders"
    if is_param_in_hook_signature(trainer.lightning_module.training_step, "dataloader_iter", explicit=True):
        yield "training_step takes a dataloader_iter"
