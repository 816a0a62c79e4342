"""A Trainer that trains exactly as the hand-written loop did.

``Trainer`` is a :class:`pytorch_lightning.Trainer` and ``Module`` a :class:`pytorch_lightning.LightningModule`.
Strategies, precision plugins, callbacks, loggers and checkpoints are Lightning's; the loops and the defaults are
this package's: nothing is printed, written or drawn at random that the script did not ask for.
"""

from __future__ import annotations

import random
import sys

from runtime.imports import past_the_scripts
from runtime.rich_modules import hide

_state = random.getstate()  # importing Lightning draws from this generator

_before = set(sys.modules)

with past_the_scripts():
    from runtime.console import ConsoleLogger
    from runtime.gradient_norms import GradientNorms
    from runtime.history import History
    from runtime.metrics import FunctionMetric
    from runtime.module import Module
    from runtime.nonfinite import NonFiniteLoss
    from runtime.requeue import Requeue
    from runtime.script_time import ScriptTime
    from runtime.settings import SettingsError
    from runtime.system_information import SystemInformation, system_information
    from runtime.tensorboard import LossCurves, ParameterHistograms
    from runtime.trainer import Trainer

random.setstate(_state)
hide(_before)
del hide, random, sys, past_the_scripts, _state, _before

__all__ = [
    "ConsoleLogger",
    "FunctionMetric",
    "GradientNorms",
    "History",
    "LossCurves",
    "Module",
    "NonFiniteLoss",
    "ParameterHistograms",
    "Requeue",
    "ScriptTime",
    "SettingsError",
    "SystemInformation",
    "Trainer",
    "system_information",
]
