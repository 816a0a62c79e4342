"""The converted version under other settings of the Trainer, against the original as it is.

Neither several processes nor another precision can train bit for bit the same, so what may differ is derived:

* **Another precision on one device.** The original is run again with every layer's results rounded at random to the
  unit roundoff of that precision. How far the losses of these runs move away from the original's is how far rounding
  alone moves this training; FACTOR times as much is allowed, at each step the largest distance so far.
* **Several processes, or another accelerator.** They see other batches, or draw other random numbers. Both versions
  run under several seeds and the means of parts of the losses are compared by their spread. The original's batches are
  then as large as those of all processes together, since that is what one step of them is computed from.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from refactorer.config import TRAINER_VARIABLE
from refactorer.verify import channels as ch
from refactorer.verify.bench import summary
from refactorer.verify.channels import compare_entries
from refactorer.verify.execute import Run
from refactorer.verify.judge import Case, unusable, with_original
from refactorer.verify.measured import Tolerances
from refactorer.verify.spread import verdict_by_spread
from refactorer.verify.statistics import RUNS
from refactorer.verify.tolerance import Tolerance
from refactorer.verify.verdict import EQUIVALENT, ERROR, NOT_EQUIVALENT, Channel, Verdict

FACTOR = 4.0
ROUNDED_RUNS = 3
# Unit roundoff: 2 to the minus number of significant bits (IEEE 754; bfloat16 has 8).
ROUNDOFF = {
    "bf16": (2.0**-8, "bfloat16"),
    "16": (2.0**-11, "float16"),
    "32": (2.0**-24, "float32"),
    "64": (2.0**-24, "float32"),
}


def wrong_setting(trainer: Mapping[str, Any], target: str) -> str | None:
    """Why these settings cannot be compared; None when they can."""
    if not trainer:
        return None
    if target != "runtime":
        return "settings of the Trainer reach results for the runtime only; leave --target lightning or them out"
    if not isinstance(trainer.get("devices", 1), (int, list)) or trainer.get("devices") == -1:
        return "name the number of devices: what one step is computed from depends on it"
    precision = str(trainer.get("precision", "32"))
    if precision.partition("-")[0] not in ROUNDOFF:
        return (
            f"no tolerance is known for the precision {precision!r}; known are {', '.join(ROUNDOFF)}, -true or -mixed"
        )
    return None


def judge_elsewhere(case: Case, trainer: Mapping[str, Any]) -> Verdict:
    """Compares the original with the converted version under these arguments of the Trainer."""
    setting = ", ".join(f"{name}={value}" for name, value in trainer.items())
    case = replace(case, report=replace(case.report, setting=setting))
    env = {TRAINER_VARIABLE: json.dumps(dict(trainer))}
    return _by_rounding(case, trainer, env) if set(trainer) == {"precision"} else _by_seeds(case, trainer, env)


# --- another precision ---------------------------------------------------------------------------------------------


def _by_rounding(case: Case, trainer: Mapping[str, Any], env: Mapping[str, str]) -> Verdict:
    original = case.bench.run("original")
    report = with_original(case.report, original, case.bench)
    wrong = unusable(original, case.bench)
    if wrong:
        return replace(report, message=wrong)
    given = Tolerance(report.rtol or 0.0, report.atol or 0.0)
    if given.exact:
        derived = _tolerances(case, original, str(trainer["precision"]))
        if derived is None:
            said = "rounding the results of the model's layers changes no loss, so no tolerance can be derived: the "
            return replace(report, message=f"{said}model has no layers, or they are not used; give --rtol or --atol")
        report = replace(report, derived=derived)
    converted = case.bench.run("converted", case.content, case.title, env)
    report = replace(report, converted=summary(converted))
    if converted.error or converted.status != original.status:
        said = converted.error or f"exit status {converted.status}"
        return replace(report, outcome=NOT_EQUIVALENT, message=f"the converted version fails: {said}{_tail(converted)}")
    return _within(report, original, converted, given)


def _tail(run: Run) -> str:
    return f"; its standard error ends with:\n{run.stderr_tail}" if run.stderr_tail else ""


def _tolerances(case: Case, original: Run, precision: str) -> Tolerances | None:
    """What each loss may differ by; None when rounding changes nothing, since then nothing can be derived."""
    unit, name = ROUNDOFF[precision.partition("-")[0]]
    runs = [
        case.bench.run(
            f"original-rounded-{number}",
            env={"REFACTORER_TRACE_NOISE": repr(unit), "REFACTORER_TRACE_NOISE_SEED": str(number)},
            plugins=("refactorer_noise",),
        )
        for number in range(1, ROUNDED_RUNS + 1)
    ]
    allowed = largest_so_far(_losses(original), [_losses(run) for run in runs])
    if not any(allowed):
        return None
    words = (
        f"{FACTOR:g} times the largest distance so far of {ROUNDED_RUNS} runs of the original whose layers' results "
        f"were rounded at random to the precision of {name} (unit roundoff {unit:.2g})"
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
    return [value.value for value in run.trace.losses]


def _within(report: Verdict, original: Run, converted: Run, given: Tolerance) -> Verdict:
    one, two = ch.losses(original.trace), ch.losses(converted.trace)
    rates = compare_entries(ch.RATES, ch.rates(original.trace), ch.rates(converted.trace), Tolerance())
    if report.derived is None:
        losses = compare_entries(ch.LOSSES, one, two, given)
    else:
        losses = Channel(ch.LOSSES, "equal", len(one), len(two))
        for index, (a, b) in enumerate(zip(one, two)):
            assert a.number is not None and b.number is not None
            if not abs(b.number - a.number) <= report.derived.allowed[index]:
                losses = replace(losses, status="differs", first=ch.divergence(ch.LOSSES, index, a, b))
                break
        if len(one) != len(two) and not losses.differs:
            index = min(len(one), len(two))
            extra = [entries[index] if index < len(entries) else None for entries in (one, two)]
            losses = replace(losses, status="differs", first=ch.divergence(ch.LOSSES, index, *extra))
    report = replace(report, channels=(losses, rates), first=losses.first or rates.first)
    if report.first is None:
        message = f"{len(one)} losses within the tolerances, with {report.setting}"
        return replace(report, outcome=EQUIVALENT, message=message)
    first = report.first
    message = f"the first difference is at step {first.step}, {first.quantity}: {first.original} became "
    allowed = f"; {report.derived.allowed[first.index]:.3g} was allowed" if report.derived and losses.differs else ""
    return replace(report, outcome=NOT_EQUIVALENT, message=f"{message}{first.converted}{allowed}")


# --- several processes, another accelerator ------------------------------------------------------------------------


def _by_seeds(case: Case, trainer: Mapping[str, Any], env: Mapping[str, str]) -> Verdict:
    processes = _processes(trainer)
    reference: dict[str, Any] = {}
    report = case.report
    if processes > 1:
        reference = {"plugins": ("refactorer_batches",), "env": {"REFACTORER_TRACE_BATCHES": str(processes)}}
        note = (
            f"the original ran with batches {processes} times as large, which {processes} processes train on together"
        )
        report = replace(report, notes=(*report.notes, note))
    originals, converted = [], []
    for number in range(RUNS):
        bench = case.with_seed(number).bench
        originals.append(bench.run("original", **reference))
        wrong = unusable(originals[-1], bench)
        if wrong:
            return replace(with_original(report, originals[0], bench), outcome=ERROR, message=wrong)
        converted.append(bench.run("converted", case.content, case.title, env))
        if converted[-1].error or converted[-1].status != originals[-1].status:
            break
    report = replace(with_original(report, originals[0], case.bench), converted=summary(converted[0]))
    verdict = verdict_by_spread(report, originals, converted)
    return replace(verdict, message=f"{verdict.message}, with {report.setting}")


def _processes(trainer: Mapping[str, Any]) -> int:
    devices = trainer.get("devices", 1)
    return (len(devices) if isinstance(devices, list) else int(devices)) * int(trainer.get("num_nodes", 1))
