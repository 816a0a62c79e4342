"""Comparing two versions by several runs of each, where single runs cannot agree bit for bit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from refactorer.verify.bench import Bench
from refactorer.verify.execute import Run
from refactorer.verify.statistics import FALSE_ALARM, MARGIN, RUNS, compare_losses, telling
from refactorer.verify.verdict import ERROR, NOT_EQUIVALENT, SIMILAR, Verdict


def compare_by_spread(
    bench: Bench,
    content: bytes,
    title: str | None,
    report: Verdict,
    originals: Sequence[Run],
    converted: Sequence[Run],
) -> Verdict:
    """Adds runs with the same seed until there are RUNS of each version, and compares their losses.

    For originals that do not repeat themselves: their spread is what one seed leaves open.
    """
    report = replace(report, channels=tuple(replace(channel, decisive=False) for channel in report.channels))
    one, two = list(originals), list(converted)
    while len(one) < RUNS:
        one.append(bench.run(f"original-{len(one) + 1}"))
    while len(two) < RUNS:
        two.append(bench.run(f"converted-{len(two) + 1}", content, title))
    return verdict_by_spread(report, one, two)


def verdict_by_spread(report: Verdict, originals: Sequence[Run], converted: Sequence[Run]) -> Verdict:
    """The verdict that follows from several runs of each version."""
    failed = next((run for run in converted if run.error or run.status != originals[0].status), None)
    if failed is not None:
        message = f"a run of the converted version ends otherwise: {failed.error or f'exit status {failed.status}'}"
        message += f"; its standard error ends with:\n{failed.stderr_tail}" if failed.stderr_tail else ""
        return replace(report, outcome=NOT_EQUIVALENT, message=message)
    counts = [{len(run.trace.losses) for run in runs} for runs in (originals, converted)]
    if counts[0] != counts[1] and all(len(numbers) == 1 for numbers in counts):
        message = f"the original computes {counts[0].pop()} losses and the converted version {counts[1].pop()}"
        return replace(report, outcome=NOT_EQUIVALENT, message=message)
    if not min(min(numbers) for numbers in counts):
        return replace(report, outcome=ERROR, message="there are no losses to compare: backward() is never called")
    losses = [[[value.loss for value in run.trace.losses] for run in runs] for runs in (originals, converted)]
    parts = compare_losses(losses[0], losses[1])
    report = replace(report, statistics=parts)
    apart = next((part for part in parts if not part.agrees), None)
    if apart is None:
        return _alike(report, len(originals))
    return replace(
        report,
        outcome=NOT_EQUIVALENT,
        message=(
            f"the mean of losses {apart.steps[0]} to {apart.steps[1]} is {apart.original_mean:.6g} in the original and "
            f"{apart.converted_mean:.6g} in the converted version over {len(originals)} runs of each: "
            f"|t| = {abs(apart.t):.1f} is above the limit {apart.limit:.1f}"
        ),
    )


def _alike(report: Verdict, runs: int) -> Verdict:
    """No part differs: the versions are alike, unless a difference could not have been seen."""
    vague = next((part for part in report.statistics if not telling(part)), None)
    if vague is not None:
        message = (
            f"no difference was found, but {runs} runs of each version cannot tell: losses {vague.steps[0]} to "
            f"{vague.steps[1]} of the original spread so widely that only a difference of {vague.noticed:.2g} from "
            f"their mean {vague.original_mean:.3g} would have shown; train longer, or seed what is random"
        )
        return replace(report, outcome=ERROR, message=message)
    worst = max(report.statistics, key=lambda part: part.noticed / abs(part.original_mean or 1.0))
    message = (
        f"over {runs} runs of each version, no part of the losses differs by more than the original's spread "
        f"({FALSE_ALARM:.0%} false alarms); a difference of {abs(worst.noticed / (worst.original_mean or 1.0)):.1%} of "
        f"the mean would have shown, and {MARGIN:.0%} is the most that may stay hidden"
    )
    return replace(report, outcome=SIMILAR, message=message)
