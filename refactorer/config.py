"""The names and numbers that the command line promises: version, choices, exit statuses, environment variables."""

from __future__ import annotations

import os
from collections.abc import Iterable
from enum import IntEnum

VERSION = "0.1.0"
TARGETS = ("runtime", "lightning")
IDIOMS = {
    "N101": "automatic optimization: the Trainer calls zero_grad, backward and step",
    "N102": "an evaluation in the validation hooks",
    "N105": "the Trainer moves batches and models to the device",
    "N106": "configure_optimizers makes optimizers and schedulers, and the Trainer steps schedulers",
    "N107": "the Trainer wraps the model for several processes",
    "N111": "accumulation: the Trainer counts the batches for each step of the optimizer",
    "N112": "mixed precision: the Trainer scales losses and gradients",
    "N113": "the Trainer draws the progress bars",
}
"""What makes a conversion nicer than literal, by the code of the note that says why it was not possible."""
FORMATS = ("text", "json", "sarif", "github")

STDIN = "-"
STDIN_NAME = "<stdin>"

DEBUG_VARIABLE = "REFACTORER_DEBUG"
TRAINER_VARIABLE = "REFACTORER_TRAINER"


class ExitStatus(IntEnum):
    """What the process says to the shell."""

    DONE = 0
    DIFFERENT = 1
    """`convert --check` found something to convert, or `verify` found a difference."""
    FAILED = 2
    """Bad usage, an input that cannot be read or parsed, or an internal error."""
    REFUSED = 3
    """At least one file cannot be converted soundly; the others were processed."""
    INTERRUPTED = 130
    """Ctrl-C."""


_PRECEDENCE = (ExitStatus.FAILED, ExitStatus.REFUSED, ExitStatus.DIFFERENT)


def worst(statuses: Iterable[ExitStatus]) -> ExitStatus:
    """The one status that stands for several: failed before refused before different before done."""
    seen = set(statuses)
    return next((status for status in _PRECEDENCE if status in seen), ExitStatus.DONE)


def debugging() -> bool:
    """True when internal errors should show their traceback."""
    return os.environ.get(DEBUG_VARIABLE, "") not in ("", "0")
