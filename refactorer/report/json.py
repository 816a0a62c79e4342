"""The JSON report. Its layout is versioned: fields may be added, none is renamed or removed within a version.

    {
      "version": 1,
      "tool": {"name": "refactorer", "version": "0.1.0"},
      "command": "convert",
      "files": [
        {
          "path": "train.py",
          "status": "converted",              converted | unchanged | refused | error
          "findings": [{"kind": "...", "message": "...", "path": "train.py", "line": 1, "column": 1}],
          "diagnostics": [{"code": "E002", "severity": "error", "message": "...", "hint": "...",
                           "path": "train.py", "line": 1, "column": 1}],
          "diff": "--- a/train.py ..."        when a diff was asked for
        }
      ],
      "summary": {"converted": 1, "unchanged": 0, "refused": 0, "error": 0}
    }

The path of a finding or a diagnostic is that of the file itself, or of another file of its project that it is about.
Lines and columns count from 1, columns in characters; both are 0 for a message about the whole file.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

from refactorer.batch import FileReport, Finding
from refactorer.config import VERSION
from refactorer.diagnostics import Diagnostic
from refactorer.report.diff import unified_diff

LAYOUT_VERSION = 1
_STATUSES = ("converted", "unchanged", "refused", "error")


def render(reports: Sequence[FileReport], *, command: str, with_diff: bool = False) -> str:
    """The report as one JSON object, in ASCII."""
    count = Counter(report.result.status for report in reports)
    document = {
        "version": LAYOUT_VERSION,
        "tool": {"name": "refactorer", "version": VERSION},
        "command": command,
        "files": [_file(report, with_diff) for report in reports],
        "summary": {status: count[status] for status in _STATUSES},
    }
    return json.dumps(document, indent=2)


def _file(report: FileReport, with_diff: bool) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "path": report.path,
        "status": report.result.status,
        "findings": [_finding(finding, report.path) for finding in report.findings],
        "diagnostics": [_diagnostic(diagnostic) for diagnostic in report.result.diagnostics],
    }
    return {**fields, "diff": unified_diff(report)} if with_diff else fields


def _finding(finding: Finding, path: str) -> dict[str, Any]:
    place = {"path": finding.path or path, "line": finding.line, "column": finding.column}
    return {"kind": finding.kind, "message": finding.message, **place}


def _diagnostic(diagnostic: Diagnostic) -> dict[str, Any]:
    return {
        "code": diagnostic.code,
        "severity": diagnostic.severity.value,
        "message": diagnostic.message,
        "hint": diagnostic.hint,
        "path": diagnostic.path,
        "line": diagnostic.line,
        "column": diagnostic.column,
    }
