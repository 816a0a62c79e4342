"""The four possible outcomes of a conversion, as values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Union

from refactorer.diagnostics import Diagnostic


@dataclass(frozen=True)
class Converted:
    """The file has a training loop and `after` is its structured form; the diagnostics are notes."""

    status: ClassVar[str] = "converted"
    path: str
    before: str
    after: str
    diagnostics: tuple[Diagnostic, ...] = ()


@dataclass(frozen=True)
class Unchanged:
    """There is nothing to convert."""

    status: ClassVar[str] = "unchanged"
    path: str
    diagnostics: tuple[Diagnostic, ...] = ()


@dataclass(frozen=True)
class Refused:
    """There is a training loop that cannot be converted soundly; the diagnostics say where and why."""

    status: ClassVar[str] = "refused"
    path: str
    diagnostics: tuple[Diagnostic, ...]


@dataclass(frozen=True)
class Failed:
    """The file could not be read or parsed, or the tool met an error of its own."""

    status: ClassVar[str] = "error"
    path: str
    diagnostics: tuple[Diagnostic, ...]


Result = Union[Converted, Unchanged, Refused, Failed]
