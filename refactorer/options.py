"""How a file is to be converted."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from refactorer.config import IDIOMS, TARGETS

_PLAINER = (frozenset({"N106"}), frozenset({"N102", "N106"}), frozenset({"N101", "N102", "N106"}))


def _knows_nothing(name: str) -> bool:
    return False


@dataclass(frozen=True)
class Options:
    """What a conversion is for, and the idioms (by code) that it leaves out.

    `default_types` says that the files around the script are known to leave torch's default types as they are.
    `is_network` is asked whether a class of another file, by the name that the script imports it by, is surely one of
    networks.
    `remedies` are for Lightning's Trainer: "loader" has it fetch each batch only when it is wanted, as a loop does,
    "lists" hands it each one in a list, "batches" has it hand on each one as it is, and "gradients" has it clear none
    on its own account.
    """

    target: str = "runtime"
    skipped: frozenset[str] = frozenset()
    default_types: bool = False
    is_network: Callable[[str], bool] = _knows_nothing
    remedies: frozenset[str] = frozenset()

    def applies(self, code: str) -> bool:
        """Whether an idiom may be applied."""
        return code not in self.skipped

    def forms(self) -> Iterator[Options]:
        """What to try in turn until nothing is in the way: Lightning's loops allow some idioms in few scripts only."""
        yield self
        for left_out in _PLAINER if self.target == "lightning" else ():
            if not left_out <= self.skipped:
                yield replace(self, skipped=self.skipped | left_out)


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
