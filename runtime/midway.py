"""A validation in the middle of an epoch, where a module asks for it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


def validate(trainer: Any) -> None:
    """Run the validation loop of a fit that is under way, and go back to training.

    Raises:
        RuntimeError: the Trainer is not training.
    """
    if not trainer.training:
        raise RuntimeError("validate() runs the validation of a training; call it from a hook that trains.")
    with _kept(trainer):
        trainer.validating = True
        trainer.fit_loop.epoch_loop.val_loop.run()


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
