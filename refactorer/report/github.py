"""GitHub workflow commands: messages that a pull request shows beside the lines they are about."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from refactorer.batch import FileReport
from refactorer.diagnostics import Diagnostic, Severity
from refactorer.report.diff import unified_diff

_COMMAND = {Severity.ERROR: "error", Severity.REFUSAL: "warning", Severity.NOTE: "notice"}


def render(reports: Sequence[FileReport], *, command: str, with_diff: bool = False) -> str:
    """One workflow command a line: errors, refusals as warnings, notes and findings as notices."""
    lines = [_quoted(unified_diff(report)) for report in reports if report.after] if with_diff else []
    for report in reports:
        if command == "convert" and report.result.status == "converted":
            lines.append(_line("notice", report.path, 0, 0, "convert", "a training loop here can be converted"))
        for finding in report.findings:
            lines.append(
                _line(
                    "notice", finding.path or report.path, finding.line, finding.column, finding.kind, finding.message
                )
            )
        lines += [_diagnostic(diagnostic) for diagnostic in report.result.diagnostics]
    return "\n".join(lines)


def _diagnostic(diagnostic: Diagnostic) -> str:
    message = f"{diagnostic.message}\n{diagnostic.hint}" if diagnostic.hint else diagnostic.message
    command = _COMMAND[diagnostic.severity]
    return _line(command, diagnostic.path, diagnostic.line, diagnostic.column, diagnostic.code, message)


def _line(command: str, path: str, line: int, column: int, title: str, message: str) -> str:
    place = f",line={line},col={column}" if line else ""
    return f"::{command} file={_property(path)}{place},title={_property(title)}::{_data(message)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def _quoted(diff: str) -> str:
    """A diff during which the runner obeys no commands, so that a file's own text can't give it any.

    The word that ends the quotation depends on all of the text, so the text can't contain it.
    """
    word = hashlib.sha256(diff.encode("utf-8", "surrogateescape")).hexdigest()
    return f"::stop-commands::{word}\n{diff.rstrip(chr(10))}\n::{word}::"
