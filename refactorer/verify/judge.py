"""From the runs of two versions to the verdict about them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from refactorer.verify import channels as ch
from refactorer.verify.bench import Bench, flags, summary
from refactorer.verify.causes import likely_causes
from refactorer.verify.compare import Comparison, compare_runs, describe_status
from refactorer.verify.evidence import Evidence
from refactorer.verify.execute import Run
from refactorer.verify.origin import with_origin
from refactorer.verify.spread import compare_by_spread
from refactorer.verify.tolerance import Tolerance
from refactorer.verify.verdict import EQUIVALENT, NOT_EQUIVALENT, Channel, Verdict


@dataclass(frozen=True)
class Case:
    """Two versions of a script: the original lies in the bench's project, `content` is the converted one.

    `report` is the verdict so far, and `title` what reports call the converted version's file.
    """

    bench: Bench
    content: bytes
    report: Verdict
    title: str | None = None

    def with_seed(self, number: int) -> Case:
        """The same versions with all seeds moved by `number`."""
        report = replace(self.report, seed=self.report.seed + number)
        return replace(self, bench=self.bench.of_seed(number), report=report)


def judge(case: Case, confirm: bool = True) -> Verdict:
    """Runs both versions and compares them; with `confirm`, a difference is checked against a second original."""
    report = case.report
    tolerance = Tolerance(report.rtol or 0.0, report.atol or 0.0)
    original = case.bench.run("original")
    report = with_original(report, original, case.bench)
    wrong = unusable(original, case.bench)
    if wrong:
        return replace(report, message=wrong)
    converted = case.bench.run("converted", case.content, case.title)
    report = replace(report, converted=summary(converted), notes=_notes(original, converted, report))
    comparison = compare_runs(original, converted, tolerance)
    if comparison.first is None:
        report = replace(report, repeats=REPEATS)
    elif confirm and converted.error is None and converted.status is not None:
        again = case.bench.run("original-again")
        unsteady = compare_runs(original, again, tolerance)
        report = replace(report, repeats=REPEATS if unsteady.first is None else _unsteady(unsteady))
        if unsteady.first is not None:
            report = replace(report, notes=(*report.notes, report.repeats))
            comparison = compare_runs(original, converted, tolerance, again)
            if _hopeless(unsteady) and comparison.first is not None:
                report = replace(report, channels=comparison.channels)
                return compare_by_spread(case.bench, case.content, case.title, report, [original, again], [converted])
    verdict = verdict_of(comparison, original, converted, report)
    ended_early = converted.error is not None or converted.status is None
    return with_origin(verdict, case.bench, case.content, case.title) if confirm and not ended_early else verdict


REPEATS = "the original repeats itself: two runs with its training agree"


def with_original(report: Verdict, original: Run, bench: Bench) -> Verdict:
    """The report with what the original's run tells."""
    return replace(
        report,
        original=summary(original),
        synthetic=original.generated,
        environment=flags(bench.settings, original),
    )


def verdict_of(comparison: Comparison, original: Run, converted: Run, report: Verdict) -> Verdict:
    """The verdict that follows from a comparison."""
    report = replace(report, channels=comparison.channels, first=comparison.first)
    if comparison.first is None:
        return replace(report, outcome=EQUIVALENT, message=_agreement(comparison.channels, original.trace.unit))
    likely = likely_causes(Evidence(comparison.first, original, converted, comparison.channels))
    report = replace(report, likely=likely)
    first = comparison.first
    at = f"at step {first.step}" if first.step else "before the first step"
    values = "" if first.channel == ch.FILES else f": {_short(first.original)} became {_short(first.converted)}"
    message = f"the first difference is {at}, {first.quantity}{values}"
    done = f"{converted.trace.count} of {original.trace.count} {original.trace.unit}"
    if converted.status is None and first.converted is None:
        message = f"the converted version did not finish within the time limit ({done}; the original took "
        return replace(report, message=f"{message}{original.seconds:.1f} s): raise the limit or limit the steps")
    if converted.error and first.converted is None:
        message = f"the converted version fails after {done}: {converted.error}"
    return replace(report, outcome=NOT_EQUIVALENT, message=message)


def _short(value: str | None) -> str:
    if value is None:
        return "nothing"
    return value if len(value) <= 60 else value[:57] + "..."


_PARAMETERS = {
    "optimizer steps": ("optimizer step", "optimizer steps"),
    "backwards": ("state of the parameters", "states of the parameters"),
}


def _agreement(channels: Sequence[Channel], unit: str) -> str:
    counts = {channel.name: channel.original for channel in channels}
    named = ((ch.LOSSES, "loss", "losses"), (ch.PARAMETERS, *_PARAMETERS[unit]),
             (ch.PRINTED, "printed line", "printed lines"), (ch.FILES, "file", "files"))  # fmt: skip
    parts = [f"{counts[name]} {one if counts[name] == 1 else many}" for name, one, many in named if counts[name]]
    loose = [f"{c.name} {c.status}" for c in channels if c.decisive and c.status != "equal"]
    return "the same " + ", ".join(parts) + "".join(f"; {text}" for text in loose)


def unusable(run: Run, bench: Bench) -> str | None:
    """Why the original cannot serve as a reference; None when it can."""
    tail = f"; its standard error ends with:\n{run.stderr_tail}" if run.stderr_tail else ""
    steps = run.trace.count
    counted = f"{steps} {run.trace.unit}"
    if run.listens is not None:
        return (
            f"the original listens on port {run.listens} and waits for clients, after {counted}: a "
            "server has no end to compare. Limit the run with --steps or --epochs, or verify the training by itself"
        )
    if not run.trace.started:
        status = describe_status(run.status)
        return f"the original did not start under {bench.settings.python}: exit status {status}{tail}"
    if run.status is None:
        done = f"the original did not finish within {bench.settings.timeout:g} s ({counted})"
        return f"{done}; raise the time limit or limit the steps"
    error = run.error
    if error and error.startswith("EOFError"):
        return (
            f"the original asks for input and there is nobody to answer ({error}, after {counted}): "
            f"give the answers as arguments or in a file, or put defaults in their place{tail}"
        )
    if error or run.status < 0 or (run.status and not steps):
        where = f"exit status {describe_status(run.status)} after {counted}"
        what = f"the original fails: {error or where}" + (f" ({where})" if error else "")
        if error and "the stand-in for " in error:
            return what
        if error and "No such file" in error:
            what += f"; it was run in {bench.project.cwd}: start from the folder where you run the script"
        return what + tail
    if not steps:
        also = " and never imports torch" if run.trace.torch is None else ""
        return f"the original never calls backward(){also}, so there is no training to compare{tail}"
    return None


def _hopeless(unsteady: Comparison) -> bool:
    """Whether the original trains differently each time, so that no single run can be compared with another."""
    return unsteady.first is not None and unsteady.first.channel not in (ch.PRINTED, ch.FILES)


def _unsteady(unsteady: Comparison) -> str:
    first = unsteady.first
    assert first is not None
    values = f" ({first.original} and {first.converted})" if first.channel not in (ch.PRINTED, ch.FILES) else ""
    return (
        f"the original does not repeat itself: run twice with the same seed, its {first.channel} differ first at step "
        f"{first.step}, {first.quantity}{values}"
    )


def _notes(original: Run, converted: Run, report: Verdict) -> tuple[str, ...]:
    damaged = sorted({str(path) for run in (original, converted) for path in run.scratch.damaged()})
    notes = [f"the script changed {path}, which was too large to copy" for path in damaged]
    if original.trace.cut or converted.trace.cut:
        notes.append(f"both versions were ended after {original.trace.count} {original.trace.unit}; files not compared")
    elif report.epochs is not None:
        notes.append(f"--epochs {report.epochs} did not end the runs: no data loader was iterated that often")
    if not original.trace.steps:
        notes.append(
            "no optimizer is stepped: each backward() counts as a step, and what it reaches is compared before it"
        )
    return (*report.notes, *notes)
