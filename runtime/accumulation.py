"""One step of the optimizer for the gradients of several batches: ``accumulate_grad_batches`` in the lean loop."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lightning_fabric.utilities.exceptions import MisconfigurationException
from pytorch_lightning.loops.utilities import _block_parallel_sync_behavior
from pytorch_lightning.strategies import ParallelStrategy
from torch import Tensor

from runtime import hooks, left_out, settings
from runtime.outputs import are_wanted, loss_of, outputs_of

LAST_WINDOWS = ("step", "drop", "carry")


def check(batches: Any, last_window: str) -> int:
    """The number of batches for one step, as an integer: scripts that divide get a float such as 4.0.

    Raises:
        ValueError: the number is not a whole one of at least 1, or there is no such way to treat the last window.
    """
    if last_window not in LAST_WINDOWS:
        raise ValueError(f"Trainer(last_window={last_window!r}): must be one of {', '.join(map(repr, LAST_WINDOWS))}")
    if not isinstance(batches, (int, float)) or batches != int(batches) or batches < 1:
        raise ValueError(f"Trainer(accumulate_grad_batches={batches!r}): must be a whole number of at least 1")
    return int(batches)


def refuse_own_clearing(trainer: Any) -> None:
    """Gradients cannot be accumulated in a step that clears them for every batch, or by a number of its own.

    Raises:
        MisconfigurationException: the module's ``optimizer_zero_grad`` leaves that to the script's own lines.
    """
    module = trainer.lightning_module
    hook = hooks.module_hook(module, "optimizer_zero_grad")
    if trainer.accumulate_grad_batches == 1 or not module.automatic_optimization or not _does_nothing(hook):
        return
    # only a script that counts its windows itself says "carry"
    if trainer.last_window != "carry" or "accumulate_grad_batches" in settings.from_environment():
        raise MisconfigurationException(
            f"Trainer(accumulate_grad_batches={trainer.accumulate_grad_batches}) needs gradients that the Trainer"
            f" clears, but optimizer_zero_grad of {type(module).__name__} does nothing. Take it out, and the lines of"
            " the module that clear gradients."
        )


def _does_nothing(hook: Any) -> bool:
    code = getattr(hook, "__code__", None)
    return code is not None and not code.co_names and all(c is None or isinstance(c, str) for c in code.co_consts)


class AccumulatingStep:
    """Trains on one batch, and steps the optimizer behind the last batch of each window.

    The windows of an epoch are counted from its first batch on. Gradients are cleared in front of the first batch
    behind a step, and of the first batch of an epoch unless ``last_window="carry"``.
    """

    def __init__(
        self,
        trainer: Any,
        forward: Callable[[Any, int], Any],
        zero_grad: Callable[[int], None],
        backward: Callable[[Tensor], None],
        update: Callable[[Tensor], None],
    ) -> None:
        self._trainer = trainer
        self._forward, self._zero_grad, self._backward, self._update = forward, zero_grad, backward, update
        self._batches: int = trainer.accumulate_grad_batches
        self._divides: bool = trainer.divide_loss
        self._last_window: str = trainer.last_window
        self._blocks = isinstance(trainer.strategy, ParallelStrategy) and not trainer.sync_each_batch
        self._wants_outputs = are_wanted(trainer)
        self._late: bool = getattr(trainer.lightning_module, "late_zero_grad", False)
        self._length: int | float | None = None
        self._progress = trainer.fit_loop.epoch_loop.automatic_optimization.optim_progress.optimizer.step
        self._loss: Tensor | None = None

    def begin_epoch(self) -> None:
        """Let go of the gradients of a window that was left, unless they count."""
        if self._last_window != "carry":
            self._loss = None
        self._length = None

    def __call__(self, batch: Any, index: int) -> tuple[bool, Any]:
        """Train on a batch; returns whether the optimizer stepped, and the outputs for ``on_train_batch_end``."""
        if self._length is None and self._last_window == "step":
            self._length = self._trainer.fit_loop.max_batches
        length = self._length
        last = (index + 1) % self._batches == 0 or index + 1 == length
        if self._loss is None and not self._late:
            self._zero_grad(index)
        # in a loader of unknown length any batch may be the last one, whose gradients have to be synchronised
        if self._blocks and not last and length != float("inf"):
            with _block_parallel_sync_behavior(self._trainer.strategy):
                output, loss = self._accumulate(batch, index)
        else:
            output, loss = self._accumulate(batch, index)
        if loss is None:
            left_out.check(self._trainer)
            return False, {}
        self._loss = loss.detach()
        if last:
            self._step()
        return last, outputs_of(output, loss) if self._wants_outputs else None

    def _accumulate(self, batch: Any, index: int) -> tuple[Any, Tensor | None]:
        output = self._forward(batch, index)
        loss = loss_of(output)
        if loss is not None:
            if self._divides:
                loss = loss / self._batches
            if self._loss is None and self._late:
                self._zero_grad(index)
            self._backward(loss)
        return output, loss

    def finish(self) -> bool:
        """The loader ended: step a last window whose end nobody could foresee. Returns whether there was one."""
        if self._loss is None or self._last_window != "step" or self._trainer.fit_loop.max_batches != float("inf"):
            return False
        self._step()
        return True

    def _step(self) -> None:
        assert self._loss is not None
        self._progress.increment_ready()
        self._update(self._loss)
        self._progress.increment_completed()
        self._loss = None
