"""The process group that a script has made itself: the Trainer joins it instead of starting processes."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import torch
import torch.distributed as dist
from lightning_fabric.plugins.environments.cluster_environment import ClusterEnvironment
from pytorch_lightning.strategies import DDPStrategy
from pytorch_lightning.strategies.ddp import _DDPForwardRedirection
from torch.nn.parallel import DistributedDataParallel


class _SharingBuffers(_DDPForwardRedirection):
    """Under manual optimization a step shares the buffers as any forward pass with gradients does: after such a one."""

    def on_after_outer_forward(self, wrapper_module: Any, original_module: Any) -> None:
        super().on_after_outer_forward(wrapper_module, original_module)
        manual = not original_module.automatic_optimization and torch.is_grad_enabled()
        if isinstance(wrapper_module, DistributedDataParallel) and manual:
            wrapper_module.require_forward_param_sync = True


class ScriptsGroup(ClusterEnvironment):
    """Ranks as the script's process group has them, one device for each process."""

    @property
    def creates_processes_externally(self) -> bool:
        """All processes are there already."""
        return True

    @property
    def main_address(self) -> str:
        """Where the first process listens, for those who ask; the group has been made."""
        return os.environ.get("MASTER_ADDR", "127.0.0.1")

    @property
    def main_port(self) -> int:
        """The port of ``main_address``."""
        return int(os.environ.get("MASTER_PORT", "0"))

    @staticmethod
    def detect() -> bool:
        """Whether there is a process group."""
        return dist.is_available() and dist.is_initialized()

    def world_size(self) -> int:
        """Number of processes in the group."""
        return dist.get_world_size()

    def set_world_size(self, size: int) -> None:
        """Change nothing."""

    def global_rank(self) -> int:
        """This process's number in the group."""
        return dist.get_rank()

    def set_global_rank(self, rank: int) -> None:
        """Change nothing."""

    def local_rank(self) -> int:
        """The place of this process's device among its own devices, of which there is one."""
        return 0

    def node_rank(self) -> int:
        """The number of the machine, as far as Lightning needs it: it starts nothing on the others."""
        return 0


def joins(arguments: Mapping[str, Any]) -> bool:
    """Whether a script asks for several processes, and has made their group."""
    strategy = arguments.get("strategy")
    asks = strategy.startswith("ddp") if isinstance(strategy, str) else isinstance(strategy, DDPStrategy)
    return asks and ScriptsGroup.detect()


def is_joined(strategy: Any) -> bool:
    """Whether a strategy trains on the processes of the script, which also adds up across them what it wants added."""
    return isinstance(getattr(strategy, "cluster_environment", None), ScriptsGroup)


def take_over(strategy: Any) -> None:
    """Have the strategy share buffers in all steps, if it trains on the processes of the script."""
    if is_joined(strategy):
        strategy._forward_redirection = _SharingBuffers()


def with_group(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments with the script's process group in the place of Lightning's launchers.

    Who makes the processes divides the data among them: no samplers are injected unless the script asks for them.
    """
    plugins = arguments.get("plugins") or []
    plugins = list(plugins) if isinstance(plugins, (list, tuple)) else [plugins]
    divided = {"use_distributed_sampler": False}
    return {**divided, **arguments, "plugins": [*plugins, ScriptsGroup()], "num_nodes": 1}
