"""A Trainer that trains exactly as the hand-written loop did.

``Trainer`` is a :class:`pytorch_lightning.Trainer` and ``Module`` a :class:`pytorch_lightning.LightningModule`.
Strategies, precision plugins, callbacks, loggers and checkpoints are Lightning's; the loops and the defaults are
this package's: nothing is printed, written or drawn at random that the script did not ask for.
"""

from __future__ import annotations

import random

from runtime.imports import past_the_scripts

_state = random.getstate()  # importing Lightning draws from this generator

with past_the_scripts():
    from runtime.module import Module
    from runtime.settings import SettingsError
    from runtime.trainer import Trainer

random.setstate(_state)
del random, _state, past_the_scripts

__all__ = ["Module", "SettingsError", "Trainer"]
