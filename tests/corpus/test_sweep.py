"""The sweep finds what is wrong with a conversion: each check is shown a file that fails it."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from refactorer.diagnostics import Diagnostic
from refactorer.result import Converted, Failed, Refused, Unchanged
from tests.corpus import check, sweep
from tests.corpus.check import CRASHED, NOT_PYTHON, Checked, check_file, check_text
from tests.corpus.workers import DIED, TIMED_OUT, Workers
from tests.fixtures_harness import FIXTURES

SCRIPT = FIXTURES / "mnist_functions.in.py"
BEFORE = "loss.backward()  # learn\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """One script that is converted, one that is not Python 3, one without a training, and files to pass over."""
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "train.py").write_bytes(SCRIPT.read_bytes())
    (tmp_path / "old.py").write_text("loss.backward()\nprint 'done'\n")
    (tmp_path / "plain.py").write_text("def twice(loss):\n    loss.backward()\n    loss.backward()\n")
    (tmp_path / "other.py").write_text("print('no gradients here')\n")
    (tmp_path / "notes.txt").write_text("loss.backward()\n")
    return tmp_path


def convert_to(monkeypatch: pytest.MonkeyPatch, *results: Any) -> None:
    """The converter gives these results, one after the other; exceptions are raised."""
    left = list(results)

    def convert(text: str, *, path: str) -> Any:
        result = left.pop(0)
        if isinstance(result, BaseException):
            raise result
        return result

    monkeypatch.setattr(check, "convert", convert)


def violations(monkeypatch: pytest.MonkeyPatch, after: str, again: Any) -> list[str]:
    convert_to(monkeypatch, Converted("x.py", BEFORE, after), again)
    return check_text(BEFORE, "x.py").violations


def test_only_scripts_with_gradients_are_taken(folder: Path) -> None:
    names = [Path(path).name for path in sweep.scripts([folder, folder / "deep"])]
    assert names == ["train.py", "old.py", "plain.py"]


def test_a_folder_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        sweep.main([str(tmp_path / "nowhere")])
    assert exit_.value.code == 2
    assert "nowhere is not a folder" in capsys.readouterr().err


@pytest.mark.slow
def test_sweep_of_a_folder(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = folder / "report.json"
    assert sweep.main([str(folder), "--report", str(report), "--list", NOT_PYTHON, "--jobs", "2"]) == 0
    said = capsys.readouterr().out
    assert said.startswith(f"{folder / 'old.py'}\n3 scripts: ")
    assert said.endswith("\n0 violations\n")
    rows = {Path(row["path"]).name: row for row in json.loads(report.read_text())}
    assert {name: row["status"] for name, row in rows.items()} == {
        "train.py": "converted", "old.py": NOT_PYTHON, "plain.py": "unchanged",
    }  # fmt: skip
    assert rows["train.py"]["seconds"] > 0 < rows["train.py"]["parse_seconds"]


def test_a_violation_gives_exit_status_1(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = Checked("x.py", "converted", violations=["does not compile"])
    monkeypatch.setattr(sweep, "sweep", lambda folders, **options: [wrong])
    assert sweep.main([str(folder)]) == 1


def test_a_sound_result_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    assert violations(monkeypatch, "print(loss)  # learn\n", Unchanged("x.py")) == []


@pytest.mark.parametrize(
    ("after", "again", "violation"),
    [
        ("loss.(  # learn\n", Unchanged("x.py"), "the result does not compile"),
        ("loss = self.other  # learn\n", Unchanged("x.py"), "undefined in the result: self"),
        ("from math import *\ntau(loss)  # learn\n", Unchanged("x.py"), "undefined in the result: tau"),
        ("loss.sum()  # learn\n", Converted("x.py", "", "loss.sum()\n"), "conversion of the result is converted"),
        ("loss.sum()  # learn\n", Refused("x.py", (Diagnostic("R101", "no"),)), "conversion of the result is refused"),
        ("loss.sum()  # learn\n", KeyError("epoch"), "conversion of the result raised KeyError"),
        ("loss.sum()\n", Unchanged("x.py"), "lost comments: # learn"),
    ],
)
def test_each_fault_of_a_result_is_seen(
    monkeypatch: pytest.MonkeyPatch, after: str, again: Any, violation: str
) -> None:
    found = violations(monkeypatch, after, again)
    assert len(found) == 1
    assert found[0].startswith(violation)


@pytest.mark.parametrize(
    ("result", "status", "violation"),
    [
        (KeyError("epoch"), CRASHED, "raised KeyError: 'epoch'"),
        (Refused("x.py", ()), "refused", "refused without a reason"),
        (Failed("x.py", (Diagnostic("E900", "oh"),)), "error", "failed, and the file is valid Python"),
        (Refused("x.py", (Diagnostic("R999", "no"),)), "refused", "R999 has no page"),
        (Refused("x.py", (Diagnostic("R900", "no", line=3),)), "refused", "R900 names line 3 of 2"),
    ],
)
def test_each_fault_of_an_outcome_is_seen(
    monkeypatch: pytest.MonkeyPatch, result: Any, status: str, violation: str
) -> None:
    convert_to(monkeypatch, result)
    checked = check_text(BEFORE, "x.py")
    assert checked.status == status
    assert len(checked.violations) == 1
    assert checked.violations[0].startswith(violation)


def test_a_file_that_is_not_python_may_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    convert_to(monkeypatch, Failed("x.py", (Diagnostic("E002", "not valid Python"),)))
    checked = check_text("print 'done'\n", "x.py")
    assert (checked.status, checked.violations) == (NOT_PYTHON, [])


def test_a_file_that_is_not_text(tmp_path: Path) -> None:
    path = tmp_path / "latin.py"
    path.write_bytes(b"# \xe4\nloss.backward()\n")
    checked = check_file(str(path))
    assert (checked.status, checked.violations) == (NOT_PYTHON, [])
    assert [said.code for said in checked.said] == ["E003"]


def behave_as_named(path: str) -> Checked:
    if path == "hangs":
        time.sleep(60)
    if path == "dies":
        os._exit(7)
    return Checked(path, "unchanged")


@pytest.mark.slow
def test_a_process_that_hangs_or_dies_costs_its_file_only() -> None:
    with Workers(behave_as_named, jobs=1, limit=2.0) as workers:
        outcomes = list(workers.run(["a", "hangs", "b", "dies", "c"]))
    assert [o.status for o in outcomes] == ["unchanged", TIMED_OUT, "unchanged", DIED, "unchanged"]
    assert [o.violations for o in outcomes if o.violations] == [
        ["took more than 2 s"], ["the process ended with status 7"],
    ]  # fmt: skip
