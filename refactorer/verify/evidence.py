"""What is known about a divergence: the two runs, side by side, up to where they part."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import zip_longest
from typing import Any, TypeVar

from refactorer.verify import channels as ch
from refactorer.verify.execute import Run
from refactorer.verify.trace import Batch, Call, Forward, Mark, Trace, Value, same_random
from refactorer.verify.verdict import Channel, Divergence

Item = TypeVar("Item")
Pair = tuple["Item | None", "Item | None"]


def first_pair(one: Sequence[Item], two: Sequence[Item], key: Callable[[Item], object]) -> Pair[Item] | None:
    """The first items of two sequences that differ in a key; None stands for the one that is missing."""
    for a, b in zip_longest(one, two):
        if a is None or b is None or key(a) != key(b):
            return a, b
    return None


@dataclass(frozen=True)
class Found:
    """What a rule found: the text, and something with a `place` in each version, None for where it is missing."""

    text: str
    original: Any = None
    converted: Any = None


@dataclass(frozen=True)
class Evidence:
    """The first divergence with all that may explain it."""

    first: Divergence
    original: Run
    converted: Run
    channels: tuple[Channel, ...] = ()

    @property
    def traces(self) -> tuple[Trace, Trace]:
        """What both runs recorded."""
        return self.original.trace, self.converted.trace

    @property
    def whole(self) -> bool:
        """Whether both versions have a value there, and they differ."""
        return self.first.original is not None and self.first.converted is not None

    def early(self, name: str) -> Divergence | None:
        """The first divergence of another channel, if it is no later than the first of all."""
        found = next((channel.first for channel in self.channels if channel.name == name), None)
        if found is None:
            return None
        late = found.channel in ch.LATE and self.first.channel not in ch.LATE
        return found if found.step + late <= self.first.step else None

    @property
    def losses(self) -> tuple[Value, Value] | None:
        """The two losses that differ, when the divergence is between two losses."""
        one, two = (trace.losses for trace in self.traces)
        index = self.first.index
        if self.first.channel != ch.LOSSES or index >= len(one) or index >= len(two):
            return None
        return one[index], two[index]

    @property
    def values(self) -> tuple[float, float] | None:
        """The numbers of those losses."""
        return (self.losses[0].value, self.losses[1].value) if self.losses else None

    @property
    def random_equal(self) -> bool:
        """Whether both versions had drawn the same random numbers when the differing loss was made."""
        return bool(self.losses and same_random(self.losses[0].random, self.losses[1].random))

    def until(self, items: Sequence[Item], late: bool = True) -> list[Item]:
        """The items up to the step that differs; those that come before it, with `late`."""
        # At the end there is no step to come, so that all is counted.
        end = self.first.step - (late and self.first.channel not in ch.LATE)
        return [item for item in items if item.step <= end]  # type: ignore[attr-defined]

    @cached_property
    def batch(self) -> Pair[Batch] | None:
        """The first batches that differ, of those that may have led to the divergence."""
        one, two = (self.until(trace.batches) for trace in self.traces)
        return first_pair(one, two, lambda batch: batch.checksum)

    @cached_property
    def forward(self) -> Pair[Forward] | None:
        """The first outputs of modules that differ."""
        one, two = (self.until(trace.forwards) for trace in self.traces)
        return first_pair(one, two, lambda forward: (forward.module, forward.checksum))

    @cached_property
    def loader(self) -> Pair[Mark] | None:
        """The first iterations of loaders that happen at other steps or over another number of batches."""
        one, two = (self.until(trace.loaders) for trace in self.traces)
        return first_pair(one, two, lambda mark: (mark.step, mark.amount))

    def call(self, kind: str) -> Pair[Call] | None:
        """The first calls of a kind that differ in their step or in what they were called with."""
        one, two = (self.until(trace.called(kind)) for trace in self.traces)
        return first_pair(one, two, lambda call: (call.step, call.detail))

    def last(self, kind: str) -> Pair[Call]:
        """The last call of a kind in each version before the divergence."""
        one, two = (self.until(trace.called(kind)) for trace in self.traces)
        return (one[-1] if one else None), (two[-1] if two else None)
