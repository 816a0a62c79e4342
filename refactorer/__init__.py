"""Converts hand-written PyTorch training scripts into structured modules, and proves that they train the same.

`convert` and `analyze` work on text and never import torch; `verify` trains both versions in subprocesses.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from refactorer.config import VERSION as __version__
from refactorer.diagnostics import Diagnostic, Severity
from refactorer.result import Converted, Failed, Refused, Result, Unchanged

__all__ = [
    "Converted", "Diagnostic", "Failed", "Refused", "Result", "Severity", "Unchanged",
    "__version__", "analyze", "convert", "verify",
]  # fmt: skip


def convert(
    text: str,
    *,
    path: str = "<string>",
    target: str = "runtime",
    only: Iterable[str] = (),
    skip: Iterable[str] = (),
) -> Result:
    """Converts the text of one script to a `target`, "runtime" or "lightning"; never raises for bad input.

    Only the text is looked at: `refactorer.project.convert_file` also knows the files that it imports.

    `only` and `skip` are codes of idioms, as `refactorer.config.IDIOMS` lists them: what makes a conversion nicer than
    literal. Without an idiom the literal form stays, which trains the same.

    Raises:
        ValueError: there is no such target or idiom.
    """
    from refactorer.converter import convert_text
    from refactorer.options import choose

    return convert_text(text, path=path, options=choose(target, only, skip))


def analyze(text: str, *, path: str = "<string>") -> Any:
    """What the converter sees in a script; see `refactorer.converter.analyze_text`."""
    from refactorer.converter import analyze_text

    return analyze_text(text, path=path)


def verify(*args: Any, **kwargs: Any) -> Any:
    """Trains a script and its conversion and compares them; see `refactorer.verify.verify`."""
    from refactorer.verify import verify as run

    return run(*args, **kwargs)
