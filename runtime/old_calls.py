"""Old ways to call the Trainer's methods, and ``trainer.tune``, which ran what ``auto_lr_find`` asked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pytorch_lightning.callbacks import BatchSizeFinder, LearningRateFinder
from pytorch_lightning.tuner.tuning import Tuner

from runtime.spellings import warn

#: Old names of the arguments of ``fit``, ``validate`` and ``test``.
_CALLS = {
    "fit": {"train_dataloader": "train_dataloaders"},
    "validate": {"val_dataloaders": "dataloaders"},
    "test": {"test_dataloaders": "dataloaders"},
}


def translate_call(method: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of a method of the Trainer under today's names, with a warning for an old one.

    Raises:
        TypeError: both names were used.
    """
    result = dict(given)
    for old, new in _CALLS[method].items():
        if old in result:
            value = result.pop(old)
            if result.get(new) is not None:
                raise TypeError(f"trainer.{method}({old}=..., {new}=...): both name the data; leave one of them out")
            warn(f"{method}({old}=...) is an old spelling: use {method}({new}=...).")
            result[new] = value
    return result


def tune(trainer: Any, model: Any, **data: Any) -> dict[str, Any]:
    """Run the finders among the callbacks now, and take them out, so that ``fit`` does not run them again.

    Returns:
        What they found: ``lr_find`` (with ``suggestion()`` and ``plot()``) and ``scale_batch_size``, as far as asked.
    """
    warn(
        "Trainer.tune is an old spelling: the callbacks LearningRateFinder and BatchSizeFinder run when fit begins,"
        " or use pytorch_lightning.tuner.Tuner(trainer).lr_find(model)."
    )
    finders = [call for call in trainer.callbacks if isinstance(call, (BatchSizeFinder, LearningRateFinder))]
    trainer.callbacks = [callback for callback in trainer.callbacks if callback not in finders]
    found: dict[str, Any] = {}
    for finder in sorted(finders, key=lambda finder: isinstance(finder, LearningRateFinder)):
        if isinstance(finder, LearningRateFinder):
            found["lr_find"] = Tuner(trainer).lr_find(model, attr_name=finder._attr_name, **data)
        else:
            found["scale_batch_size"] = Tuner(trainer).scale_batch_size(model, mode=finder._mode, **data)
    return found
