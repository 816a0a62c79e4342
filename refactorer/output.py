"""Standard output for results and standard error for messages, at a terminal or in a pipe."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, TextIO

from refactorer.batch import FileReport
from refactorer.report import diff

if TYPE_CHECKING:
    from refactorer.verify import Verdict

_WIDTH_OF_PIPES = 120


def results(text: str) -> None:
    """Text for standard output, with a newline at its end."""
    _write(sys.stdout, text if text.endswith("\n") or not text else f"{text}\n")


def result_lines(lines: Iterable[str]) -> None:
    """Lines for standard output."""
    _lines(sys.stdout, lines)


def messages(lines: Iterable[str]) -> None:
    """Lines for standard error."""
    _lines(sys.stderr, lines)


def diffs(reports: Iterable[FileReport]) -> None:
    """The diffs of the files that were converted; each in its file's own encoding, unless someone reads along."""
    for report in reports:
        if not report.after:
            continue
        if sys.stdout.isatty():
            from refactorer.report import terminal

            terminal.print_diff(diff.unified_diff(report))
        else:
            raw(diff.diff_bytes(report))


def text_of(report: FileReport) -> None:
    """The text of one file after its conversion, or as it is when there was nothing to convert."""
    source = report.after or (report.before if report.result.status == "unchanged" else None)
    if source:
        raw(source.data)


def page(markdown: str) -> None:
    """A page in Markdown."""
    if sys.stdout.isatty():
        from refactorer.report import terminal

        terminal.print_page(markdown)
    else:
        results(markdown)


def verdict(found: Verdict, output_format: str) -> None:
    """The report of a verification; when there was none, its message for standard error."""
    from refactorer.verify.report import as_json, words

    if output_format == "json":
        results(as_json.render(found))
        return
    if output_format == "line":
        results(words.summary(found))
        return
    from rich.console import Console

    from refactorer.verify import report_text

    stream = sys.stderr if found.outcome == "error" else sys.stdout
    width = None if stream.isatty() else _WIDTH_OF_PIPES
    Console(file=stream, width=width, highlight=False).print(report_text.render(found))


def raw(data: bytes) -> None:
    """Bytes for standard output, as they are."""
    sys.stdout.flush()
    try:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        _reader_is_gone(sys.stdout)


def _lines(stream: TextIO, lines: Iterable[str]) -> None:
    if stream.isatty():
        from refactorer.report import terminal

        terminal.print_lines(lines, stderr=stream is sys.stderr)
    else:
        _write(stream, "".join(f"{line}\n" for line in lines))


def _write(stream: TextIO, text: str) -> None:
    """Write what the stream's encoding has no letters for as escapes, rather than fail."""
    encoding = stream.encoding or "utf-8"
    try:
        stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
        stream.flush()
    except BrokenPipeError:
        _reader_is_gone(stream)


def _reader_is_gone(stream: TextIO) -> None:
    """A reader that has seen enough (`| head`) is no error: go on in silence, and end with the usual status."""
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, stream.fileno())
    os.close(silence)
