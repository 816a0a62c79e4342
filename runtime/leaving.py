"""The end of a run: tidy, but with everything left where the script expects it."""

from __future__ import annotations

import atexit
import subprocess
import time
from collections.abc import Callable
from typing import Any

import torch.distributed as dist
from pytorch_lightning.trainer import call
from pytorch_lightning.trainer.states import TrainerFn, TrainerStatus

from runtime import sharded
from runtime.launcher import GRACE, describe, say, started


def teardown_in_place(trainer: Any) -> None:
    """Lightning's teardown, except that model and optimizer state stay on their device."""
    strategy = trainer.strategy
    sharded.finish(strategy, interrupted=trainer.state.status == TrainerStatus.INTERRUPTED)
    module, optimizers = strategy._lightning_module, strategy._optimizers
    strategy._optimizers = []
    if module is not None:
        # an instance attribute hides Module.cpu while the strategy calls it
        module.__dict__["cpu"] = lambda: module
    try:
        strategy.teardown()
    finally:
        strategy._optimizers = optimizers
        if module is not None:
            module.__dict__.pop("cpu", None)
    # an exception in a validation within fit has to reach the fit loop as well
    loop = trainer.fit_loop if trainer.state.fn == TrainerFn.FITTING else trainer._active_loop
    if loop is not None:
        loop.teardown()
    trainer._logger_connector.teardown()


def tidy_up(trainer: Any, exception: BaseException) -> None:
    """Tell callbacks, loggers and the strategy about the exception, then tear down."""
    if started:
        _at_exit(_end_processes)
    call._interrupt(trainer, exception)
    trainer._teardown()
    trainer.state.stage = None
    if trainer.lightning_module is not None:
        # the hook that raised did not get to putting it back
        trainer.lightning_module.__dict__["_current_fx_name"] = None


def prepare_exit(trainer: Any) -> None:
    """Have the process group closed when the program ends; left to the interpreter, it may abort the process."""
    sharded.begin(trainer.strategy)
    if dist.is_available() and dist.is_initialized():
        _at_exit(_close_group)


def _at_exit(function: Callable[[], None]) -> None:
    atexit.unregister(function)  # once is enough, however many trainers there are
    atexit.register(function)


def _close_group() -> None:
    if dist.is_initialized():
        dist.destroy_process_group()


def _end_processes() -> None:
    """See to it that the processes this one started do not wait for it forever."""
    _close_group()  # one that waits for this process now gets an error
    limit = time.monotonic() + GRACE
    for rank, process in enumerate(started, 1):
        try:
            status = process.wait(max(0.0, limit - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
        else:
            if status < 0:  # likely why this one failed: communication with it broke off
                say(f"process {rank} {describe(status)}")
