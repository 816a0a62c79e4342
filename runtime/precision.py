"""The script's own mixed precision: its GradScaler under automatic optimization, its autocast where it stands."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.plugins.precision import Precision
from torch import Tensor

from runtime import hooks
from runtime.optimizers import ScriptsOptimizer


class ScriptsPrecision(Precision):
    """Scales losses and steps with the scaler that the script made; its steps say themselves where they autocast.

    Gradients are unscaled in front of the step where a hook or clipping looks at them; else the scaler does it.
    """

    def __init__(self, scaler: torch.amp.GradScaler) -> None:
        self.scaler = scaler

    def pre_backward(self, tensor: Tensor, module: pl.LightningModule) -> Any:  # type: ignore[override]
        """Scale the loss."""
        scaled: Tensor = self.scaler.scale(tensor)
        return super().pre_backward(scaled, module)

    def optimizer_step(  # type: ignore[override]
        self, optimizer: Any, model: pl.LightningModule, closure: Callable[[], Any], **kwargs: Any
    ) -> Any:
        """Step unless gradients are infinite or NaN, and update the scale."""
        loss = closure()
        if loss is None and model.automatic_optimization:
            return None
        scripts = optimizer.scripts if isinstance(optimizer, ScriptsOptimizer) else optimizer
        if _is_watched(model.trainer):
            self.scaler.unscale_(scripts)
        self._after_closure(model, optimizer)
        result = self.scaler.step(scripts, **kwargs)
        self.scaler.update()
        return result

    def state_dict(self) -> dict[str, Any]:
        """The scaler's, for Lightning's checkpoints."""
        return self.scaler.state_dict()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the scaler."""
        self.scaler.load_state_dict(state_dict)


def _is_watched(trainer: Any) -> bool:
    """Whether anything looks at the gradients, or changes them, in front of the step."""
    module = trainer.lightning_module
    clips = trainer.gradient_clip_val is not None or hooks.module_hook(module, "configure_gradient_clipping")
    return bool(clips) or hooks.resolve(trainer, "on_before_optimizer_step") is not None


def override_autocast(precision: Precision) -> None:
    """Have a precision that was asked for from outside take the place of the autocast that a step begins with itself.

    Regions inside it, such as one of the model's that switches autocast off, keep their meaning.
    """
    kind = type(precision)

    @contextmanager
    def forward_context(self: Precision) -> Iterator[None]:
        with kind.forward_context(self), _outermost_left_out():
            yield

    # a class and not an attribute: what a precision adds to a step is looked up in its class
    precision.__class__ = type(kind.__name__, (kind,), {"forward_context": forward_context})


@contextmanager
def _outermost_left_out() -> Iterator[None]:
    """While this runs, entering an autocast region does nothing unless it is inside another one."""
    kind = torch.amp.autocast_mode.autocast
    enter, leave = kind.__enter__, kind.__exit__
    depth = 0

    @wraps(enter)
    def entering(self: Any) -> Any:
        nonlocal depth
        depth += 1
        return enter(self) if depth > 1 else self

    @wraps(leave)
    def leaving(self: Any, *exception: Any) -> Any:
        nonlocal depth
        depth -= 1
        return leave(self, *exception) if depth > 0 else None

    kind.__enter__, kind.__exit__ = entering, leaving  # type: ignore[method-assign]
    try:
        yield
    finally:
        kind.__enter__, kind.__exit__ = enter, leave  # type: ignore[method-assign]
