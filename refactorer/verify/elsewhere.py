"""The converted version under other settings of the Trainer, against the original as it is.

Neither several processes nor another precision can train bit for bit the same, so what may differ is derived:

* **Another precision on one device.** The original is run again with every layer's results rounded at random to that
  precision (`rounding.py`); some times the distance that its losses move is allowed.
* **Several processes, or another accelerator.** They see other batches, or draw other random numbers. Both versions
  run under several seeds and the means of parts of the losses are compared by their spread. The original's batches are
  then as large as those of all processes together, since that is what one step of them is computed from.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import replace
from itertools import zip_longest
from typing import Any

from refactorer.config import TRAINER_VARIABLE
from refactorer.verify import channels as ch
from refactorer.verify.bench import summary
from refactorer.verify.channels import Entry, compare_entries
from refactorer.verify.execute import Run
from refactorer.verify.judge import Case, unusable, with_original
from refactorer.verify.measured import Tolerances
from refactorer.verify.rounding import TYPES, common_rates, derive, leaving_out, notes_on_precision
from refactorer.verify.spread import verdict_by_spread
from refactorer.verify.statistics import RUNS
from refactorer.verify.tolerance import Tolerance
from refactorer.verify.verdict import EQUIVALENT, ERROR, NOT_EQUIVALENT, Channel, Verdict


def wrong_setting(trainer: Mapping[str, Any], target: str) -> str | None:
    """Why these settings cannot be compared; None when they can."""
    if not trainer:
        return None
    if target != "runtime":
        return "settings of the Trainer reach results for the runtime only; leave --target lightning or them out"
    if not isinstance(trainer.get("devices", 1), (int, list)) or trainer.get("devices") == -1:
        return "name the number of devices: what one step is computed from depends on it"
    precision = str(trainer.get("precision", "32"))
    if precision.partition("-")[0] not in TYPES:
        return f"no tolerance is known for the precision {precision!r}; known are {', '.join(TYPES)}, -true or -mixed"
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
    converted = case.bench.run("converted", case.content, case.title, env)
    notes = notes_on_precision(str(trainer["precision"]), original, converted)
    report = replace(report, converted=summary(converted), notes=(*report.notes, *notes))
    impossible = _impossible(converted)
    if impossible:
        return replace(report, outcome=ERROR, message=impossible)
    if converted.error or converted.status != original.status:
        said = converted.error or f"exit status {converted.status}"
        return replace(report, outcome=NOT_EQUIVALENT, message=f"the converted version fails: {said}{_tail(converted)}")
    given = Tolerance(report.rtol or 0.0, report.atol or 0.0)
    before = original.trace.skipped
    if set(converted.trace.skipped) - set(before):
        original = case.bench.run("original-skipping", **leaving_out(converted.trace.skipped))
    if set(before) - set(converted.trace.skipped):
        converted = case.bench.run("converted-skipping", case.content, case.title, **leaving_out(before, env))
    if given.exact:
        derived = derive(case.bench, original, converted, str(trainer["precision"]))
        if derived is None:
            said = "rounding the results of the model's layers changes no loss, so no tolerance can be derived: the "
            return replace(report, message=f"{said}model has no layers, or they are not used; give --rtol or --atol")
        report = replace(report, derived=derived)
    return _within(report, original, converted, given)


def _impossible(run: Run) -> str | None:
    """Why the Trainer does not begin with these settings on this machine; None when it does."""
    last = run.stderr_tail.rpartition("\n")[2]
    if run.trace.count or not last.startswith(f"error: {TRAINER_VARIABLE}="):
        return None
    return f"this setting cannot be verified here: {last.partition(' cannot be used here: ')[2] or last}"


def _tail(run: Run) -> str:
    return f"; its standard error ends with:\n{run.stderr_tail}" if run.stderr_tail else ""


def _within(report: Verdict, original: Run, converted: Run, given: Tolerance) -> Verdict:
    one, two = ch.unscaled_losses(original.trace), ch.unscaled_losses(converted.trace)
    rates = compare_entries(ch.RATES, *common_rates(original.trace, converted.trace), Tolerance())
    losses = compare_entries(ch.LOSSES, one, two, given)
    if report.derived is not None:
        losses = _within_derived(one, two, report.derived)
    report = replace(report, channels=(losses, rates), first=losses.first or rates.first)
    if report.first is None:
        message = f"{len(one)} losses within the tolerances, with {report.setting}"
        return replace(report, outcome=EQUIVALENT, message=message)
    first = report.first
    message = f"the first difference is at step {first.step}, {first.quantity}: {first.original} became "
    known = report.derived is not None and losses.differs and first.index < len(report.derived.allowed)
    allowed = f"; {report.derived.allowed[first.index]:.3g} was allowed" if report.derived and known else ""
    return replace(report, outcome=NOT_EQUIVALENT, message=f"{message}{first.converted}{allowed}")


def _within_derived(one: list[Entry], two: list[Entry], derived: Tolerances) -> Channel:
    losses = Channel(ch.LOSSES, "equal", len(one), len(two))
    for index, (a, b) in enumerate(zip_longest(one, two)):
        if a is None or b is None or not _close(a.number, b.number, derived.allowed[index]):
            return replace(losses, status="differs", first=ch.divergence(ch.LOSSES, index, a, b))
    return losses


def _close(one: float | None, two: float | None, allowed: float) -> bool:
    if one is None or two is None:
        return one is two
    return abs(two - one) <= allowed or (math.isnan(one) and math.isnan(two))


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
        impossible = _impossible(converted[-1])
        if impossible:
            return replace(with_original(report, originals[0], bench), outcome=ERROR, message=impossible)
        if converted[-1].error or converted[-1].status != originals[-1].status:
            break
    report = replace(with_original(report, originals[0], case.bench), converted=summary(converted[0]))
    verdict = verdict_by_spread(report, originals, converted)
    return replace(verdict, message=f"{verdict.message}, with {report.setting}")


def _processes(trainer: Mapping[str, Any]) -> int:
    devices = trainer.get("devices", 1)
    return (len(devices) if isinstance(devices, list) else int(devices)) * int(trainer.get("num_nodes", 1))
