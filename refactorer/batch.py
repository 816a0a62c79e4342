"""Many files through the converter: each gets a report, and nothing that goes wrong with one file stops the others."""

from __future__ import annotations

import contextlib
import functools
import gc
import os
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from refactorer import files
from refactorer.config import STDIN, STDIN_NAME, debugging
from refactorer.diagnostics import Diagnostic
from refactorer.options import Options
from refactorer.result import Converted, Failed, Result
from refactorer.source import Source, SourceError, syntax_problem

_FILES_WORTH_PROCESSES = 16
_FILES_AT_ONCE = 32
#: New containers between two searches for cycles. Trees are many small ones that live long: by default a fifth of the
#: time goes into looking through them; with this the searches take next to none, and a process 100 MB more.
_ALLOCATIONS = 1_000_000


class Finding(Protocol):
    """Something that the analysis saw: a training loop, an optimizer, an evaluation."""

    @property
    def kind(self) -> str: ...
    @property
    def message(self) -> str: ...
    @property
    def line(self) -> int: ...
    @property
    def column(self) -> int: ...
    @property
    def path(self) -> str | None:
        """Another file of the project that it stands in."""


@dataclass(frozen=True)
class FileReport:
    """What became of one file. `before` is there when it could be read, `after` when it was converted."""

    result: Result
    findings: tuple[Finding, ...] = ()
    before: Source | None = None
    after: Source | None = None

    @property
    def path(self) -> str:
        return self.result.path


def convert_all(
    paths: Sequence[str], *, options: Options, with_findings: bool = False, jobs: int | None = None
) -> list[FileReport]:
    """Convert each file, in memory. The reports come in the order of `paths`."""
    return _each(functools.partial(_convert, options=options, with_findings=with_findings), paths, jobs)


def analyze_all(paths: Sequence[str], *, jobs: int | None = None) -> list[FileReport]:
    """Analyze each file. The reports come in the order of `paths`."""
    return _each(_analyze, paths, jobs)


def write_back(reports: Sequence[FileReport], destinations: Mapping[str, str]) -> list[FileReport]:
    """Write what was converted, to the destination of its path, or over the file itself where there is none.

    Returns the reports, with an error (E004) in place of each one whose file could not be written.
    """

    def destination(report: FileReport) -> str | None:
        return destinations.get(STDIN if report.path == STDIN_NAME else report.path)

    writes = [_write(report, destination(report)) for report in reports if report.after is not None]
    problems = files.write_all(writes)
    return [_unless_unwritten(report, destination(report) or report.path, problems) for report in reports]


def _write(report: FileReport, target: str | None) -> files.Write:
    assert report.before is not None and report.after is not None
    if target is None:
        return files.Write(report.path, report.after.data, expected=report.before.data)
    return files.Write(target, report.after.data, mode_from=report.path)


def _unless_unwritten(report: FileReport, path: str, problems: dict[str, Diagnostic]) -> FileReport:
    if report.after is None or path not in problems:
        return report
    diagnostics = (*report.result.diagnostics, problems[path])
    return FileReport(Failed(report.path, diagnostics), report.findings)


def _convert(path: str, *, options: Options, with_findings: bool) -> FileReport:
    def work(source: Source) -> FileReport:
        from refactorer.project import analyze_file, convert_file, read_others

        others = read_others(source)
        result = convert_file(source.text, path=source.path, options=options, others=others)
        findings = analyze_file(source.text, path=source.path, others=others).findings if with_findings else ()
        if not isinstance(result, Converted):
            return FileReport(result, findings, source)
        _must_be_valid(result)
        return FileReport(result, findings, source, source.with_text(result.after))

    return _guarded(path, work)


def _analyze(path: str) -> FileReport:
    def work(source: Source) -> FileReport:
        from refactorer.project import analyze_file, read_others

        analysis = analyze_file(source.text, path=source.path, others=read_others(source))
        result = replace(analysis.result, diagnostics=tuple(analysis.diagnostics))
        return FileReport(result, tuple(analysis.findings))

    return _guarded(path, work)


def _guarded(path: str, work: Callable[[Source], FileReport]) -> FileReport:
    """The report of `work` on the source at `path`; an error of any kind becomes a report of its own."""
    name = STDIN_NAME if path == STDIN else path
    try:
        source = files.read_stdin(name) if path == STDIN else files.read_source(path)
        problem = syntax_problem(source.text, path=name)
        return FileReport(Failed(name, (problem,))) if problem else work(source)
    except SourceError as error:
        return FileReport(Failed(name, (error.diagnostic,)))
    except Exception as error:
        if debugging():
            raise
        return FileReport(Failed(name, (internal_error(error, path=name),)))


def internal_error(error: BaseException, *, path: str) -> Diagnostic:
    """The diagnostic for an exception that nobody foresaw."""
    first_line = (str(error).splitlines() or [""])[0]
    message = f"internal error: {type(error).__name__}: {first_line}".rstrip(": ")
    hint = "the file is as it was; please report this with the script and what REFACTORER_DEBUG=1 shows"
    return Diagnostic("E900", message, hint, path)


def _must_be_valid(result: Converted) -> None:
    """The last gate before a file is written or shown: the result has to be Python."""
    problem = syntax_problem(result.after, path=result.path)
    if problem:
        raise RuntimeError(f"the converted text is {problem.message} (its line {problem.line})")


def _each(work: Callable[[str], FileReport], paths: Sequence[str], jobs: int | None) -> list[FileReport]:
    from refactorer.project import forget

    forget()
    if jobs is None:
        jobs = (os.cpu_count() or 1) if len(paths) >= _FILES_WORTH_PROCESSES else 1
    if jobs == 1 or len(paths) < 2 or STDIN in paths:
        with _rare_collections():
            return [work(path) for path in paths]
    return _each_in_processes(work, paths, min(jobs, len(paths)))


def _each_in_processes(work: Callable[[str], FileReport], paths: Sequence[str], jobs: int) -> list[FileReport]:
    from concurrent.futures import ProcessPoolExecutor

    pool = ProcessPoolExecutor(jobs, initializer=_start_process)
    try:
        # The processes start here. One that an interrupt reaches before it ignores them would show a traceback.
        with _interrupts_held_back():
            reports = pool.map(work, paths, chunksize=max(1, min(_FILES_AT_ONCE, len(paths) // (4 * jobs))))
        return list(reports)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


@contextlib.contextmanager
def _interrupts_held_back() -> Iterator[None]:
    """An interrupt that comes meanwhile is delivered at the end; processes that start inside never see it."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextlib.contextmanager
def _rare_collections() -> Iterator[None]:
    """Searches for cycles are rare meanwhile."""
    before = gc.get_threshold()
    gc.set_threshold(_ALLOCATIONS)
    try:
        yield
    finally:
        gc.set_threshold(*before)


def _start_process() -> None:
    """What a process does first: it leaves interrupts to its parent, and searches for cycles rarely."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    gc.set_threshold(_ALLOCATIONS)
