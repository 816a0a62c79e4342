"""``pytorch_lightning.Trainer``."""

from __future__ import annotations

import pytorch_lightning as pl
from torch import nn

from benchmarks.overhead.cases import SETTINGS as ALL
from benchmarks.overhead.cases import Case
from benchmarks.overhead.ways import trainers

LABEL = "pytorch_lightning.Trainer"
SETTINGS = frozenset(ALL)
_MODULES = trainers.modules(pl.LightningModule)


def train(case: Case) -> tuple[float, nn.Module]:
    """One epoch."""
    return trainers.train(case, pl.Trainer, _MODULES)
