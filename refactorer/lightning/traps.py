"""A difference between Lightning's Trainer and a loop, with what looks for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import libcst as cst

from refactorer.lightning.plan import Plan
from refactorer.outline.refusal import Refusal

CODE = "R501"
HINT = "use --target runtime"


@dataclass(frozen=True)
class Found:
    """Where a trap may bite, and what in the script makes it do so."""

    node: cst.CSTNode | None
    reason: str


@dataclass(frozen=True)
class Trap:
    """One difference: a name, what Lightning does, and a function that says where a training may notice."""

    name: str
    lightning: str
    find: Callable[[Plan], Found | None]

    def refusal(self, found: Found) -> Refusal:
        """The refusal of a training that the trap may bite."""
        return Refusal(CODE, found.node, f"{self.name}: {found.reason}, but {self.lightning}", HINT)
