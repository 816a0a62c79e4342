"""``trainer.tune``: what ``auto_lr_find`` and ``auto_scale_batch_size`` once ran."""

from __future__ import annotations

from typing import Any

from lightning_utilities.core.rank_zero import rank_zero_warn
from pytorch_lightning.callbacks import BatchSizeFinder, LearningRateFinder
from pytorch_lightning.tuner.tuning import Tuner


def tune(trainer: Any, model: Any, **data: Any) -> dict[str, Any]:
    """Run the finders among the callbacks now, and take them out, so that ``fit`` does not run them again.

    Returns:
        What they found: ``lr_find`` (with ``suggestion()`` and ``plot()``) and ``scale_batch_size``, as far as asked.
    """
    rank_zero_warn(
        "Trainer.tune is an old spelling: the callbacks LearningRateFinder and BatchSizeFinder run when fit begins,"
        " or use pytorch_lightning.tuner.Tuner(trainer).lr_find(model).",
        category=FutureWarning,
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
