"""What the losses may differ by in another precision: how far rounding alone moves this training.

The original is run again with every layer's results rounded at random to the unit roundoff of the coarsest type that
either version computes in. FACTOR times the distance of these runs from the original is allowed, at each step the
largest distance so far. Losses are compared as they are before a GradScaler multiplies them, since its factor is no
part of the training. Steps that the scaler of one version leaves out, because their gradients overflow, are left out in
the other one too.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from refactorer.verify import channels as ch
from refactorer.verify.bench import Bench
from refactorer.verify.channels import Entry
from refactorer.verify.execute import Run
from refactorer.verify.measured import Tolerances
from refactorer.verify.trace import Trace

FACTOR = 4.0
ROUNDED_RUNS = 3
# Unit roundoff: 2 to the minus number of significant bits (IEEE 754; bfloat16 has 8). Coarsest first.
UNITS = {"bfloat16": 2.0**-8, "float16": 2.0**-11, "float32": 2.0**-24, "float64": 2.0**-53}
# What a precision of the Trainer computes in. float32 is as fine as it gets: the original is in it.
TYPES = {"bf16": "bfloat16", "16": "float16", "32": "float32", "64": "float32"}


def computes_in(run: Run) -> set[str]:
    """The types that a run's modules and losses were computed in, as far as it recorded them."""
    texts = {forward.precision for forward in run.trace.forwards} | {loss.precision for loss in run.trace.losses}
    return {name for text in texts for name in text.replace("torch.", "").split() if name in UNITS}


def notes_on_precision(precision: str, original: Run, converted: Run) -> list[str]:
    """What is to be known about how a precision was run."""
    asked, found = TYPES[precision.partition("-")[0]], computes_in(converted)
    notes = []
    scales = any(value.unscaled is not None for value in converted.trace.losses)
    if asked == "float16" and "bfloat16" in found and not scales:
        notes.append(
            f"on a CPU Lightning takes bf16-mixed in the place of {precision}: the converted version computes in "
            "bfloat16 and scales no loss, so scaling is not verified here; run this on a GPU for that"
        )
    elif found and asked not in found and precision.partition("-")[0] != "64":
        notes.append(
            f"precision={precision} was asked for, and the converted version computes in {', '.join(sorted(found))}"
        )
    for name, run, other in (("original", original, "converted version"), ("converted version", converted, "original")):
        steps = run.trace.skipped
        if steps:
            shown = ", ".join(map(str, steps[:5])) + (", ..." if len(steps) > 5 else "")
            notes.append(
                f"the GradScaler of the {name} leaves out {len(steps)} of the steps, whose gradients overflow "
                f"({shown}); the {other} was compared without them"
            )
    return notes


def leaving_out(steps: Sequence[int], env: Mapping[str, str] | None = None) -> dict[str, Any]:
    """What makes a run leave out some steps of its optimizers."""
    if not steps:
        return {"plugins": (), "env": dict(env or {})}
    return {"plugins": ("refactorer_skip",), "env": {**(env or {}), "REFACTORER_TRACE_SKIP": " ".join(map(str, steps))}}


def common_rates(one: Trace, two: Trace) -> tuple[list[Entry], list[Entry]]:
    """The learning rates of the steps that no scaler left out."""
    both = set(one.taken) & set(two.taken)
    found = [[rate for rate in ch.rates(trace) if trace.taken[rate.step - 1] in both] for trace in (one, two)]
    return found[0], found[1]


def derive(bench: Bench, original: Run, converted: Run, precision: str) -> Tolerances | None:
    """What each loss may differ by; None when rounding changes nothing, since then nothing can be derived."""
    types = {TYPES[precision.partition("-")[0]]} | computes_in(original) | computes_in(converted)
    name = max(types, key=lambda type_: UNITS[type_])
    left_out = leaving_out(converted.trace.skipped)
    runs = [
        bench.run(
            f"original-rounded-{number}",
            env={**left_out["env"], "REFACTORER_TRACE_NOISE": name, "REFACTORER_TRACE_NOISE_SEED": str(number)},
            plugins=(*left_out["plugins"], "refactorer_noise"),
        )
        for number in range(1, ROUNDED_RUNS + 1)
    ]
    allowed = largest_so_far(_losses(original), [_losses(run) for run in runs])
    if not any(allowed):
        return None
    words = (
        f"{FACTOR:g} times the largest distance so far of {ROUNDED_RUNS} runs of the original whose layers' results "
        f"were rounded at random to the precision of {name} (unit roundoff {UNITS[name]:.2g})"
    )
    return Tolerances(words, tuple(FACTOR * value for value in allowed))


def largest_so_far(original: Sequence[float], others: Sequence[Sequence[float]]) -> list[float]:
    """For each loss the largest distance that any other run had up to there; infinite where a run has no number."""
    found, largest = [], 0.0
    for index, loss in enumerate(original):
        for losses in others:
            apart = abs(losses[index] - loss) if index < len(losses) else math.inf
            largest = max(largest, math.inf if math.isnan(apart) else apart)
        found.append(largest)
    return found


def _losses(run: Run) -> list[float]:
    return [value.loss for value in run.trace.losses]
