"""Verifies a conversion: runs both versions and compares what they did."""

from __future__ import annotations

import contextlib
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from refactorer.result import Converted, Failed, Refused, Unchanged
from refactorer.verify import channels as ch
from refactorer.verify.causes import likely_causes
from refactorer.verify.compare import Comparison, compare_runs, describe_status
from refactorer.verify.evidence import Evidence
from refactorer.verify.execute import Run, Settings, run_traced
from refactorer.verify.origin import with_origin
from refactorer.verify.project import Project, find_project
from refactorer.verify.scratch import TooLarge, copy_project
from refactorer.verify.tolerance import Tolerance
from refactorer.verify.verdict import (
    EQUIVALENT,
    ERROR,
    NOT_EQUIVALENT,
    NOTHING,
    REFUSED,
    Channel,
    RunSummary,
    Verdict,
)


def verify(
    script: Path | str,
    converted: Path | str | None = None,
    *,
    args: Sequence[str] = (),
    steps: int | None = None,
    seed: int = 0,
    timeout: float | None = None,
    target: str = "runtime",
    env: Mapping[str, str] | None = None,
    rtol: float | None = None,
    atol: float | None = None,
    keep: Path | str | None = None,
    python: str = sys.executable,
    confirm: bool = True,
) -> Verdict:
    """Trains a script and its conversion in scratch copies and says whether they did the same.

    Without `converted` the script is converted here, for `target`. `args` are the script's arguments; `steps` ends both
    runs after that many optimizer steps; `seed` seeds all generators before the script does; `timeout` is in seconds
    for each run; `env` is added to the environment. The comparison is bit for bit unless `rtol` or `atol` is given.
    `keep` is a folder, empty or new, that receives the scratch copies and traces. With `confirm`, a difference is
    checked against a second run of the original, so that a script that does not repeat itself is not blamed on the
    conversion.

    Every outcome is a value, also a script that cannot be read or does not run; only interruptions are raised.
    """
    path = Path(script)
    report = Verdict(ERROR, "", str(script), args=tuple(args), seed=seed, steps=steps, rtol=rtol, atol=atol)
    wrong = _wrong_arguments(path, converted, steps, timeout, keep)
    if wrong:
        return replace(report, message=wrong)
    try:
        if converted is not None:
            content: bytes | None = Path(converted).read_bytes()
            report = replace(report, converted_script=str(converted))
        else:
            content, report = _convert(path, target, report)
        if content is None:
            return report
        settings = Settings(tuple(args), steps, seed, timeout, dict(env or {}), python)
        with _folder(keep) as folder:
            bench = Bench(find_project(path, args), folder, settings)
            return _judge(bench, content, report, confirm)
    except (OSError, TooLarge) as error:
        return replace(report, message=f"cannot verify {script}: {error}")


def _wrong_arguments(
    path: Path, converted: Path | str | None, steps: int | None, timeout: float | None, keep: Path | str | None
) -> str | None:
    for file in (path, Path(converted) if converted is not None else path):
        if not file.is_file():
            return f"{file} is not a file" if file.exists() else f"{file} does not exist"
    if steps is not None and steps < 1:
        return f"the number of steps must be at least 1, not {steps}"
    if timeout is not None and timeout <= 0:
        return f"the time limit must be positive, not {timeout}"
    if keep is not None and Path(keep).exists() and (not Path(keep).is_dir() or any(Path(keep).iterdir())):
        return f"{keep} is not an empty folder; name a new one to keep the runs in"
    return None


@contextlib.contextmanager
def _folder(keep: Path | str | None) -> Iterator[Path]:
    if keep is not None:
        Path(keep).mkdir(parents=True, exist_ok=True)
        yield Path(keep).resolve()
        return
    with tempfile.TemporaryDirectory(prefix="refactorer-verify-", ignore_cleanup_errors=True) as folder:
        yield Path(folder).resolve()


def _convert(path: Path, target: str, report: Verdict) -> tuple[bytes | None, Verdict]:
    """The content of the converted version, None when there is none, and the report with what was said about it."""
    from refactorer.converter import convert_text
    from refactorer.files import read_source
    from refactorer.options import choose
    from refactorer.source import SourceError

    try:
        source = read_source(str(path))
        result = convert_text(source.text, path=str(path), options=choose(target))
        data = source.with_text(result.after).data if isinstance(result, Converted) else None
    except SourceError as error:
        return None, replace(report, message=f"{path} could not be converted", diagnostics=(error.diagnostic,))
    report = replace(report, diagnostics=result.diagnostics)
    if isinstance(result, Refused):
        report = replace(report, outcome=REFUSED, message=f"{path} was not converted")
    elif isinstance(result, Unchanged):
        report = replace(report, outcome=NOTHING, message=f"{path} has no training loop to convert")
    elif isinstance(result, Failed):
        report = replace(report, message=f"{path} could not be converted")
    return data, report


class Bench:
    """Runs versions one after the other at the same absolute path, and keeps what each leaves."""

    def __init__(self, project: Project, folder: Path, settings: Settings) -> None:
        self.project, self.folder, self.settings = project, folder, settings

    def run(self, name: str, content: bytes | None = None, title: str | None = None) -> Run:
        """Runs the original, or `content` in its place; the files end up in the folder `name`.

        `title` is what reports call the file, by default the script's name.

        Raises `TooLarge` or `OSError` when the project cannot be copied or the interpreter cannot be started.
        """
        scratch = copy_project(self.project, self.folder / "work", content)
        records = self.folder / f"{name}-records"
        run = run_traced(self.project, scratch, records, self.settings, title or self.project.script.name)
        scratch.move(self.folder / name)
        return run


def _judge(bench: Bench, content: bytes, report: Verdict, confirm: bool) -> Verdict:
    tolerance = Tolerance(report.rtol or 0.0, report.atol or 0.0)
    original = bench.run("original")
    report = replace(report, original=_summary(original))
    unusable = _unusable(original, bench)
    if unusable:
        return replace(report, message=unusable)
    title = Path(report.converted_script).name if report.converted_script else None
    converted = bench.run("converted", content, title)
    report = replace(report, converted=_summary(converted), notes=_notes(original, converted))
    comparison = compare_runs(original, converted, tolerance)
    ended_early = converted.error is not None or converted.status is None
    if comparison.first is not None and confirm and not ended_early:
        again = bench.run("original-again")
        unsteady = compare_runs(original, again, tolerance)
        if unsteady.first is not None:
            report = replace(report, notes=(*report.notes, _unsteady_note(unsteady)))
            comparison = compare_runs(original, converted, tolerance, again)
            hopeless = _hopeless(unsteady)
            if hopeless and comparison.first is not None:
                return replace(report, channels=comparison.channels, message=hopeless)
    verdict = verdict_of(comparison, original, converted, report)
    return with_origin(verdict, bench, content, title) if confirm and not ended_early else verdict


def verdict_of(comparison: Comparison, original: Run, converted: Run, report: Verdict) -> Verdict:
    """The verdict that follows from a comparison."""
    report = replace(report, channels=comparison.channels, first=comparison.first)
    if comparison.first is None:
        return replace(report, outcome=EQUIVALENT, message=_agreement(comparison.channels))
    likely = likely_causes(Evidence(comparison.first, original, converted, comparison.channels))
    report = replace(report, likely=likely)
    causes = tuple(cause.text for cause in likely)
    first = comparison.first
    at = f"at step {first.step}" if first.step else "before the first step"
    values = "" if first.channel == ch.FILES else f": {_short(first.original)} became {_short(first.converted)}"
    message = f"the first difference is {at}, {first.quantity}{values}"
    done = f"{len(converted.trace.steps)} of {len(original.trace.steps)} optimizer steps"
    if converted.status is None and first.converted is None:
        message = f"the converted version did not finish within the time limit ({done}; the original took "
        return replace(report, message=f"{message}{original.seconds:.1f} s): raise the limit or limit the steps")
    if converted.error and first.converted is None:
        message = f"the converted version fails after {done}: {converted.error}"
    return replace(report, outcome=NOT_EQUIVALENT, message=message, causes=causes)


def _short(value: str | None) -> str:
    if value is None:
        return "nothing"
    return value if len(value) <= 60 else value[:57] + "..."


def _agreement(channels: Sequence[Channel]) -> str:
    counts = {channel.name: channel.original for channel in channels}
    named = ((ch.LOSSES, "loss", "losses"), (ch.PARAMETERS, "optimizer step", "optimizer steps"),
             (ch.PRINTED, "printed line", "printed lines"), (ch.FILES, "file", "files"))  # fmt: skip
    parts = [f"{counts[name]} {one if counts[name] == 1 else many}" for name, one, many in named if counts[name]]
    loose = [f"{c.name} {c.status}" for c in channels if c.decisive and c.status != "equal"]
    return "the same " + ", ".join(parts) + "".join(f"; {text}" for text in loose)


def _unusable(run: Run, bench: Bench) -> str | None:
    """Why the original cannot serve as a reference; None when it can."""
    tail = f"; its standard error ends with:\n{run.stderr_tail}" if run.stderr_tail else ""
    steps = len(run.trace.steps)
    if not run.trace.started:
        status = describe_status(run.status)
        return f"the original did not start under {bench.settings.python}: exit status {status}{tail}"
    if run.status is None:
        done = f"the original did not finish within {bench.settings.timeout:g} s ({steps} optimizer steps)"
        return f"{done}; raise the time limit or limit the steps"
    error = run.error
    if error or run.status < 0 or (run.status and not steps):
        where = f"exit status {describe_status(run.status)} after {steps} optimizer steps"
        what = f"the original fails: {error or where}" + (f" ({where})" if error else "")
        if error and "No such file" in error:
            what += f"; it was run in {bench.project.cwd}: start from the folder where you run the script"
        return what + tail
    if not steps:
        also = " and never imports torch" if run.trace.torch is None else ""
        return f"the original never steps an optimizer{also}, so there is no training to compare{tail}"
    return None


def _hopeless(unsteady: Comparison) -> str | None:
    """The message when the original trains differently each time, so that no conversion could be judged."""
    first = unsteady.first
    if first is None or first.channel in (ch.PRINTED, ch.FILES):
        return None
    return (
        f"the original does not repeat itself: run twice with the same seed, its {first.channel} differ first at step "
        f"{first.step} ({first.original} and {first.converted}); seed every generator that it uses and verify again"
    )


def _unsteady_note(unsteady: Comparison) -> str:
    first = unsteady.first
    assert first is not None
    return f"the original does not repeat itself: two runs of it differ in {first.channel}: {first.quantity}"


def _notes(original: Run, converted: Run) -> tuple[str, ...]:
    damaged = sorted({str(path) for run in (original, converted) for path in run.scratch.damaged()})
    notes = [f"the script changed {path}, which was too large to copy" for path in damaged]
    if original.trace.cut or converted.trace.cut:
        notes.append(f"both versions were ended after {len(original.trace.steps)} optimizer steps; files not compared")
    return tuple(notes)


def _summary(run: Run) -> RunSummary:
    end: dict[str, Any] = run.trace.end or {}
    return RunSummary(
        run.status,
        run.seconds,
        run.trace.training_seconds,
        len(run.trace.steps),
        tuple(value.value for value in run.trace.losses),
        end.get("rss"),
        end.get("gpu"),
        run.error,
        run.stderr_tail,
        run.trace.torch,
        run.trace.threads,
        run.trace.step_seconds,
        run.trace.tracer_seconds,
    )
