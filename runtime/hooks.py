"""Which hooks are really there: an empty hook that Lightning would call hundreds of times is never called."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Checkpoint, EarlyStopping
from pytorch_lightning.strategies import Strategy
from pytorch_lightning.utilities.model_helpers import is_overridden

Hook = Callable[..., Any]

_WATCHING = (EarlyStopping, Checkpoint)


def resolve(
    trainer: Any, name: str, *, watching: bool | None = None, instead: Mapping[int, Hook] | None = None
) -> Hook | None:
    """Return one function that calls the hook on the callbacks, the module and the strategy, or None for no hook.

    The function returns what the module's hook returns. While it runs, ``self.log`` knows the name of the hook.

    Args:
        watching: True for only the callbacks that watch a logged metric, False for all the others and the module.
        instead: Functions to call instead of the hook of a callback, by the ``id`` of the callback.
    """
    module = trainer.lightning_module
    callbacks = [callback for callback in trainer.callbacks if watching in (None, isinstance(callback, _WATCHING))]
    present = [callback for callback in callbacks if is_overridden(name, callback, parent=pl.Callback)]
    calls = [(instead or {}).get(id(callback)) or getattr(callback, name) for callback in present]
    own = None if watching else module_hook(module, name)
    inner = None if watching else _strategy_hook(trainer.strategy, name)
    if not calls and own is None and inner is None:
        return None
    state = module.__dict__

    def call(*args: Any) -> Any:
        before = state.get("_current_fx_name")
        state["_current_fx_name"] = name
        for function in calls:
            function(trainer, module, *args)
        result = own(*args) if own is not None else None
        if inner is not None:
            inner(*args)
        state["_current_fx_name"] = before
        return result

    return call


def module_hook(module: pl.LightningModule, name: str) -> Hook | None:
    """The module's hook, or None where it is Lightning's empty one."""
    return getattr(module, name) if is_overridden(name, module) else None


def named(module: pl.LightningModule, name: str, function: Hook) -> Hook:
    """Return ``function`` such that ``self.log`` knows it as ``name`` while it runs."""
    state = module.__dict__

    def call(*args: Any, **kwargs: Any) -> Any:
        before = state.get("_current_fx_name")
        state["_current_fx_name"] = name
        result = function(*args, **kwargs)
        state["_current_fx_name"] = before
        return result

    return call


def _strategy_hook(strategy: Strategy, name: str) -> Hook | None:
    base = getattr(Strategy, name, None)
    return None if getattr(type(strategy), name, None) is base else getattr(strategy, name)
