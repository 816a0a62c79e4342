"""Converts hand-written PyTorch training scripts into structured modules, and proves that they train the same.

`convert` and `analyze` work on text and never import torch; `verify` trains both versions in subprocesses.
"""

from __future__ import annotations

from typing import Any

from refactorer.config import VERSION as __version__
from refactorer.diagnostics import Diagnostic, Severity
from refactorer.result import Converted, Failed, Refused, Result, Unchanged

__all__ = [
    "Converted", "Diagnostic", "Failed", "Refused", "Result", "Severity", "Unchanged",
    "__version__", "analyze", "convert", "verify",
]  # fmt: skip


def convert(text: str, *, path: str = "<string>", target: str = "runtime") -> Result:
    """Converts the text of one script; see `refactorer.converter.convert_text`."""
    from refactorer.converter import convert_text

    return convert_text(text, path=path, target=target)


def analyze(text: str, *, path: str = "<string>") -> Any:
    """What the converter sees in a script; see `refactorer.converter.analyze_text`."""
    from refactorer.converter import analyze_text

    return analyze_text(text, path=path)


def verify(*args: Any, **kwargs: Any) -> Any:
    """Trains a script and its conversion and compares them; see `refactorer.verify.verify`."""
    from refactorer.verify import verify as run

    return run(*args, **kwargs)
