"""What the loops iterate over: the script's own object, and how a batch gets to the device."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from lightning_fabric.utilities.apply_func import move_data_to_device
from lightning_fabric.utilities.types import _Stateful
from pytorch_lightning.plugins.precision import Precision
from pytorch_lightning.strategies import Strategy
from pytorch_lightning.trainer.connectors.data_connector import (
    _DataLoaderSource,
    _parse_num_batches,
    _request_dataloader,
)
from pytorch_lightning.trainer.states import RunningStage
from pytorch_lightning.utilities.combined_loader import CombinedLoader
from pytorch_lightning.utilities.model_helpers import is_overridden
from torch.utils.data import DataLoader

from runtime import in_place
from runtime.module import Module

_TRANSFER_HOOKS = ("on_before_batch_transfer", "transfer_batch_to_device", "on_after_batch_transfer")


class Passed:
    """Stands where Lightning keeps its CombinedLoader, for one iterable that is left exactly as it is.

    Args:
        iterables: What ``trainer.train_dataloader`` and its relatives return.
        loader: What is iterated over; the same object, except on several processes.
        first: The number of this process's first batch, and ``stride`` the distance to its next one.

    Attributes:
        restored: Whether the loader knows itself where in an epoch it goes on.
    """

    _mode = "sequential"
    limits = None

    def __init__(self, iterables: Any, loader: Any, first: int = 0, stride: int = 1) -> None:
        self.iterables = iterables
        self.loader = loader
        self.first = first
        self.stride = stride
        self.restored = False
        self.flattened = [loader]

    def length(self) -> int | float:
        """Number of batches where the iterable knows it, otherwise infinite."""
        try:
            return len(self.loader)
        except (TypeError, AttributeError, NotImplementedError):  # those that tqdm expects, among others
            return float("inf")

    def release(self) -> None:
        """Let go of what can be iterated over once: where a loop left it early, it ends now, as behind a ``for``."""
        if isinstance(self.iterables, Iterator) and not isinstance(self.loader, _Stateful):
            self.iterables = self.loader = iter(())
            self.flattened = [self.loader]

    def _state_dicts(self) -> list[dict[str, Any]]:
        """The loader's own state, if it has one, for a checkpoint."""
        return [self.loader.state_dict()] if isinstance(self.loader, _Stateful) else []

    def _load_state_dicts(self, states: list[dict[str, Any]]) -> None:
        """Restore the loader's own state, with which it goes on in the middle of an epoch."""
        if states and isinstance(self.loader, _Stateful):
            self.loader.load_state_dict(states[0])
            self.restored = True


class Opaque:
    """Hides a list of batches from Lightning, which would take it for a list of loaders."""

    def __init__(self, batches: Any) -> None:
        self.batches = batches

    def __iter__(self) -> Iterator[Any]:
        return iter(self.batches)

    def __len__(self) -> int:
        return len(self.batches)


@contextmanager
def whole(source: _DataLoaderSource, module: Any = None) -> Iterator[None]:
    """Inside, one iterable of batches stays one when Lightning's own loop takes apart what comes from ``source``."""
    plain = source.dataloader

    def dataloader() -> Any:
        found = plain()
        is_one = isinstance(found, (list, tuple, dict)) and not combines(module, found)
        return Opaque(found) if is_one else found

    source.__dict__["dataloader"] = dataloader
    try:
        yield
    finally:
        del source.__dict__["dataloader"]


def is_several_loaders(loader: Any) -> bool:
    """Whether this is a collection of loaders, which Lightning combines, and not an iterable of batches."""
    if isinstance(loader, CombinedLoader):
        return True
    if isinstance(loader, Mapping):
        return bool(loader) and all(isinstance(item, DataLoader) for item in loader.values())
    if isinstance(loader, (list, tuple)):
        return bool(loader) and all(isinstance(item, DataLoader) or is_several_loaders(item) for item in loader)
    return False


def combines(module: Any, loader: Any) -> bool:
    """Whether Lightning combines the training data: a collection of loaders that a foreign module trains on.

    A module of this package iterates as ``for`` does it: a dictionary of loaders gives its keys, a list its items.
    """
    return is_several_loaders(loader) and (isinstance(loader, CombinedLoader) or not isinstance(module, Module))


def request(trainer: Any, source: _DataLoaderSource) -> Any:
    """Get the iterable from where it comes: an argument of ``fit``, or a method of the module or data module."""
    if trainer.world_size > 1:
        return _request_dataloader(source)
    return source.dataloader()


def transfer_function(trainer: Any) -> Callable[[Any], Any] | None:
    """Return what brings a batch to the device, or None where a batch stays the very object it is."""
    strategy, precision, module = trainer.strategy, trainer.precision_plugin, trainer.lightning_module
    owners = [module] if trainer.datamodule is None else [module, trainer.datamodule]
    hooked = any(is_overridden(hook, owner) for owner in owners for hook in _TRANSFER_HOOKS)
    hooked = hooked or type(strategy).batch_to_device is not Strategy.batch_to_device
    converts = type(precision).convert_input is not Precision.convert_input
    device = strategy.root_device
    if hooked:
        return lambda batch: strategy.batch_to_device(
            module._on_before_batch_transfer(precision.convert_input(batch), dataloader_idx=0), dataloader_idx=0
        )
    if device.type != "cpu" and not in_place.leaves_batches(strategy):
        return lambda batch: move_data_to_device(precision.convert_input(batch), device)
    return precision.convert_input if converts else None


def limit_of(passed: Passed, limit: int | float, stage: RunningStage) -> int | float:
    """Translate ``limit_*_batches`` (a number of batches, or a fraction of all) to a number of batches.

    Raises:
        MisconfigurationException: a fraction of an unknown number, or one that leaves no batch.
    """
    if isinstance(limit, int):
        return limit
    if limit == 1.0:
        return float("inf")
    return _parse_num_batches(stage, passed.length(), limit)
