"""Keeps Lightning's remarks about itself out of the script's output."""

from __future__ import annotations

import logging
import warnings

_LOGGERS = (
    "pytorch_lightning.utilities.rank_zero",
    "pytorch_lightning.accelerators.cuda",
    "lightning_fabric.utilities.rank_zero",
    "lightning_fabric.utilities.distributed",
)

#: Beginnings of the information lines that Lightning logs on its own account.
_REMARKS = (
    "GPU available:",
    "TPU available:",
    "HPU available:",
    "💡 Tip:",
    "`Trainer.fit` stopped:",
    "Initializing distributed:",
    "----------------------------------------------------------------------------------------------------\ndistributed",
    "\nDetected KeyboardInterrupt",
    "LOCAL_RANK:",
    "Your model can run with static graph optimizations.",
    "Loading `train_dataloader` to estimate",
)

#: Beginnings of the warnings that would appear for a script that did nothing unusual.
_WARNINGS = (
    "GPU available but not used",
    "TPU available but not used",
    "You defined a `validation_step` but have no `val_dataloader`",
    "`LightningModule.configure_optimizers` returned `None`",
    "You passed in a `val_dataloader` but have no `validation_step`",
    r"Found \d+ module\(s\) in eval mode at the start of training",
    "The '.*' does not have many workers",
)

#: Beginnings of what torch has to say to Lightning about its own code.
_BETWEEN_LIBRARIES = (r"`isinstance\(treespec, LeafSpec\)` is deprecated",)


class _DropRemarks(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        """Keep everything but Lightning's remarks about itself."""
        return record.levelno != logging.INFO or not record.getMessage().startswith(_REMARKS)


def install() -> None:
    """Silence the remarks, once per process. Loggers' levels and handlers stay the script's."""
    remarks = _DropRemarks()
    for name in _LOGGERS:
        logging.getLogger(name).addFilter(remarks)
    for beginning in _WARNINGS:
        warnings.filterwarnings("ignore", message=beginning, category=UserWarning)
    for beginning in _BETWEEN_LIBRARIES:
        warnings.filterwarnings("ignore", message=beginning, category=FutureWarning)
