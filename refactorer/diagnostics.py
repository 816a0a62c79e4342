"""What the tool has to say about a file: a stable code, a place, a reason and a way forward.

Codes are stable. Their first letter tells the kind: `R` a refusal, `N` a note, `E` an error.
Each code has a page in `refactorer/explain/CODE.md`, which `refactorer explain CODE` shows.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Severity(str, Enum):
    ERROR = "error"
    REFUSAL = "refusal"
    NOTE = "note"


_SEVERITY = {"E": Severity.ERROR, "R": Severity.REFUSAL, "N": Severity.NOTE}


@dataclass(frozen=True)
class Diagnostic:
    """One message about one place.

    `line` is 1-based and `column` is 1-based, in characters; both are 0 when the message is about the whole file.
    `hint` says what the user can do.
    """

    code: str
    message: str
    hint: str = ""
    path: str = "<string>"
    line: int = 0
    column: int = 0

    @property
    def severity(self) -> Severity:
        return _SEVERITY[self.code[0]]

    @property
    def place(self) -> str:
        return f"{self.path}:{self.line}:{self.column}" if self.line else self.path

    def __str__(self) -> str:
        hint = f" ({self.hint})" if self.hint else ""
        return f"{self.place}: {self.code} {self.message}{hint}"
