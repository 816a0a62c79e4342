"""Trains a script before and after conversion and says, with evidence, whether both train the same."""

from __future__ import annotations

import sys
import types
from typing import Any

from refactorer.verify.check import verify
from refactorer.verify.verdict import Channel, Divergence, RunSummary, Verdict, exit_status

__all__ = ["Channel", "Divergence", "RunSummary", "Verdict", "exit_status", "verify"]


class _Package(types.ModuleType):
    """Lets `refactorer.verify(...)` be called: importing a submodule binds this package to the name of the function."""

    def __call__(self, *args: Any, **kwargs: Any) -> Verdict:
        return verify(*args, **kwargs)


sys.modules[__name__].__class__ = _Package
