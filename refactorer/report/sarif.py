"""SARIF 2.1.0, for code-scanning services. Each code is a rule that carries its page; findings are informational."""

from __future__ import annotations

import json
import os
import pathlib
import urllib.parse
from collections.abc import Iterable, Sequence
from typing import Any

from refactorer import pages
from refactorer.batch import FileReport
from refactorer.config import VERSION
from refactorer.diagnostics import Diagnostic, Severity

_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_LEVEL = {Severity.ERROR: "error", Severity.REFUSAL: "warning", Severity.NOTE: "note"}


def render(reports: Sequence[FileReport], *, command: str, with_diff: bool = False) -> str:
    """The log of one run. `with_diff` is not supported by this format and must be False."""
    assert not with_diff
    results = [result for report in reports for result in _results(report, command)]
    rules = sorted({result["ruleId"] for result in results})
    for result in results:
        result["ruleIndex"] = rules.index(result["ruleId"])
    ok = all(report.result.status != "error" for report in reports)
    run = {
        "tool": {"driver": {"name": "refactorer", "version": VERSION, "rules": [_rule(rule) for rule in rules]}},
        "columnKind": "unicodeCodePoints",
        "invocations": [{"executionSuccessful": ok, "commandLine": f"refactorer {command}"}],
        "results": results,
    }
    return json.dumps({"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2)


def _results(report: FileReport, command: str) -> Iterable[dict[str, Any]]:
    if command == "convert" and report.result.status == "converted":
        yield {**_result("convertible", "a training loop here can be converted", report.path, 0, 0), "level": "note"}
    for finding in report.findings:
        result = _result(
            f"finding/{finding.kind}", finding.message, finding.path or report.path, finding.line, finding.column
        )
        yield {**result, "level": "none", "kind": "informational"}
    for diagnostic in report.result.diagnostics:
        yield _diagnostic(diagnostic)


def _diagnostic(diagnostic: Diagnostic) -> dict[str, Any]:
    text = f"{diagnostic.message}\n{diagnostic.hint}" if diagnostic.hint else diagnostic.message
    result = _result(diagnostic.code, text, diagnostic.path, diagnostic.line, diagnostic.column)
    return {**result, "level": _LEVEL[diagnostic.severity]}


def _result(rule: str, text: str, path: str, line: int, column: int) -> dict[str, Any]:
    location: dict[str, Any] = {"artifactLocation": {"uri": _uri(path)}}
    if line:
        location["region"] = {"startLine": line, "startColumn": max(column, 1)}
    return {"ruleId": rule, "message": {"text": text}, "locations": [{"physicalLocation": location}]}


def _uri(path: str) -> str:
    if os.path.isabs(path):
        return pathlib.PurePath(path).as_uri()
    return urllib.parse.quote(os.fsencode(path.replace(os.sep, "/")))


def _rule(rule: str) -> dict[str, Any]:
    page = pages.find(rule)
    if page is None:
        return {"id": rule, "shortDescription": {"text": rule.rpartition("/")[2].replace("-", " ")}}
    return {
        "id": rule,
        "shortDescription": {"text": page.title},
        "fullDescription": {"text": page.first_paragraph},
        "help": {"text": page.text, "markdown": page.text},
        "defaultConfiguration": {"level": _LEVEL[Diagnostic(rule, "").severity]},
    }
