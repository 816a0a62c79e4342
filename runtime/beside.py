"""Networks, and criteria with weights, beside the model of a script that trains on processes of its own.

The script's wrapper was around its model. The Trainer's is around the whole module, and leaves the others alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from torch import nn


def leave_alone(module: nn.Module, optimizers: Iterable[Any]) -> None:
    """Tell DistributedDataParallel to share no part of the module that the optimizers hold nothing of.

    A part is an attribute of the module. The names stay with the module, since a test shares its states again.
    """
    groups = [group for optimizer in optimizers for group in optimizer.param_groups]
    trained = {id(parameter) for group in groups for parameter in group["params"]}
    tensors = [*module.named_parameters(remove_duplicate=False), *module.named_buffers(remove_duplicate=False)]
    parts = {name.partition(".")[0] for name, tensor in tensors if id(tensor) in trained}
    shared = {id(tensor) for name, tensor in tensors if name.partition(".")[0] in parts}
    others = [name for name, tensor in tensors if parts and id(tensor) not in shared]
    module._ddp_params_and_buffers_to_ignore = others  # type: ignore[assignment]  # where torch looks for them
