"""Reports for people: one line for each message, in the `file:line:column: CODE message` form that editors follow."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from refactorer.batch import FileReport
from refactorer.diagnostics import Diagnostic

_OUTLOOK = {
    "converted": "can be converted",
    "unchanged": "nothing to convert",
    "refused": "cannot be converted as it stands",
    "error": "could not be analyzed",
}


def diagnostic_lines(diagnostic: Diagnostic) -> list[str]:
    """The message, and the hint on a line of its own."""
    lines = [f"{diagnostic.place}: {diagnostic.code} {diagnostic.message}"]
    return [*lines, f"    hint: {diagnostic.hint}"] if diagnostic.hint else lines


def messages(reports: Iterable[FileReport], done: str | None) -> list[str]:
    """The diagnostics of all files; `done` ("converted", say) introduces each file that was or would be converted."""
    lines: list[str] = []
    for report in reports:
        if done and report.result.status == "converted":
            lines.append(f"{done} {report.path}")
        for diagnostic in report.result.diagnostics:
            lines += diagnostic_lines(diagnostic)
    return lines


def analysis(reports: Iterable[FileReport]) -> list[str]:
    """What was found in each file, its diagnostics, and whether it can be converted."""
    lines: list[str] = []
    for report in reports:
        for finding in report.findings:
            lines.append(
                f"{finding.path or report.path}:{finding.line}:{finding.column}: {finding.kind}: {finding.message}"
            )
        for diagnostic in report.result.diagnostics:
            lines += diagnostic_lines(diagnostic)
        lines.append(f"{report.path}: {_OUTLOOK[report.result.status]}")
    return lines


def summary(reports: Sequence[FileReport], *, written: bool) -> str:
    """One sentence that counts the outcomes."""
    count = Counter(report.result.status for report in reports)
    verb = "converted" if written else "would be converted"
    parts = [
        _part(count["converted"], verb, verb),
        _part(count["unchanged"], "has nothing to convert", "have nothing to convert"),
        _part(count["refused"], "was refused", "were refused"),
        _part(count["error"], "failed", "failed"),
    ]
    return (", ".join(part for part in parts if part) or "no files") + "."


def _part(number: int, one: str, many: str) -> str:
    if number == 0:
        return ""
    return f"{number} file {one}" if number == 1 else f"{number} files {many}"
