"""The module that a converted script trains."""

from __future__ import annotations

import builtins
import functools
import inspect
from collections.abc import Callable
from typing import Any

import pytorch_lightning as pl
from lightning_fabric.utilities.exceptions import MisconfigurationException
from lightning_fabric.utilities.rank_zero import rank_zero_only
from torch import Tensor

from runtime import midway, optimizers, progress, ranks

_SWITCHES = ("on_validation_model_eval", "on_validation_model_train", "on_test_model_eval", "on_test_model_train")


def _leave_modes() -> None:
    """Leave the modes as they are; a function of its own, since Lightning only calls hooks that are not its own."""


def _with_fitting_optimizers(configure: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(configure)
    def configure_optimizers(self: Module) -> Any:
        return optimizers.fitted(configure(self), getattr(self, "automatic_closure", True))

    return configure_optimizers


class Module(pl.LightningModule):
    """A LightningModule with the verbs of a hand-written loop: ``print``, ``break``, sums over all processes.

    It runs under :class:`runtime.Trainer`, and under a plain :class:`pytorch_lightning.Trainer` with the
    differences that the methods describe.

    Attributes:
        automatic_closure: Whether an optimizer that needs a closure, such as LBFGS, gets one under automatic
            optimization. False, set in ``__init__``, steps it as a script does that calls ``optimizer.step()``; what
            cannot be stepped so, LBFGS or None, raises what it would raise there.
        automatic_validation: Whether the Trainer validates at the end of an epoch. False, set in ``__init__``, leaves
            it to the module to ask for a validation with :meth:`validate`. A plain Lightning Trainer validates at the
            end of the epoch all the same.
        late_zero_grad: Whether the Trainer clears the gradients just in front of the backward pass, instead of in
            front of :meth:`training_step`: for steps that compute gradients on their own way to the loss. A plain
            Lightning Trainer always does so.
    """

    automatic_closure = True
    automatic_validation = True
    late_zero_grad = False

    def __init_subclass__(cls, **options: Any) -> None:
        """See to it that what ``configure_optimizers`` returns is something that Lightning can step."""
        super().__init_subclass__(**options)
        own = cls.__dict__.get("configure_optimizers")
        if inspect.isfunction(own):
            cls.configure_optimizers = _with_fitting_optimizers(own)  # type: ignore[method-assign]

    @property
    def automatic_modes(self) -> bool:
        """Whether the Trainer switches to eval mode for an evaluation, and back behind it.

        False, set in ``__init__``, leaves the modes to the ``train()`` and ``eval()`` that the hooks call themselves,
        in validation and test. A hook of the module such as ``on_validation_model_eval`` comes before it.
        """
        return not any(name in self.__dict__ for name in _SWITCHES)

    @automatic_modes.setter
    def automatic_modes(self, automatic: bool) -> None:
        for name in _SWITCHES:
            if automatic:
                self.__dict__.pop(name, None)
            elif getattr(type(self), name) is getattr(pl.LightningModule, name):
                self.__dict__[name] = _leave_modes

    @property
    def epoch(self) -> Any:
        """The current item of ``Trainer(epochs=...)``; without it, and under a plain Trainer, ``current_epoch``."""
        return getattr(self._trainer, "epoch", self.current_epoch)

    @property
    def progress_bar(self) -> Any:
        """The tqdm bar that the Trainer draws at this moment, for ``set_description``, ``set_postfix`` and so on.

        A silent object with the same methods where there is none: no bar was asked for, it is one of another kind, or
        this is not the first process. The bar is drawn ten times a second at most.
        """
        return progress.current(self._trainer)

    def configure_optimizers(self) -> Any:
        """Nothing: under manual optimization a module may leave the optimizers to the script.

        Raises:
            MisconfigurationException: optimization is automatic, so the Trainer needs an optimizer.
        """
        if self.automatic_optimization:
            raise MisconfigurationException(
                f"{type(self).__name__} needs `configure_optimizers`, because its optimization is automatic."
            )

    def stop_epoch(self) -> None:
        """End the current epoch like ``break`` in the loop over the batches.

        The current step still finishes and no further batch is fetched; then the epoch ends as usual: validation,
        epoch-end hooks, schedulers. Called while validating or testing, it ends that evaluation's batches instead.
        Under a plain Lightning Trainer the following batch may already have been fetched.
        """
        stop = getattr(self.trainer, "_stop_epoch", None)
        if stop is not None:
            stop()
        else:
            end_epoch_early(self.trainer)

    def skip_epoch(self) -> None:
        """Leave the current epoch out like ``continue`` in front of its batches; for ``on_train_epoch_start``.

        The hook still finishes, and the next epoch begins: no batch is fetched, no validation, epoch-end hook or
        scheduler step runs.

        Raises:
            RuntimeError: no epoch starts at this moment, or a plain Lightning Trainer trains, which trains them all.
        """
        skip = getattr(self.trainer, "_skip_epoch", None)
        if skip is None:
            raise RuntimeError("A plain Lightning Trainer cannot skip an epoch: train with runtime.Trainer.")
        skip()

    def stop_training(self) -> None:
        """End the training like ``break`` in the loop over the epochs.

        The current hook finishes, and the step of the loss that it returns; no further batch, validation, epoch-end
        hook or scheduler step runs, except ``on_train_end``. Under a plain Lightning Trainer the epoch's validation
        and epoch-end hooks still run once.
        """
        stop = getattr(self.trainer, "_stop_training", None)
        if stop is not None:
            stop()
        else:
            self.trainer.should_stop = True

    def validate(self, *, alone: bool = False) -> None:
        """Run the validation at once, in the middle of an epoch; its results are there when this returns.

        Args:
            alone: This process evaluates all of the data and waits for no other one, as under ``if rank == 0:``.

        Raises:
            RuntimeError: the Trainer is not training, or this process cannot evaluate alone: several loaders or a
                profiler need Lightning's own loop.
        """
        midway.validate(self.trainer, alone)

    def log(self, name: str, value: Any, *args: Any, **options: Any) -> None:
        """Log a value; see :meth:`pytorch_lightning.LightningModule.log` for the other arguments."""
        shortcuts = getattr(self._trainer, "_shortcuts", None)
        if shortcuts is None:
            return super().log(name, value, *args, **options)
        fx = self._current_fx_name
        if not shortcuts.store(fx, name, value, args, options):
            super().log(name, value, *args, **options)
            shortcuts.remember(fx, name, args, options)
        return None

    def sum_across_ranks(self, *values: Any) -> Any:
        """Add up numbers or tensors over all processes; on one process return the very same objects.

        One value in gives one value out, several give a tuple. Integers stay integers, floats are added in float64,
        tensors keep their dtype, shape and device. A script that has made its processes itself adds up what it wants
        added, so there nothing is added either, nor while a process evaluates alone.

        Raises:
            TypeError: a value is neither a number nor a tensor, on several processes.
        """
        strategy = self._trainer.strategy if self._trainer is not None else None
        sums = values if getattr(self._trainer, "validates_alone", False) else ranks.sums(values, strategy)
        return sums[0] if len(sums) == 1 else sums

    def print(self, *args: Any, **kwargs: Any) -> None:
        """Call ``print``, at once and with all its arguments, on the first process only."""
        if getattr(rank_zero_only, "rank", 0) == 0:
            builtins.print(*args, **kwargs)

    def manual_backward(self, loss: Any, *args: Any, **kwargs: Any) -> None:
        """Run the backward pass under manual optimization, through the Trainer's precision and strategy.

        What is no tensor is asked for its own ``backward()``, as a script asks it: None has none, and says so.
        """
        backward = getattr(self._trainer, "_lean_backward", None)
        if not isinstance(loss, Tensor):
            loss.backward(*args, **kwargs)
        elif backward is None:
            super().manual_backward(loss, *args, **kwargs)
        else:
            backward(loss, *args, **kwargs)


def end_epoch_early(trainer: pl.Trainer) -> None:
    """Make Lightning's own epoch loop take the current batch for the epoch's last one."""
    trainer.fit_loop.epoch_loop.batch_progress.is_last_batch = True
    if trainer.val_check_batch == trainer.fit_loop.max_batches:
        # otherwise validation waits for that number of batches; infinite means after the last one, however many
        trainer.val_check_batch = float("inf")
