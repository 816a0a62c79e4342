"""The same comparison under several seeds."""

from __future__ import annotations

from dataclasses import replace

from refactorer.verify.judge import Case, judge
from refactorer.verify.measured import SeedResult
from refactorer.verify.verdict import EQUIVALENT, RunSummary, Verdict


def judge_seeds(case: Case, first: Verdict, seeds: int) -> Verdict:
    """The verdict over all seeds: that of the first one where the versions are not equivalent.

    Each further seed is the one before plus one, for the generators that start seeded and for every seed that the
    script sets itself.
    """
    if seeds == 1 or first.original is None or first.converted is None:
        return first
    found = [first]
    for number in range(1, seeds):
        if found[-1].outcome != EQUIVALENT:
            break
        found.append(judge(case.with_seed(number)))
    results = tuple(_result(verdict) for verdict in found)
    last = found[-1]
    if last.outcome != EQUIVALENT:
        return replace(last, message=f"with seed {last.seed}, {last.message}", seeds=results)
    notes = first.notes
    if len({verdict.original.losses for verdict in found if verdict.original}) == 1:
        notes = (*notes, "the seed makes no difference to this script: all seeds trained the same")
    return replace(first, message=f"{first.message}, with each of {seeds} seeds", seeds=results, notes=notes)


def _result(verdict: Verdict) -> SeedResult:
    steps = verdict.original.steps if verdict.original else 0
    losses = (_last(verdict.original), _last(verdict.converted))
    return SeedResult(verdict.seed, verdict.outcome, verdict.message, steps, *losses)


def _last(run: RunSummary | None) -> float | None:
    return run.losses[-1] if run and run.losses else None
