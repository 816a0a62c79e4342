"""Parameters that a backward pass leaves out, on several processes."""

from __future__ import annotations

from typing import Any

from pytorch_lightning.strategies import DDPStrategy


def look_for_unused(strategy: Any, module: Any) -> None:
    """Have DDP look for the parameters that each backward pass leaves out, where the step runs more than one.

    A network that only one of several losses trains would otherwise keep the processes waiting for its gradients. A
    strategy that was told whether to look is left alone.
    """
    if isinstance(strategy, DDPStrategy) and not module.automatic_optimization:
        strategy._ddp_kwargs.setdefault("find_unused_parameters", True)
