"""The Trainer: Lightning's, with faithful defaults and loops."""

from __future__ import annotations

import inspect
import operator
from collections.abc import Callable, Iterable
from numbers import Integral
from typing import Any

import pytorch_lightning as pl
import torch
from lightning_fabric.utilities.exceptions import MisconfigurationException
from pytorch_lightning.strategies.launchers import _MultiProcessingLauncher
from pytorch_lightning.trainer.connectors.signal_connector import _SignalConnector
from pytorch_lightning.trainer.states import RunningStage, TrainerFn
from pytorch_lightning.utilities.exceptions import _TunerExitException
from pytorch_lightning.utilities.seed import isolate_rng

from runtime import (
    accumulation,
    checkpoints,
    explanations,
    groups,
    held,
    in_place,
    launcher,
    leaving,
    old_calls,
    old_hooks,
    precision,
    progress,
    quiet,
    rich_modules,
    settings,
    sharded,
    sharing,
    unused,
)
from runtime.epochs import Epochs
from runtime.evaluation import EvaluationLoop
from runtime.fit_loop import EpochLoop, FitLoop
from runtime.module import end_epoch_early
from runtime.nonfinite import StopOnNaN
from runtime.prediction import PredictionLoop

quiet.install()


class _ScriptsSignals(_SignalConnector):
    """Leaves signals alone: what SIGTERM does is the script's choice."""

    def register_signal_handlers(self) -> None:
        """Register nothing."""


class Trainer(pl.Trainer):
    """Trains a module exactly as a plain Python loop would, with Lightning's strategies, precision and callbacks.

    Args:
        max_epochs: Number of epochs. Zero or less trains nothing, as an empty ``range`` would; -1 together with
            ``max_steps`` or ``max_time`` is Lightning's "without limit".
        epochs: Any iterable instead of a number; it is iterated once, lazily, and ``self.epoch`` is its current item.
        device: The device that the script chose: ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ``"mps"``, ``"xla"`` or a
            ``torch.device``. With no device and no accelerator given, training stays on the CPU.
        divide_loss: Whether the loss is divided by ``accumulate_grad_batches``, as in Lightning. False where the step
            divides it itself, or where the gradients are meant to be sums.
        last_window: What becomes of the last batches of an epoch when they are fewer than ``accumulate_grad_batches``:
            the optimizer steps for them (``"step"``, as in Lightning), their gradients are dropped when the next epoch
            starts (``"drop"``), or they count for the first step of the next epoch (``"carry"``).
        sync_each_batch: Whether several processes average the gradients of each batch, as DistributedDataParallel does
            outside its ``no_sync()``. False averages their sums once for each step, as in Lightning: other roundings.
        scaler: The script's own ``GradScaler``: losses are scaled and the optimizer steps through it, and the steps
            autocast where they say so themselves. A ``precision`` takes the place of both.
        **lightning: Any argument of :class:`pytorch_lightning.Trainer`. Loggers, checkpoints, progress bar, summary
            and sanity check are off unless they are asked for. Also ``stop_on_nan=True``, which ends the training
            with :class:`runtime.NonFiniteLoss` at the first loss that is NaN or infinite, ``ckpt_path``, the
            checkpoint that ``fit`` resumes from, and the names that arguments had in older versions.

    The environment variable ``REFACTORER_TRAINER``, a JSON object of these arguments, overrides them.

    Raises:
        SettingsError: the environment variable or ``device`` cannot be used (exit status 2, one line on stderr).
        TypeError: an argument that no Trainer ever had, an old one that nothing today means, or two that contradict
            each other.
        ValueError: ``accumulate_grad_batches`` is not a whole number of at least 1, or ``last_window`` is unknown.
        MisconfigurationException: a device, strategy or precision that is unknown or not there.
    """

    fit_loop: FitLoop
    callbacks: list[pl.Callback]

    def __init__(
        self,
        *,
        max_epochs: int | None = None,
        epochs: Iterable[Any] | None = None,
        device: torch.device | str | None = None,
        divide_loss: bool = True,
        last_window: str = "step",
        sync_each_batch: bool = False,
        scaler: torch.amp.GradScaler | None = None,
        **lightning: Any,
    ) -> None:
        given = lightning if max_epochs is None else {"max_epochs": max_epochs, **lightning}
        arguments = settings.resolve(given, device)
        if device is not None and arguments["accelerator"] == "cuda" and not torch.cuda.is_available():
            # raises what the script's own first move to the device would raise
            arguments = settings.resolve(given, torch.empty(0).to(device).device)
        try:
            arguments["accumulate_grad_batches"] = accumulation.check(arguments["accumulate_grad_batches"], last_window)
        except ValueError as error:
            settings.blame_environment(str(error))
            raise
        self.divide_loss, self.last_window, self.sync_each_batch = divide_loss, last_window, sync_each_batch
        scales = scaler is not None and arguments["precision"] is None
        if scaler is not None and scales:
            arguments["plugins"] = [*_listed(arguments["plugins"]), precision.ScriptsPrecision(scaler)]
        self._epochs = Epochs(epochs) if epochs is not None else None
        self._leaving: BaseException | None = None
        self.stopping = False
        self._resume_from = arguments.pop("ckpt_path")
        if arguments.pop("stop_on_nan"):
            arguments["callbacks"] = [*(arguments["callbacks"] or []), StopOnNaN()]
        arguments["callbacks"] = progress.with_bar(arguments["callbacks"], arguments["enable_progress_bar"])
        self._initialize(_limits(arguments, self._epochs))
        if scaler is not None and not scales:
            precision.override_autocast(self.precision_plugin)
        self._use_faithful_loops(arguments["inference_mode"])
        self._signal_connector = _ScriptsSignals(self)
        self._data_connector = sharing.ScriptsData(self)
        if device is None and not settings.names_hardware(given):
            in_place.take_over(self.strategy)
        launcher.take_over(self.strategy)
        checkpoints.take_over(self.strategy)
        groups.take_over(self.strategy)

    def _initialize(self, arguments: dict[str, Any]) -> None:
        try:
            # what is unwrapped here is a decorator that would mix PL_TRAINER_* variables in
            initialize = inspect.unwrap(pl.Trainer.__init__)
            initialize(self, **{**arguments, "strategy": sharded.strategy_for(arguments)})
            message = explanations.refusal(arguments, self)
        except (MisconfigurationException, ModuleNotFoundError, TypeError, ValueError) as error:
            message = explanations.explain(arguments, error)
            if message is None:
                settings.blame_environment(" ".join(str(error).split()))
                raise
        if message is not None:
            settings.blame_environment(message)
            raise MisconfigurationException(f"Trainer: {message}")

    def _use_faithful_loops(self, inference_mode: bool) -> None:
        fit, epoch = self.fit_loop, self.fit_loop.epoch_loop
        self.fit_loop = FitLoop(self, min_epochs=fit.min_epochs, max_epochs=fit.max_epochs)
        self.fit_loop.epoch_loop = EpochLoop(self, min_steps=epoch.min_steps, max_steps=epoch.max_steps)
        self.fit_loop.epoch_loop.val_loop = EvaluationLoop(
            self, TrainerFn.FITTING, RunningStage.VALIDATING, verbose=False, inference_mode=False
        )
        self.validate_loop = EvaluationLoop(
            self, TrainerFn.VALIDATING, RunningStage.VALIDATING, inference_mode=inference_mode
        )
        self.test_loop = EvaluationLoop(self, TrainerFn.TESTING, RunningStage.TESTING, inference_mode=inference_mode)
        self.predict_loop = PredictionLoop(self, inference_mode=inference_mode)

    @property
    def epoch(self) -> Any:
        """The current item of ``epochs``, or ``current_epoch`` when a number of epochs was given."""
        return self.current_epoch if self._epochs is None else self._epochs.current

    @property
    def validates_alone(self) -> bool:
        """Whether this process evaluates all of the validation data at the moment, and the others do not."""
        return self.fit_loop.epoch_loop.val_loop.alone

    @property
    def callback_metrics(self) -> dict[str, Any]:
        """The logged values; asked for by name, also numbers that the module holds, see :mod:`runtime.held`."""
        return held.behind_logged(self)

    @property
    def lean_loop_reason(self) -> str | None:
        """Why Lightning's own loop trains instead of the faithful one; None when the faithful one does."""
        return self.fit_loop.lean_loop_reason()

    def fit(self, *args: Any, **kwargs: Any) -> None:
        """Train; see :meth:`pytorch_lightning.Trainer.fit`. Exceptions of the script arrive unchanged."""
        self.stopping = False
        self.__dict__.pop("_last_loss", None)
        self.fit_loop.forget_reason()
        kwargs = old_calls.translate_call("fit", kwargs)
        super().fit(*args, **settings.with_checkpoint(kwargs, self._resume_from))
        self._leave()

    def tune(self, model: Any, *data: Any, **named: Any) -> dict[str, Any]:
        """Search for a learning rate or a batch size, as old arguments ask for; see :func:`runtime.old_calls.tune`."""
        names = ("train_dataloaders", "val_dataloaders", "datamodule")
        return old_calls.tune(self, model, **dict(zip(names, data)), **old_calls.translate_call("fit", named))

    def validate(
        self,
        model: Any = None,
        dataloaders: Any = None,
        ckpt_path: Any = None,
        verbose: bool = False,
        *args: Any,
        **kwargs: Any,
    ) -> Any:
        """Evaluate on validation data; see :meth:`pytorch_lightning.Trainer.validate`."""
        self.stopping = False
        kwargs = old_calls.translate_call("validate", {"dataloaders": dataloaders, **kwargs})
        dataloaders = kwargs.pop("dataloaders")
        results = super().validate(model, dataloaders, ckpt_path, verbose, *args, **kwargs)
        self._leave()
        return results

    def test(
        self,
        model: Any = None,
        dataloaders: Any = None,
        ckpt_path: Any = None,
        verbose: bool = False,
        *args: Any,
        **kwargs: Any,
    ) -> Any:
        """Evaluate on test data; see :meth:`pytorch_lightning.Trainer.test`."""
        self.stopping = False
        kwargs = old_calls.translate_call("test", {"dataloaders": dataloaders, **kwargs})
        dataloaders = kwargs.pop("dataloaders")
        results = super().test(model, dataloaders, ckpt_path, verbose, *args, **kwargs)
        self._leave()
        return results

    def predict(self, *args: Any, **kwargs: Any) -> Any:
        """Predict; see :meth:`pytorch_lightning.Trainer.predict`."""
        results = super().predict(*args, **kwargs)
        self._leave()
        return results

    def _fit_impl(self, *args: Any, **kwargs: Any) -> Any:
        return self._guarded(super()._fit_impl, *args, **kwargs)

    def _validate_impl(self, *args: Any, **kwargs: Any) -> Any:
        return self._guarded(super()._validate_impl, *args, **kwargs)

    def _test_impl(self, *args: Any, **kwargs: Any) -> Any:
        return self._guarded(super()._test_impl, *args, **kwargs)

    def _predict_impl(self, *args: Any, **kwargs: Any) -> Any:
        return self._guarded(super()._predict_impl, *args, **kwargs)

    def _guarded(self, run: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Tidy up after an exception, and keep it: Lightning's handler would turn Ctrl-C into SystemExit."""
        if isinstance(self.strategy.launcher, _MultiProcessingLauncher):
            return run(*args, **kwargs)  # this is another process: it can hand over nothing but the exception
        try:
            with launcher.run(), rich_modules.shown_to(self.callbacks):
                return run(*args, **kwargs)
        except _TunerExitException:
            raise  # not an error: how Lightning's Tuner ends a trial run
        except BaseException as exception:
            leaving.tidy_up(self, exception)
            self._leaving = exception
            return None

    def _leave(self) -> None:
        exception, self._leaving = self._leaving, None
        if exception is not None:
            try:
                raise exception
            finally:
                del exception

    def _run(self, *args: Any, **kwargs: Any) -> Any:
        old_hooks.check(self.lightning_module, self.callbacks)
        if self.state.fn == TrainerFn.FITTING:
            self.fit_loop.note_reason()
            with unused.cared_for(self.strategy, self):
                return super()._run(*args, **kwargs)
        return super()._run(*args, **kwargs)

    def _run_stage(self) -> Any:
        # unlike Lightning's: no gradient is cleared, no random state is touched, anomaly detection stays as found
        leaving.prepare_exit(self)
        self.strategy.barrier("run-stage")
        if self.evaluating:
            return self._evaluation_loop.run()
        if self.predicting:
            return self.predict_loop.run()
        if self.num_sanity_val_steps > 0:
            with isolate_rng():
                self._run_sanity_check()
        if not self._detect_anomaly:
            return self.fit_loop.run()
        with torch.autograd.set_detect_anomaly(True):
            return self.fit_loop.run()

    def _teardown(self) -> None:
        leaving.teardown_in_place(self)

    def _stop_epoch(self) -> None:
        """What ``Module.stop_epoch`` asks for."""
        loop = self._active_loop
        if isinstance(loop, EvaluationLoop) and loop.stop_epoch():
            return
        if isinstance(loop, FitLoop) and not loop.stop_epoch():
            end_epoch_early(self)

    def _skip_epoch(self) -> None:
        """What ``Module.skip_epoch`` asks for."""
        self.fit_loop.skip_epoch()

    def _stop_training(self) -> None:
        """What ``Module.stop_training`` asks for."""
        self.stopping = True
        if self.state.fn == TrainerFn.FITTING and self.lean_loop_reason is not None:
            self.should_stop = True


def _listed(plugins: Any) -> list[Any]:
    return [] if plugins is None else [*plugins] if isinstance(plugins, (list, tuple)) else [plugins]


def _limits(arguments: dict[str, Any], epochs: Epochs | None) -> dict[str, Any]:
    """Translate the number of epochs to what Lightning's loop understands.

    Raises:
        TypeError: it is no whole number, in the words of ``range``.
    """
    number = arguments["max_epochs"]
    if number is not None and not isinstance(number, Integral):  # those that are stay what the script prints
        number = operator.index(number)
    unlimited = arguments["max_steps"] != -1 or arguments["max_time"] is not None
    if number is not None and number < 0:
        number = -1 if unlimited and number == -1 else 0
    if number is None and epochs is not None:
        number = epochs.count
    return {**arguments, "max_epochs": number}
