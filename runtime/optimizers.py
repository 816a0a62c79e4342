"""Optimizers that are not quite torch's: wrappers of the script's own, and steps that take no closure."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from torch.optim import Optimizer


class ScriptsOptimizer:
    """Whatever a script clears and steps like an optimizer, with all that Lightning asks of one.

    ``zero_grad()`` and ``step()`` are called as the script calls them, the latter without arguments; anything else is
    looked up in the object itself.
    """

    def __init__(self, optimizer: Any) -> None:
        self.scripts = optimizer

    @property
    def param_groups(self) -> Any:
        """Those of the object, if it has any."""
        return getattr(self.scripts, "param_groups", [])

    @property
    def defaults(self) -> Any:
        """Those of the object, if it has any."""
        return getattr(self.scripts, "defaults", {})

    @property
    def state(self) -> Any:
        """That of an optimizer of torch, whose tensors Lightning moves to the device; of anything else, nothing."""
        return self.scripts.state if isinstance(self.scripts, Optimizer) else {}

    def state_dict(self) -> Any:
        """Return the state that checkpoints keep; empty if the object has none."""
        return self.scripts.state_dict() if hasattr(self.scripts, "state_dict") else {}

    def load_state_dict(self, state: Any) -> None:
        """Restore what :meth:`state_dict` returned."""
        if hasattr(self.scripts, "load_state_dict"):
            self.scripts.load_state_dict(state)

    def zero_grad(self, *args: Any, **kwargs: Any) -> None:
        """Clear the gradients as the script does."""
        self.scripts.zero_grad(*args, **kwargs)

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Compute the gradients first where Lightning's own loop leaves that to the optimizer, then step."""
        loss = closure() if closure is not None else None
        self.scripts.step()
        return loss

    def __eq__(self, other: object) -> bool:
        """Schedulers know the object itself."""
        return other is self or other is self.scripts

    def __hash__(self) -> int:
        return hash(id(self.scripts))

    def __getattr__(self, name: str) -> Any:
        if name == "scripts":
            raise AttributeError(name)
        return getattr(self.scripts, name)


def fitted(configured: Any, closure: bool) -> Any:
    """Return what ``configure_optimizers`` returned with a :class:`ScriptsOptimizer` where Lightning needs one.

    Args:
        configured: An optimizer, a list of them, or a list of them and one of schedulers; anything else is left alone.
        closure: Whether an optimizer that needs a closure gets one, and None means that nothing is optimized.
    """
    if isinstance(configured, (list, tuple)):
        if len(configured) == 2 and isinstance(configured[0], list):
            return [_fit(optimizer, closure) for optimizer in configured[0]], configured[1]
        return [_fit(optimizer, closure) for optimizer in configured]
    return _fit(configured, closure)


def _fit(optimizer: Any, closure: bool) -> Any:
    if isinstance(optimizer, (dict, list, tuple, ScriptsOptimizer)) or (optimizer is None and closure):
        return optimizer
    known = isinstance(optimizer, Optimizer) and _takes_closure(type(optimizer).step, needed=closure)
    return optimizer if known else ScriptsOptimizer(optimizer)


def _takes_closure(step: Any, needed: bool) -> bool:
    """Whether ``step`` takes a closure; one that cannot do without counts only if it may be ``needed``."""
    parameters = inspect.signature(step).parameters
    if "closure" in parameters:
        return needed or parameters["closure"].default is not inspect.Parameter.empty
    return any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters.values())
