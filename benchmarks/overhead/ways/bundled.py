"""``runtime.Trainer``."""

from __future__ import annotations

from torch import nn

import runtime
from benchmarks.overhead.cases import SETTINGS as ALL
from benchmarks.overhead.cases import Case
from benchmarks.overhead.ways import trainers

LABEL = "runtime.Trainer"
SETTINGS = frozenset(ALL)
_MODULES = trainers.modules(runtime.Module)


def train(case: Case) -> tuple[float, nn.Module]:
    """One epoch."""
    return trainers.train(case, runtime.Trainer, _MODULES)
