"""Why a function is not taken in."""

from __future__ import annotations

from refactorer.project.modules import Function


class Stays(Exception):
    """A function of another file that cannot be taken in; `reason` says why, in words that follow "because"."""

    def __init__(self, function: Function, reason: str) -> None:
        super().__init__(reason)
        self.function, self.reason = function, reason
