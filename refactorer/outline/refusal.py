"""The way out of a conversion that cannot be proven sound."""

from __future__ import annotations

import libcst as cst


class Refusal(Exception):
    """Raised inside the converter only; `convert_text` turns it into a `Refused` value.

    `node` is the place in the original tree that the diagnostic points at.
    """

    def __init__(self, code: str, node: cst.CSTNode | None, message: str, hint: str) -> None:
        super().__init__(message)
        self.code, self.node, self.message, self.hint = code, node, message, hint


class PlainerView(Refusal):
    """A view of a training cannot be taken, but a plainer one of the same training can: never the last word."""

    def __init__(self, node: cst.CSTNode | None, message: str) -> None:
        super().__init__("N103", node, message, "nothing to do; the plainer structure trains the same")


class Split(PlainerView):
    """A step cannot be divided among hooks, but it can stand in one: never the last word."""


class LeftOver(PlainerView):
    """A copy of a function that evaluates was of no use; `reasons` are the notes that say why, by that function."""

    def __init__(self, reasons: list[tuple[str, str]]) -> None:
        super().__init__(None, "a copy of a function that evaluates is left over")
        self.reasons = reasons
