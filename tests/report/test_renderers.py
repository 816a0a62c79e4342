"""The machine formats as their consumers read them, and the diff."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from refactorer.batch import FileReport
from refactorer.diagnostics import Diagnostic
from refactorer.report import diff, github, sarif, text
from refactorer.report import json as json_report
from refactorer.result import Converted, Failed, Refused, Result, Unchanged
from refactorer.source import Source
from tests.cli_harness import Finding


def converted(before: str, after: str, path: str = "x.py", mark: str = "", encoding: str = "utf-8") -> FileReport:
    sources = (Source(path, text, encoding, mark) for text in (before, after))
    return FileReport(Converted(path, before, after), (), *sources)


REPORTS = [
    FileReport(
        Refused("a b/ü.py", (Diagnostic("R999", "why: 50%\nsecond line", "do this, or that", "a b/ü.py", 3, 7),)),
        (Finding("training-loop", "a loop", 3, 0),),
    ),
    FileReport(Failed("/abs/x.py", (Diagnostic("E001", "cannot be read", "", "/abs/x.py"),))),
    converted("a\n", "b\n", "c.py"),
    FileReport(Unchanged("d.py")),
]


def test_diff_of_plain_text() -> None:
    assert diff.unified_diff(converted("a\nb\nc\n", "a\nB\nc\n")) == (
        "--- a/x.py\n+++ b/x.py\n@@ -1,3 +1,3 @@\n a\n-b\n+B\n c\n"
    )


@pytest.mark.parametrize(
    ("before", "after", "body"),
    [
        ("a", "b", "-a\n\\ No newline at end of file\n+b\n\\ No newline at end of file\n"),
        ("a\r\n", "b\r\n", "-a\r\n+b\r\n"),
        ("a\rb\n", "a\rc\n", "-a\rb\n+a\rc\n"),
        ("", "b\n", "+b\n"),
    ],
)
def test_diff_of_unusual_line_ends(before: str, after: str, body: str) -> None:
    assert diff.unified_diff(converted(before, after)).split(" @@\n")[1] == body


def test_diff_of_absolute_paths_and_marks() -> None:
    shown = diff.unified_diff(converted("a\n", "b\n", "/abs/x.py", mark="\ufeff"))
    assert shown == "--- /abs/x.py\n+++ /abs/x.py\n@@ -1 +1 @@\n-\ufeffa\n+\ufeffb\n"


def test_diff_in_the_files_own_encoding() -> None:
    assert diff.diff_bytes(converted("é\n", "è\n", encoding="latin-1")).endswith(b"-\xe9\n+\xe8\n")


def test_no_diff_without_a_conversion() -> None:
    assert diff.unified_diff(REPORTS[0]) == diff.unified_diff(REPORTS[3]) == ""


def test_json_is_ascii_and_complete() -> None:
    rendered = json_report.render(REPORTS, command="convert", with_diff=True)
    assert rendered.isascii()
    report = json.loads(rendered)
    assert (report["version"], report["command"], report["tool"]["name"]) == (1, "convert", "refactorer")
    assert [file["status"] for file in report["files"]] == ["refused", "error", "converted", "unchanged"]
    assert report["summary"] == {"converted": 1, "unchanged": 1, "refused": 1, "error": 1}
    assert report["files"][0]["diagnostics"] == [
        {
            "code": "R999",
            "severity": "refusal",
            "message": "why: 50%\nsecond line",
            "hint": "do this, or that",
            "path": "a b/ü.py",
            "line": 3,
            "column": 7,
        }
    ]
    assert [file["diff"] != "" for file in report["files"]] == [False, False, True, False]


def test_github_commands_are_escaped() -> None:
    assert github.render(REPORTS, command="analyze").split("\n") == [
        "::notice file=a b/ü.py,line=3,col=0,title=training-loop::a loop",
        "::warning file=a b/ü.py,line=3,col=7,title=R999::why: 50%25%0Asecond line%0Ado this, or that",
        "::error file=/abs/x.py,title=E001::cannot be read",
    ]


def test_github_properties_are_escaped() -> None:
    found = Diagnostic("E002", "bad\r\n::error::x", "", "a,b:c%.py", 1, 1)
    line = github.render([FileReport(Failed("a,b:c%.py", (found,)))], command="convert")
    assert line == "::error file=a%2Cb%3Ac%25.py,line=1,col=1,title=E002::bad%0D%0A::error::x"


def test_github_says_what_would_be_converted() -> None:
    lines = github.render(REPORTS, command="convert").split("\n")
    assert "::notice file=c.py,title=convert::a training loop here can be converted" in lines


def test_github_obeys_nothing_inside_a_diff() -> None:
    report = converted('"""\n::set-env name=PATH::x\n"""\na\n', '"""\n::set-env name=PATH::x\n"""\nb\n')
    lines = github.render([report], command="convert", with_diff=True).split("\n")
    opening = re.fullmatch(r"::stop-commands::([0-9a-f]{64})", lines[0])
    assert opening
    closing = lines.index(f"::{opening[1]}::")
    command_like = [number for number, line in enumerate(lines) if "set-env" in line]
    assert command_like
    assert all(0 < number < closing for number in command_like)
    assert github.render([report], command="convert", with_diff=True) == "\n".join(lines)


def check_result(result: dict[str, Any], rules: list[dict[str, Any]]) -> None:
    """What SARIF 2.1.0 requires of a result, and code-scanning services besides."""
    assert result["message"]["text"]
    assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
    assert result["level"] in {"none", "note", "warning", "error"}
    # SARIF 3.27.10: a kind other than "fail" goes with the level "none".
    assert result.get("kind", "fail") == "fail" or result["level"] == "none"
    (location,) = result["locations"]
    physical = location["physicalLocation"]
    assert re.fullmatch(r"[A-Za-z0-9%/._:~-]+", physical["artifactLocation"]["uri"])
    if "region" in physical:
        assert physical["region"]["startLine"] >= 1
        assert physical["region"]["startColumn"] >= 1


def test_sarif_structure() -> None:
    log = json.loads(sarif.render(REPORTS, command="convert"))
    assert log["version"] == "2.1.0"
    assert log["$schema"].endswith("sarif-2.1.0.json")
    (run,) = log["runs"]
    driver = run["tool"]["driver"]
    assert driver["name"] == "refactorer"
    ids = [rule["id"] for rule in driver["rules"]]
    assert len(set(ids)) == len(ids)
    assert ids == ["E001", "R999", "convertible", "finding/training-loop"]
    assert all(rule["shortDescription"]["text"] for rule in driver["rules"])
    for result in run["results"]:
        check_result(result, driver["rules"])
    assert run["invocations"][0]["executionSuccessful"] is False
    assert run["columnKind"] == "unicodeCodePoints"


def test_sarif_places_and_levels() -> None:
    (run,) = json.loads(sarif.render(REPORTS, command="convert"))["runs"]
    by_rule = {result["ruleId"]: result for result in run["results"]}
    assert {rule: result["level"] for rule, result in by_rule.items()} == {
        "finding/training-loop": "none",
        "R999": "warning",
        "E001": "error",
        "convertible": "note",
    }
    place = by_rule["R999"]["locations"][0]["physicalLocation"]
    expected = {"artifactLocation": {"uri": "a%20b/%C3%BC.py"}, "region": {"startLine": 3, "startColumn": 7}}
    assert place == expected
    assert by_rule["E001"]["locations"][0]["physicalLocation"] == {"artifactLocation": {"uri": "file:///abs/x.py"}}


def test_sarif_rules_come_from_the_pages() -> None:
    (run,) = json.loads(sarif.render(REPORTS[1:2], command="convert"))["runs"]
    (rule,) = run["tool"]["driver"]["rules"]
    assert rule["shortDescription"]["text"] == "the file or folder cannot be read"
    assert rule["fullDescription"]["text"].startswith("The operating system")
    assert rule["help"]["markdown"].startswith("# E001")
    assert rule["defaultConfiguration"] == {"level": "error"}


def test_sarif_of_nothing() -> None:
    (run,) = json.loads(sarif.render([], command="convert"))["runs"]
    assert (run["results"], run["tool"]["driver"]["rules"]) == ([], [])
    assert run["invocations"][0]["executionSuccessful"] is True


@pytest.mark.parametrize(
    ("results", "written", "sentence"),
    [
        ([], False, "no files."),
        ([Unchanged("x")], False, "1 file has nothing to convert."),
        ([Unchanged("x")] * 2, True, "2 files have nothing to convert."),
        ([Refused("x", ())], True, "1 file was refused."),
        ([Converted("x", "", ""), Failed("y", ())], True, "1 file converted, 1 file failed."),
        ([Converted("x", "", "")] * 2, False, "2 files would be converted."),
    ],
)
def test_summary(results: list[Result], written: bool, sentence: str) -> None:
    assert text.summary([FileReport(result) for result in results], written=written) == sentence
