"""How a file is to be converted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from refactorer.config import IDIOMS, TARGETS

_PLAINER = (frozenset({"N106"}), frozenset({"N102", "N106"}), frozenset({"N101", "N102", "N106"}))


@dataclass(frozen=True)
class Options:
    """What a conversion is for, and the idioms (by code) that it leaves out.

    `remedies` are for Lightning's Trainer: "loader" has it fetch each batch only when it is wanted, as a loop does, and
    "gradients" has it clear none on its own account.
    """

    target: str = "runtime"
    skipped: frozenset[str] = frozenset()
    remedies: frozenset[str] = frozenset()

    def applies(self, code: str) -> bool:
        """Whether an idiom may be applied."""
        return code not in self.skipped

    def forms(self) -> Iterator[Options]:
        """What to try in turn until nothing is in the way: Lightning's loops allow some idioms in few scripts only."""
        yield self
        for left_out in _PLAINER if self.target == "lightning" else ():
            if not left_out <= self.skipped:
                yield Options(self.target, self.skipped | left_out)


def choose(target: str = "runtime", only: Iterable[str] = (), skip: Iterable[str] = ()) -> Options:
    """Options from what a user asks for: `only` these idioms, if any are named, and none of `skip`.

    Raises:
        ValueError: there is no such target or idiom.
    """
    only, skip = set(only), set(skip)
    unknown = sorted((only | skip) - IDIOMS.keys())
    if unknown:
        raise ValueError(f"there is no idiom {', '.join(unknown)}; there are {', '.join(IDIOMS)}")
    if target not in TARGETS:
        raise ValueError(f"there is no target {target}; there are {', '.join(TARGETS)}")
    left_out = IDIOMS.keys() - only if only else set()
    return Options(target, frozenset(left_out | skip))
