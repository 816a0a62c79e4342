"""Sums over all processes of a run."""

from __future__ import annotations

import numbers
from typing import Any

import torch
import torch.distributed as dist
from pytorch_lightning.strategies import Strategy
from torch import Tensor

from runtime.groups import is_joined


def sums(values: tuple[Any, ...], strategy: Strategy | None) -> tuple[Any, ...]:
    """Return the sums over all processes; with one process, or those of the script, ``values`` itself.

    Raises:
        TypeError: a value is neither a number nor a tensor.
    """
    if _world_size(strategy) == 1 or is_joined(strategy):
        return values
    return tuple(_sum(value, strategy) for value in _alike(values))


def _alike(values: tuple[Any, ...]) -> list[Any]:
    """The values as other processes have them: without a batch, a sum is still the plain 0 that it began with."""
    if not (dist.is_available() and dist.is_initialized()):
        return list(values)
    own = [_form(value) for value in values]
    everywhere: list[Any] = [None] * dist.get_world_size()
    dist.all_gather_object(everywhere, own)
    return [_in_form(value, max(forms, key=_rank)) for value, *forms in zip(values, *everywhere)]


def _form(value: Any) -> type | tuple[torch.Size, torch.dtype]:
    if isinstance(value, Tensor):
        return value.shape, value.dtype
    return int if isinstance(value, numbers.Integral) else float


def _rank(form: type | tuple[torch.Size, torch.dtype]) -> int:
    return (int, float).index(form) if isinstance(form, type) else 2


def _in_form(value: Any, form: type | tuple[torch.Size, torch.dtype]) -> Any:
    if isinstance(value, Tensor) or not isinstance(value, numbers.Real):
        return value
    return form(value) if isinstance(form, type) else torch.full(form[0], float(value), dtype=form[1])


def _world_size(strategy: Strategy | None) -> int:
    if strategy is not None:
        return int(getattr(strategy, "world_size", 1))
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def _sum(value: Any, strategy: Strategy | None) -> Any:
    device = _device(strategy)
    if isinstance(value, Tensor):
        return _reduce(value.detach().to(device, copy=True), strategy).to(value.device)
    if isinstance(value, numbers.Integral):
        return int(_reduce(torch.tensor(int(value), dtype=torch.int64, device=device), strategy).item())
    if isinstance(value, numbers.Real):
        # mps has no float64; there the addition is done in float32
        dtype = torch.float32 if device.type == "mps" else torch.float64
        return float(_reduce(torch.tensor(float(value), dtype=dtype, device=device), strategy).item())
    raise TypeError(f"sum_across_ranks() adds numbers and tensors, not {type(value).__name__}")


def _device(strategy: Strategy | None) -> torch.device:
    """The device on which the processes can communicate."""
    if strategy is not None:
        return strategy.root_device
    return torch.device("cuda", torch.cuda.current_device()) if dist.get_backend() == "nccl" else torch.device("cpu")


def _reduce(tensor: Tensor, strategy: Strategy | None) -> Tensor:
    if strategy is not None:
        return strategy.reduce(tensor, reduce_op="sum")
    dist.all_reduce(tensor)
    return tensor
