"""Knows what a loss was before a GradScaler multiplied it, and which steps of an optimizer a scaler left out."""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable
from typing import Any


class Scaling:
    """The scaled losses that still exist, each with the loss that it was made from."""

    def __init__(self) -> None:
        self.known: dict[int, tuple[weakref.ref[Any], Any]] = {}

    def unscaled(self, tensor: Any) -> Any:
        """The loss that a scaled one was made from; None for any other tensor."""
        found = self.known.get(id(tensor))
        return found[1] if found is not None and found[0]() is tensor else None

    def note(self, before: Any, after: Any) -> None:
        """A scaler made `after` from `before`: tensors, or lists of them."""
        if isinstance(before, (list, tuple)) and isinstance(after, (list, tuple)):
            for one, two in zip(before, after):
                self.note(one, two)
        elif after is not before and hasattr(after, "grad_fn"):
            loss = self.unscaled(before)
            self.known = {key: pair for key, pair in self.known.items() if pair[0]() is not None}
            self.known[id(after)] = (weakref.ref(after), before.detach() if loss is None else loss)

    def watch(self, tracer: Any, torch: Any) -> None:
        """Watches scalers from their making on, also those of classes with methods of their own."""
        from torch.amp import GradScaler

        watched: set[type] = set()

        def __new__(cls: Any, *args: Any, **kwargs: Any) -> Any:
            for owner in cls.__mro__:
                if owner not in watched and issubclass(owner, GradScaler):
                    watched.add(owner)
                    for name, around in (("scale", self._scale), ("step", functools.partial(_step, tracer))):
                        if name in vars(owner):
                            setattr(owner, name, around(vars(owner)[name]))
            return object.__new__(cls)

        GradScaler.__new__ = staticmethod(__new__)  # type: ignore[method-assign]

    def _scale(self, original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def scale(scaler: Any, outputs: Any) -> Any:
            scaled = original(scaler, outputs)
            self.note(outputs, scaled)
            return scaled

        return scale


def _step(tracer: Any, original: Callable[..., Any]) -> Callable[..., Any]:
    """Records a step that a scaler left out because gradients were not finite."""

    @functools.wraps(original)
    def step(scaler: Any, optimizer: Any, *args: Any, **kwargs: Any) -> Any:
        before = tracer.steps
        with tracer.outermost("skip") as first:
            result = original(scaler, optimizer, *args, **kwargs)
        if first and tracer.steps == before:
            tracer.skipped += 1
            tracer.record("skip")
        return result

    return step
