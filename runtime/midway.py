"""A validation in the middle of an epoch, where a module asks for it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any


def validate(trainer: Any, alone: bool) -> None:
    """Run the validation loop of a fit that is under way, and go back to training.

    Args:
        alone: This process evaluates all of the data and waits for no other one.

    Raises:
        RuntimeError: the Trainer is not training, or only Lightning's own loop, which waits for all processes, can
            evaluate.
    """
    if not trainer.training:
        raise RuntimeError("validate() runs the validation of a training; call it from a hook that trains.")
    loop = trainer.fit_loop.epoch_loop.val_loop
    if not loop._data_source.is_defined():
        raise RuntimeError("validate() has no data: hand a loader to fit(), or write a val_dataloader().")
    with _kept(trainer):
        trainer.validating = True
        with loop.by_itself() if alone and trainer.world_size > 1 else nullcontext():
            loop.run()


@contextmanager
def _kept(trainer: Any) -> Iterator[None]:
    """What the training loop had noted for the batch that it is at; an evaluation notes its own."""
    module, connector = trainer.lightning_module, trainer._logger_connector
    hook, first, last_hook = module._current_fx_name, connector._first_loop_iter, connector._current_fx
    try:
        yield
    finally:
        trainer.training = True
        module._current_fx_name = hook
        connector._first_loop_iter, connector._current_fx = first, last_hook
