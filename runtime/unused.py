"""Parameters that a backward pass leaves out, or that thaw only later, on several processes with DDP.

DistributedDataParallel waits in each backward pass for the gradients of all parameters that require them, and knows
none of the others for good.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
import torch.distributed as dist
from pytorch_lightning.strategies import DDPStrategy
from torch import nn
from torch.utils.hooks import RemovableHandle

from runtime.beside import leave_alone
from runtime.groups import is_joined

#: With either of them a strategy has been told what to do about unused parameters.
_TOLD = ("find_unused_parameters", "static_graph")


@contextmanager
def cared_for(strategy: Any, trainer: Any) -> Iterator[None]:
    """While a training runs, nobody waits for gradients that do not come, and none is left unsynchronised."""
    if not isinstance(strategy, DDPStrategy):
        yield
        return
    arguments, wrap, make_optimizers = dict(strategy._ddp_kwargs), strategy.configure_ddp, strategy.setup_optimizers
    with ExitStack() as handles:

        def configure_ddp() -> None:
            make_optimizers(trainer)  # which parameters they hold decides how the module is wrapped
            if is_joined(strategy):
                # the Trainer wraps the module in the place of a script, which said all that its wrapper is to do
                leave_alone(trainer.lightning_module, strategy.optimizers)
                return wrap()
            if not any(name in arguments for name in _TOLD):
                strategy._ddp_kwargs["find_unused_parameters"] = _may_leave_out(strategy, trainer.lightning_module)
            for handle in _synchronise_frozen(trainer.lightning_module, strategy.world_size):
                handles.callback(handle.remove)
            wrap()

        strategy.__dict__.update(configure_ddp=configure_ddp, setup_optimizers=_made_before)
        try:
            yield
        finally:
            strategy._ddp_kwargs = arguments
            del strategy.__dict__["configure_ddp"], strategy.__dict__["setup_optimizers"]


def _made_before(_: Any) -> None:
    """The optimizers are there."""


def _may_leave_out(strategy: Any, module: Any) -> bool:
    """Whether a backward pass may give some parameter no gradient.

    So it is where a step runs several of them, each for a part of the module, and where a part is held by no optimizer
    (a target network, say). Looking for them costs a walk through the graph in each step; gradients that such a part
    does get are synchronised all the same, since a hook of the module may use them.
    """
    if not module.automatic_optimization:
        return True
    groups = [group for optimizer in strategy.optimizers for group in optimizer.param_groups]
    held = {id(parameter) for group in groups for parameter in group["params"]}
    return any(parameter.requires_grad and id(parameter) not in held for parameter in module.parameters())


def _synchronise_frozen(module: nn.Module, world: int) -> list[RemovableHandle]:
    """Average the gradients of parameters that are frozen now, should they get any: DDP will not know them."""

    @torch.no_grad()
    def average(parameter: torch.Tensor) -> None:
        assert parameter.grad is not None
        dist.all_reduce(parameter.grad.div_(world))

    handles = []
    for parameter in module.parameters():
        if not parameter.requires_grad and parameter.dtype.is_floating_point:
            parameter.requires_grad_(True)  # torch takes such a hook for no other parameter, but keeps it
            handles.append(parameter.register_post_accumulate_grad_hook(average))
            parameter.requires_grad_(False)
    return handles
