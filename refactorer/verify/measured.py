"""What a verification tells beside the comparison of two runs: other seeds, statistics, tolerances, the environment."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class SeedResult:
    """The comparison under one seed: its outcome, the message, and the last loss of each version."""

    seed: int
    outcome: str
    message: str
    steps: int
    original_loss: float | None
    converted_loss: float | None


@dataclass(frozen=True)
class Part:
    """One part of the loss curve over several runs of each version: means, standard deviations, Welch's t.

    `steps` are the first and the last loss of the part, from 1. `noticed` is the smallest difference of the means that
    would have been found.
    """

    steps: tuple[int, int]
    original_mean: float
    original_deviation: float
    converted_mean: float
    converted_deviation: float
    t: float
    limit: float
    noticed: float

    @property
    def agrees(self) -> bool:
        """Whether the means differ by no more than the spread of the runs explains."""
        return abs(self.t) <= self.limit


@dataclass(frozen=True)
class Tolerances:
    """Where the allowed difference of each loss comes from, in words, and the allowed differences themselves."""

    derived: str
    allowed: tuple[float, ...]


@dataclass(frozen=True)
class Flag:
    """A setting of the runs that decides whether they can repeat themselves, and its value."""

    name: str
    value: str
