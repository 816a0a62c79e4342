"""Logged metrics on standard output."""

from __future__ import annotations

import builtins
from argparse import Namespace
from collections.abc import Mapping
from typing import Any

from lightning_fabric.utilities.rank_zero import rank_zero_only
from pytorch_lightning.loggers import Logger


class ConsoleLogger(Logger):
    """Prints what other loggers write to files; to have both, give the Trainer a list of loggers.

    One line for each time that something is logged: ``epoch 0, step 22: train_loss 0.8123, val_loss 0.71``.
    """

    @property
    def name(self) -> str:
        """The name of the experiment; there are no files that would need one."""
        return "console"

    @property
    def version(self) -> int:
        """The version of the experiment; there is only one."""
        return 0

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Print one line."""
        values = dict(metrics)
        place = [f"{name} {int(value)}" for name, value in (("epoch", values.pop("epoch", None)), ("step", step))
                 if value is not None]  # fmt: skip
        builtins.print(f"{', '.join(place)}: {_listed(values)}" if place else _listed(values))

    @rank_zero_only
    def log_hyperparams(self, params: dict[str, Any] | Namespace, *args: Any, **kwargs: Any) -> None:
        """Print one line, unless there are none."""
        given = vars(params) if isinstance(params, Namespace) else params
        if given:
            builtins.print(f"hyperparameters: {_listed(given)}")


def _listed(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}"
                     for name, value in values.items())  # fmt: skip
