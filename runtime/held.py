"""Values that a module holds, for callbacks that ask for them by name.

A converted script logs nothing: it adds up its sums in attributes and prints them. A callback that watches
``"test_loss"`` finds the attribute ``self.test_loss`` of the module in ``trainer.callback_metrics``, and under
``"loss"`` the loss of the last training step. Values that were logged with ``self.log`` come first, and only they are
listed when somebody looks at all metrics. An attribute is looked at in the moment in which it is asked for, and never
otherwise.
"""

from __future__ import annotations

import numbers
from collections import OrderedDict
from typing import Any

import torch
from pytorch_lightning.callbacks import ProgressBar
from torch import Tensor

from runtime.module import Module

#: Names that checkpoint callbacks ask for and fill in themselves.
_COUNTERS = ("epoch", "step")
_LOSS = "loss"


class Metrics(dict[str, Any]):
    """The logged values, with the held ones behind them."""

    trainer: Any = None

    def __missing__(self, name: str) -> Tensor:
        value = held_value(self.trainer, name)
        if value is None:
            raise KeyError(name)
        return value

    def __contains__(self, name: object) -> bool:
        return super().__contains__(name) or held_value(self.trainer, name) is not None

    def get(self, name: str, default: Any = None) -> Any:
        """The value, as a tensor without dimensions."""
        try:
            return self[name]
        except KeyError:
            return default

    def __deepcopy__(self, memory: dict[int, Any]) -> Metrics:
        copied = Metrics({name: value.clone() if isinstance(value, Tensor) else value for name, value in self.items()})
        copied.trainer = self.trainer
        return copied

    def __reduce__(self) -> Any:
        """Other processes get the logged values alone."""
        return OrderedDict, (), None, None, iter(self.items())


def behind_logged(trainer: Any) -> Metrics:
    """The Trainer's ``callback_metrics``, made to find held values too."""
    connector = trainer._logger_connector
    logged = connector.callback_metrics
    if not isinstance(logged, Metrics):
        logged = connector._callback_metrics = Metrics(logged)
    logged.trainer = trainer
    return logged


def held_value(trainer: Any, name: Any) -> Tensor | None:
    """The number that the module holds under a name, or the last loss; None where there is none.

    Numbers become tensors in float64 or int64, in which they are the same. Switches are no numbers.
    """
    module = None if trainer is None else trainer.lightning_module
    if not isinstance(module, Module) or not isinstance(name, str) or name.startswith("_") or name in _COUNTERS:
        return None
    value = module.__dict__.get(name)
    if value is None:
        value = module._buffers.get(name)
    if value is None and name == _LOSS:
        value = trainer.__dict__.get("_last_loss")
    if isinstance(value, Tensor):
        return value.detach().clone().reshape(()) if value.numel() == 1 and not value.is_complex() else None
    if isinstance(value, bool):
        return None
    if isinstance(value, numbers.Integral):
        return torch.tensor(int(value))
    return torch.tensor(float(value), dtype=torch.float64) if isinstance(value, numbers.Real) else None


def is_heard(trainer: Any) -> bool:
    """Whether somebody may ask for the last loss: a callback other than a progress bar, or a scheduler that watches."""
    watching = any(config.monitor is not None for config in trainer.lr_scheduler_configs)
    return watching or any(not isinstance(callback, ProgressBar) for callback in trainer.callbacks)


def keep_loss(trainer: Any, outputs: Any) -> None:
    """Remember the loss of a step, which nobody waits for."""
    loss = outputs.get(_LOSS) if isinstance(outputs, dict) else None
    trainer._last_loss = loss.detach() if isinstance(loss, Tensor) else None


def keep_losses_of_lightnings_loop(trainer: Any) -> None:
    """Have the loss of each step remembered where Lightning's own loop trains."""
    if not is_heard(trainer):
        return
    loop = trainer.fit_loop.epoch_loop.automatic_optimization
    run = type(loop).run

    def keeping(*args: Any) -> Any:
        outputs = run(loop, *args)
        keep_loss(trainer, outputs)
        return outputs

    loop.run = keeping
