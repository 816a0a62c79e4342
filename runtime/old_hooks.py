"""Hooks that modules and callbacks had in older versions: nobody calls them any more, and that is said."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from lightning_fabric.utilities.exceptions import MisconfigurationException
from lightning_utilities.core.rank_zero import rank_zero_warn

_OUTPUTS = "collect what the step computes in an attribute and use it in {}, which takes no outputs"

#: Hooks that got the outputs of all steps: without them a training would lose what they compute.
REMOVED = {
    "training_epoch_end": _OUTPUTS.format("on_train_epoch_end(self)"),
    "validation_epoch_end": _OUTPUTS.format("on_validation_epoch_end(self)"),
    "test_epoch_end": _OUTPUTS.format("on_test_epoch_end(self)"),
}

#: Hooks of modules that have a successor, which is called with other arguments at times.
RENAMED = {
    "training_end": "on_train_batch_end, or compute it in training_step",
    "validation_end": "on_validation_epoch_end, which takes no outputs",
    "test_end": "on_test_epoch_end, which takes no outputs",
    "training_step_end": "on_train_batch_end, or compute it in training_step",
    "validation_step_end": "on_validation_batch_end, or compute it in validation_step",
    "test_step_end": "on_test_batch_end, or compute it in test_step",
    "on_epoch_start": "on_train_epoch_start, on_validation_epoch_start or on_test_epoch_start",
    "on_epoch_end": "on_train_epoch_end, on_validation_epoch_end or on_test_epoch_end",
    "on_batch_start": "on_train_batch_start",
    "on_batch_end": "on_train_batch_end",
    "on_pretrain_routine_start": "on_fit_start",
    "on_pretrain_routine_end": "on_fit_start",
    "on_train_dataloader": "train_dataloader",
    "on_val_dataloader": "val_dataloader",
    "on_test_dataloader": "test_dataloader",
    "on_predict_dataloader": "predict_dataloader",
    "tng_dataloader": "train_dataloader",
    "on_hpc_save": "on_save_checkpoint",
    "on_hpc_load": "on_load_checkpoint",
    "on_post_move_to_device": "setup",
    "tbptt_split_batch": "manual optimization",
    "get_progress_bar_dict": "the method get_metrics of the progress bar",
    "on_keyboard_interrupt": "on_exception",
    "on_init_start": "setup",
    "on_init_end": "setup",
    "on_before_accelerator_backend_setup": "setup",
    "on_configure_sharded_model": "setup",
}


def check(module: Any, callbacks: Iterable[Any]) -> None:
    """Warn of each old hook, once per class.

    Raises:
        MisconfigurationException: the module has a hook that got the outputs of all steps.
    """
    for name, today in REMOVED.items():
        if _has(module, name):
            raise MisconfigurationException(
                f"{type(module).__name__}.{name} is an old hook that is not called any more: {today}."
            )
    for owner in (module, *callbacks):
        for name, today in RENAMED.items():
            if _has(owner, name):
                rank_zero_warn(
                    f"{type(owner).__name__}.{name} is an old hook that is not called any more: use {today}.",
                    category=FutureWarning,
                )


def _has(owner: Any, name: str) -> bool:
    """Whether the class of the user defines it; torch and Lightning themselves define none of these."""
    return callable(getattr(type(owner), name, None))
