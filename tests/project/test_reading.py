"""Finding the other files of a project as Python would."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from types import MappingProxyType

import pytest

from refactorer.files import read_source
from refactorer.project import Others, convert_file, read_others
from refactorer.project.files import parents_of, reference_from
from refactorer.result import Converted, Unchanged
from refactorer.source import Source
from tests.project.test_taking_in import ENGINE, MAIN

ROOT = Path(__file__).parent.parent.parent


def project(folder: Path, files: Mapping[str, str] = MappingProxyType({})) -> Path:
    """A folder with a script and other files."""
    for name, text in {"main": MAIN, "engine": ENGINE, **files}.items():
        path = folder / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder / "main.py"


def found(script: Path) -> Others:
    return read_others(read_source(str(script)))


def refactorer(*args: str, cwd: Path, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "refactorer", *args]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, cwd=cwd, env=environment, input=stdin, capture_output=True, check=False)


@pytest.mark.parametrize(
    ("base", "package", "level", "name", "reference"),
    [
        ("engine", False, 0, "utils", "utils"),
        ("engine", False, 1, "utils", None),
        ("pkg.engine", False, 1, "utils", "pkg.utils"),
        ("pkg.engine", False, 1, "", "pkg"),
        ("pkg.engine", False, 2, "utils", None),
        ("pkg", True, 1, "utils", "pkg.utils"),
        ("a.b.engine", False, 2, "utils.x", "a.utils.x"),
        (".", True, 1, "engine", ".engine"),
        (".", True, 2, "engine", "..engine"),
        (".engine", False, 1, "utils", ".utils"),
        ("..engine", False, 1, "utils", "..utils"),
        (".pkg", True, 2, "utils", ".utils"),
    ],
)
def test_references(base: str, package: bool, level: int, name: str, reference: str | None) -> None:
    assert reference_from(base, package, level, name) == reference


def test_packages_around_a_module() -> None:
    assert parents_of("a.b.c") == ["a", "a.b"]
    assert parents_of("..a.b") == ["..a"]
    assert parents_of("a") == []


def test_files_are_followed(tmp_path: Path) -> None:
    files = {"engine": "from pkg import a\n", "pkg/__init__": "", "pkg/a": "import os\nfrom . import b\n", "pkg/b": ""}
    script = project(tmp_path, files)
    assert sorted(found(script).files) == ["engine", "pkg", "pkg.a", "pkg.b"]


def test_a_package_goes_before_a_file_of_its_name(tmp_path: Path) -> None:
    script = project(tmp_path, {"engine/__init__": "# the package"})
    assert found(script).files["engine"].text == "# the package"
    assert found(script).files["engine"].package


def test_what_python_would_not_find_there_is_left_out(tmp_path: Path) -> None:
    script = project(tmp_path, {"main": "import random, engine, fast, bad\n", "random": "", "fast": ""})
    (tmp_path / f"fast{EXTENSION_SUFFIXES[0]}").write_bytes(b"")
    (tmp_path / "bad.py").write_bytes(b"\xff\xfe")
    assert sorted(found(script).files) == ["engine"]


def test_a_module_that_may_be_found_elsewhere_is_left_out(tmp_path: Path) -> None:
    """`python -m pkg.main` finds modules in the folder above."""
    script = project(tmp_path / "pkg", {"__init__": ""})
    assert sorted(found(script).files) == ["engine"]
    (tmp_path / "engine.py").write_text(ENGINE)
    assert sorted(found(script).files) == []


def test_a_file_whose_letters_the_script_cannot_hold_is_left_out(tmp_path: Path) -> None:
    script = project(tmp_path, {"main": "# -*- coding: latin-1 -*-\n" + MAIN, "engine": ENGINE + "# 日本\n"})
    assert sorted(found(script).files) == []


def test_a_script_behind_a_link_imports_from_its_own_folder(tmp_path: Path) -> None:
    script = project(tmp_path / "project")
    link = tmp_path / "main.py"
    link.symlink_to(script)
    source = read_source(str(link))
    assert isinstance(convert_file(source.text, path=str(link), others=read_others(source)), Converted)


def test_a_script_that_is_imported(tmp_path: Path) -> None:
    script = project(tmp_path, {"engine": "import main\n" + ENGINE})
    source = read_source(str(script))
    assert isinstance(convert_file(source.text, path=str(script), others=read_others(source)), Unchanged)


def test_a_text_without_a_path_has_no_other_files() -> None:
    assert not read_others(Source("<stdin>", MAIN)).files


def test_the_command_line(tmp_path: Path) -> None:
    script = project(tmp_path)
    other = (tmp_path / "engine.py").read_bytes()
    report = json.loads(refactorer("convert", "main.py", "--format", "json", cwd=tmp_path).stdout)["files"][0]
    assert report["status"] == "converted"
    assert {(one["code"], one["path"]) for one in report["diagnostics"]} == {("N108", "main.py")}
    assert {one["path"] for one in report["findings"]} == {"main.py", "engine.py"}
    assert report["diff"].startswith("--- a/main.py\n+++ b/main.py\n")
    assert refactorer("convert", "-", cwd=tmp_path, stdin=MAIN.encode()).stdout == MAIN.encode()
    assert refactorer("convert", str(script), "--in-place", cwd=tmp_path).returncode == 0
    assert "class Lit" in script.read_text()
    assert (tmp_path / "engine.py").read_bytes() == other
    assert refactorer("convert", "main.py", "--check", cwd=tmp_path).returncode == 0


def test_verify(tmp_path: Path) -> None:
    project(tmp_path)
    done = refactorer("verify", "main.py", "--format", "line", cwd=tmp_path)
    assert done.returncode == 0, done.stdout.decode() + done.stderr.decode()


LOADED = MAIN.replace("(3, 1)", "(3, 1, bias=False)").replace(
    "[(torch.randn(4, 3), torch.randn(4, 1)) for _ in range(3)]",
    "torch.utils.data.DataLoader(torch.utils.data.TensorDataset(torch.randn(12, 3), torch.randn(12, 1)), batch_size=4)",
)
STEPS = """\
def train_one_epoch(model, optimizer, loader, epoch):
    for x, y in loader:
        optimizer.zero_grad()
        loss = (model(x) - y).square().mean()
        loss.backward()
        optimizer.step()


def evaluate(model, loader):
    return len(loader)
"""


def test_for_lightning(tmp_path: Path) -> None:
    script = project(
        tmp_path, {"main": LOADED.replace("    print(repr(evaluate(model, loader)))\n", ""), "engine": STEPS}
    )
    done = refactorer("convert", "main.py", "--in-place", "--target", "lightning", cwd=tmp_path)
    assert done.returncode == 0
    assert "pytorch_lightning" in script.read_text(), done.stderr.decode()
