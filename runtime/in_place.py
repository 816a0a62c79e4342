"""A Trainer that was told of no device leaves a model where the script has put it.

Lightning would move it to the CPU. The batches stay where the loader puts them, and the script's own lines move them.
"""

from __future__ import annotations

from typing import Any

import torch
from pytorch_lightning.strategies import SingleDeviceStrategy

_CPU = torch.device("cpu")


def take_over(strategy: Any) -> None:
    """Have a strategy for one CPU leave models on the accelerators where it finds them."""
    if type(strategy) is SingleDeviceStrategy and strategy.root_device == _CPU:
        strategy.__class__ = _InPlace


def leaves_batches(strategy: Any) -> bool:
    """Whether batches stay where they are, since the script moves them by itself."""
    return isinstance(strategy, _InPlace)


class _InPlace(SingleDeviceStrategy):
    """One process on the CPU, or wherever the module is when a run begins."""

    def setup_environment(self) -> None:
        self._root_device = _CPU  # the device of an earlier run is none of this accelerator's
        super().setup_environment()

    def setup(self, trainer: Any) -> None:
        places = {parameter.device for parameter in self.model.parameters()} - {_CPU} if self.model is not None else ()
        self._root_device = min(places, key=str, default=_CPU)
        super().setup(trainer)

    def model_to_device(self) -> None:
        if self.lightning_module is not None:
            self.lightning_module._device = self.root_device
