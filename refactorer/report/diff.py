"""Unified diffs that `patch -p1` and `git apply` accept, whatever the line ends."""

from __future__ import annotations

import difflib
import os

from refactorer.batch import FileReport
from refactorer.source import Source

_NO_NEWLINE = "\\ No newline at end of file\n"


def unified_diff(report: FileReport) -> str:
    """The diff of a converted file, or nothing for any other."""
    if report.before is None or report.after is None:
        return ""
    old, new = _names(report.path)
    lines = difflib.unified_diff(_lines(report.before), _lines(report.after), old, new)
    return "".join(line if line.endswith("\n") else f"{line}\n{_NO_NEWLINE}" for line in lines)


def diff_bytes(report: FileReport) -> bytes:
    """The diff in the file's own encoding, so that it applies to the file's bytes."""
    encoding = report.before.encoding if report.before else "utf-8"
    return unified_diff(report).encode(encoding, "surrogateescape" if encoding == "utf-8" else "replace")


def _names(path: str) -> tuple[str, str]:
    if os.path.isabs(path):
        return path, path
    name = path.replace(os.sep, "/")
    return f"a/{name}", f"b/{name}"


def _lines(source: Source) -> list[str]:
    """The lines as `diff` sees them: only a line feed ends one, and a byte-order mark is part of the first."""
    lines = (source.mark + source.text).split("\n")
    return [f"{line}\n" for line in lines[:-1]] + ([lines[-1]] if lines[-1] else [])
