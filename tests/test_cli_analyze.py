"""`refactorer analyze`: what it prints in each format, and the exit status."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli_harness import CommandLine, command_line, install_stub


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes], tmp_path: Path) -> CommandLine:
    install_stub(monkeypatch)
    monkeypatch.chdir(tmp_path)
    for name, text in (("a", "LOOP\n"), ("b", "x = 1\n"), ("c", "REFUSE\n")):
        (tmp_path / f"{name}.py").write_text(text)
    return command_line(monkeypatch, capfdbinary)


def test_text(cli: CommandLine) -> None:
    done = cli("analyze", ".")
    assert (done.status, done.stderr) == (3, "")
    assert done.text.splitlines() == [
        "a.py:1:1: training-loop: a loop over the batches",
        "a.py:1:1: N101 kept in its literal form",
        "a.py: can be converted",
        "b.py: nothing to convert",
        "c.py:1:3: R303 two optimizers, 100% sure",
        "    hint: use one: the other",
        "c.py: cannot be converted as it stands",
    ]


@pytest.mark.parametrize(("name", "status"), [("a.py", 0), ("b.py", 0), ("c.py", 3)])
def test_exit_status(cli: CommandLine, name: str, status: int) -> None:
    assert cli("analyze", name).status == status


@pytest.mark.parametrize("text", ["1 +", "BOOM", "# coding: klingon"])
def test_errors(cli: CommandLine, tmp_path: Path, text: str) -> None:
    (tmp_path / "bad.py").write_text(text)
    done = cli("analyze", "bad.py", "c.py")
    assert done.status == 2
    assert "bad.py: could not be analyzed" in done.text


def test_standard_input(cli: CommandLine) -> None:
    done = cli("analyze", "-", stdin=b"LOOP")
    assert (done.status, done.text.splitlines()[-1]) == (0, "<stdin>: can be converted")


def test_json(cli: CommandLine) -> None:
    done = cli("analyze", ".", "--format", "json", "--jobs", "2")
    report = json.loads(done.text)
    assert report["command"] == "analyze"
    assert [(file["path"], file["status"]) for file in report["files"]] == [
        ("a.py", "converted"),
        ("b.py", "unchanged"),
        ("c.py", "refused"),
    ]
    assert report["files"][0]["findings"][0]["kind"] == "training-loop"
    assert all("diff" not in file for file in report["files"])


def test_sarif(cli: CommandLine) -> None:
    run = json.loads(cli("analyze", ".", "--format", "sarif").text)["runs"][0]
    assert [result["ruleId"] for result in run["results"]] == ["finding/training-loop", "N101", "R303"]


def test_github(cli: CommandLine) -> None:
    assert cli("analyze", ".", "--format", "github").text.splitlines() == [
        "::notice file=a.py,line=1,col=1,title=training-loop::a loop over the batches",
        "::notice file=a.py,line=1,col=1,title=N101::kept in its literal form",
        "::warning file=c.py,line=1,col=3,title=R303::two optimizers, 100%25 sure%0Ause one: the other",
    ]


def test_empty_folder(cli: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    done = cli("analyze", "empty", "--format", "json")
    assert (done.status, json.loads(done.text)["files"]) == (0, [])
    assert done.stderr == "empty: no Python files here\n"


@pytest.mark.parametrize("args", [[], ["missing.py"], ["a.py", "--format", "xml"], ["a.py", "--in-place"]])
def test_bad_usage(cli: CommandLine, args: list[str]) -> None:
    done = cli("analyze", *args)
    assert (done.status, done.stdout) == (2, b"")
