"""FSDP: the parameters are divided among the processes while a run lasts, and whole again behind it."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any

import pytorch_lightning as pl
import torch
from lightning_fabric.utilities.exceptions import MisconfigurationException
from lightning_utilities.core.rank_zero import rank_zero_warn
from pytorch_lightning.core.optimizer import LightningOptimizer
from pytorch_lightning.strategies import FSDPStrategy
from pytorch_lightning.utilities.model_helpers import is_overridden
from torch import nn
from torch.distributed.fsdp import (
    FullOptimStateDictConfig,
    FullStateDictConfig,
    FullyShardedDataParallel,
    OptimStateKeyType,
    StateDictType,
)
from torch.distributed.fsdp._common_utils import FSDP_FLATTENED
from torch.utils.hooks import RemovableHandle

from runtime import hooks

#: Hooks of modules and callbacks that find gradients.
_BEHIND_BACKWARD = ("on_before_optimizer_step", "on_after_backward", "configure_gradient_clipping")


class CPUFullySharded(FSDPStrategy):
    """FSDP on several processes of the CPU, to try a set-up where there is no GPU.

    torch shards on the CPU where it is told so; Lightning's own strategy leaves that to the GPU that it expects.
    """

    def _setup_model(self, model: nn.Module) -> nn.Module:
        return FullyShardedDataParallel(
            module=model,
            mixed_precision=self.mixed_precision_config,
            sharding_strategy=self.sharding_strategy,
            device_id=self.root_device,
            **self.kwargs,
        )

    def lightning_module_state_dict(self) -> dict[str, Any]:
        """The whole parameters, on the first process."""
        assert self.model is not None
        with self._whole():
            return self.model.state_dict()

    def optimizer_state(self, optimizer: torch.optim.Optimizer) -> dict[str, Any]:
        """The whole state, on the first process, as the optimizer itself would give it."""
        assert self.model is not None
        plain = optimizer._optimizer if isinstance(optimizer, LightningOptimizer) else optimizer
        with self._whole():
            state = FullyShardedDataParallel.optim_state_dict(self.model, plain)
            if self.global_rank == 0:
                key = OptimStateKeyType.PARAM_ID
                state = FullyShardedDataParallel.rekey_optim_state_dict(state, key, self.model)
        return state

    def _whole(self) -> AbstractContextManager[Any]:
        """As Lightning's, but nothing is moved to the CPU: torch frees what it was moved from, here the very same."""
        assert self.model is not None
        return FullyShardedDataParallel.state_dict_type(
            self.model,
            StateDictType.FULL_STATE_DICT,
            FullStateDictConfig(offload_to_cpu=False, rank0_only=True),
            FullOptimStateDictConfig(offload_to_cpu=False, rank0_only=True),
        )


def strategy_for(arguments: Mapping[str, Any]) -> Any:
    """The strategy that is meant: FSDP by name is another one on the CPU."""
    name = arguments["strategy"]
    on_cpu = arguments["accelerator"] == "cpu" and name in FSDPStrategy.get_registered_strategies()
    return CPUFullySharded() if on_cpu else name


def begin(strategy: Any) -> None:
    """Refuse what sharded parameters cannot do, before it goes wrong.

    Raises:
        MisconfigurationException: the module optimizes by hand.
    """
    model, module = strategy.model, strategy.lightning_module
    if not isinstance(model, FullyShardedDataParallel):
        return
    if not module.automatic_optimization:
        raise MisconfigurationException(
            "FSDP gathers parameters around the whole training_step, so backward() cannot run inside it: this module"
            " optimizes by hand (automatic_optimization=False). Use strategy='ddp'."
        )
    _warn(module)
    _take_back(strategy)
    strategy.precision_plugin.clip_grad_by_norm = partial(_clip, strategy)
    strategy._guards = [_guard(part) for part in module.modules() if not isinstance(part, FullyShardedDataParallel)]


def _warn(module: Any) -> None:
    """Say what a training computes differently here."""
    if any(parameter.dtype == torch.float64 for parameter in module.parameters()):
        rank_zero_warn("FSDP computes in float32 what this model has in float64. Use strategy='ddp' for float64.")
    looking = [(module, name) for name in _BEHIND_BACKWARD if hooks.module_hook(module, name)]
    for callback in module.trainer.callbacks:
        names = (name for name in _BEHIND_BACKWARD if hasattr(pl.Callback, name))
        looking += [(callback, name) for name in names if is_overridden(name, callback, parent=pl.Callback)]
    for owner, name in looking:
        rank_zero_warn(
            f"{type(owner).__name__}.{name} runs while each process has a part of the gradients only, so norms that it"
            " computes are those of a part. Trainer(gradient_clip_val=...) clips the whole; strategy='ddp' has none."
        )


def whole_parameters(trainer: pl.Trainer) -> AbstractContextManager[Any]:
    """Inside, the module has its whole parameters. All processes have to enter it: under FSDP they gather them."""
    model = trainer.strategy.model
    if not isinstance(model, FullyShardedDataParallel):
        return nullcontext()
    return FullyShardedDataParallel.summon_full_params(model, writeback=False)


def finish(strategy: Any, interrupted: bool) -> None:
    """Give every process the whole parameters, as plain ones that belong to the script again.

    After an exception the other processes may be gone, and nothing can be gathered: ``state_dict`` stays refused.
    """
    model, module = strategy.model, strategy._lightning_module
    if interrupted or not isinstance(model, FullyShardedDataParallel):
        return
    with FullyShardedDataParallel.summon_full_params(model, writeback=False):
        whole = [(parameter, parameter.detach().clone()) for parameter in module.parameters()]
    for parameter, data in whole:
        parameter.data, parameter.grad = data, None
        # otherwise the next run would take it for one that is sharded already, and train it without the others
        parameter.__dict__.pop(FSDP_FLATTENED, None)
    for parent in list(module.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, FullyShardedDataParallel):
                setattr(parent, name, child.module)
    _take_back(strategy)
    strategy.model = module
    # the model is a plain one now, of which FSDP's own ways know nothing
    strategy.lightning_module_state_dict = module.state_dict
    strategy.optimizer_state = _refuse_optimizer
    strategy._guards = [optimizer.register_state_dict_pre_hook(_refuse_optimizer) for optimizer in strategy.optimizers]


def _clip(strategy: Any, optimizer: torch.optim.Optimizer, clip_val: float) -> None:
    """Clip the norm of the gradients of all processes' parts together; Lightning's FSDP refuses it.

    Raises:
        MisconfigurationException: other parameters than the optimizer's would count as well.
    """
    if clip_val <= 0:
        return
    held = {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}
    if any(parameter.grad is not None and id(parameter) not in held for parameter in strategy.model.parameters()):
        raise MisconfigurationException(
            "FSDP clips the norm of all gradients together, and some belong to parameters that the optimizer does not"
            " hold. Freeze those (requires_grad_(False)), or use strategy='ddp'."
        )
    strategy.model.clip_grad_norm_(clip_val)


def _take_back(strategy: Any) -> None:
    """Undo what an earlier ``begin`` or ``finish`` put there."""
    guards: list[RemovableHandle] = strategy.__dict__.pop("_guards", [])
    for guard in guards:
        guard.remove()
    for name in ("lightning_module_state_dict", "optimizer_state"):
        strategy.__dict__.pop(name, None)


def _refuse_optimizer(_: torch.optim.Optimizer) -> None:
    raise RuntimeError(
        "an optimizer's state behind FSDP: each process has a part of it only. Save it within the run, with"
        " Trainer(callbacks=[ModelCheckpoint(...)]); the parameters are whole, and weights_only=True saves them."
    )


def _guard(module: nn.Module) -> RemovableHandle:
    """Have ``state_dict()`` of a part refused: it would be this process's shard, which no other code can load."""

    def refuse(_: nn.Module, prefix: str, keep_vars: bool) -> None:
        if prefix == "":
            raise RuntimeError(
                f"{type(module).__name__}.state_dict() under FSDP: each process has a part of the parameters only."
                " Save with self.trainer.save_checkpoint(path), or behind trainer.fit, where they are whole again."
            )

    handle: RemovableHandle = module.register_state_dict_pre_hook(refuse)
    return handle
