"""The command line with the real converter, on whole scripts, in processes of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FIXTURES = ROOT / "fixtures"
REFUSED = sorted(path.stem for path in (FIXTURES / "refused").glob("*.py"))


def refactorer(*args: str, cwd: Path, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "refactorer", *args]
    return subprocess.run(command, cwd=cwd, env=environment, input=stdin, capture_output=True, check=False)


@pytest.fixture
def script(tmp_path: Path) -> Path:
    return Path(shutil.copy(FIXTURES / "mnist_functions.in.py", tmp_path / "train.py"))


def test_every_way_to_get_the_result_gives_the_same(script: Path) -> None:
    before, expected = script.read_bytes(), (FIXTURES / "mnist_functions.out.py").read_bytes()
    piped = refactorer("convert", "-", cwd=script.parent, stdin=before)
    assert (piped.returncode, piped.stdout) == (0, expected), piped.stderr.decode()
    assert refactorer("convert", "train.py", "-o", "out.py", cwd=script.parent).returncode == 0
    assert (script.parent / "out.py").read_bytes() == expected
    assert script.read_bytes() == before
    assert refactorer("convert", "train.py", "-i", cwd=script.parent).returncode == 0
    assert script.read_bytes() == expected


def test_converting_again_changes_nothing(script: Path) -> None:
    refactorer("convert", "train.py", "-i", cwd=script.parent)
    before = script.read_bytes()
    assert refactorer("convert", "train.py", "--check", cwd=script.parent).returncode == 0
    again = refactorer("convert", "train.py", "-i", cwd=script.parent)
    assert (again.returncode, script.read_bytes()) == (0, before)


def test_check_and_report(script: Path) -> None:
    done = refactorer("convert", "train.py", "--check", "--diff", "--format", "json", cwd=script.parent)
    (file,) = json.loads(done.stdout)["files"]
    assert (done.returncode, file["status"]) == (1, "converted")
    assert file["findings"]
    assert "+class LitNet(Module):" in file["diff"]


def test_windows_line_ends_stay(tmp_path: Path) -> None:
    data = (FIXTURES / "windows_newlines.in.py").read_bytes()
    assert b"\r\n" in data
    done = refactorer("convert", "-", cwd=tmp_path, stdin=data)
    assert done.returncode == 0
    assert done.stdout != data
    assert done.stdout.count(b"\n") == done.stdout.count(b"\r\n")


@pytest.mark.parametrize("name", REFUSED[:3])
def test_a_refused_script_stays_as_it_is(tmp_path: Path, name: str) -> None:
    path = Path(shutil.copy(FIXTURES / "refused" / f"{name}.py", tmp_path / "train.py"))
    before = path.read_bytes()
    done = refactorer("convert", "train.py", "-i", cwd=tmp_path)
    assert (done.returncode, done.stdout, path.read_bytes()) == (3, b"", before)
    assert done.stderr.decode().startswith("train.py:")


def test_a_folder_with_everything(tmp_path: Path) -> None:
    for folder in ("refused", "unchanged"):
        shutil.copytree(FIXTURES / folder, tmp_path / folder)
    shutil.copy(FIXTURES / "mnist_functions.in.py", tmp_path / "train.py")
    done = refactorer("analyze", ".", "--format", "json", "--jobs", "2", cwd=tmp_path)
    assert done.returncode == 3, done.stderr.decode()
    statuses = {file["path"]: file["status"] for file in json.loads(done.stdout)["files"]}
    assert statuses["train.py"] == "converted"
    assert {status for path, status in statuses.items() if path.startswith("refused/")} == {"refused"}
    assert {status for path, status in statuses.items() if path.startswith("unchanged/")} == {"unchanged"}
