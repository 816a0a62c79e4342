"""Scripts with other files around them: what `convert` makes of each, and that it trains exactly as the script did.

A project is a folder in fixtures/projects/ with `main.in.py`, the files that it imports, and `main.out.py`, the
conversion as reviewed. `pytest tests/project/test_fixtures.py --update-goldens` rewrites that.
"""

from __future__ import annotations

import pathlib

import pytest

from refactorer.project import convert_file, read_others
from refactorer.result import Converted, Result, Unchanged
from refactorer.source import decode
from tests.fixtures_harness import FIXTURES, Runner, first_difference, read, undefined_names

PROJECTS = sorted((FIXTURES / "projects").iterdir())
every_project = pytest.mark.parametrize("folder", PROJECTS, ids=lambda folder: folder.name)


def beside(folder: pathlib.Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*.py") if not path.name.endswith((".in.py", ".out.py")))
    return {path.relative_to(folder).as_posix(): read(path) for path in files}


def converted(folder: pathlib.Path, name: str = "main.in.py") -> Result:
    path = folder / name
    source = decode(path.read_bytes(), path=str(path))
    return convert_file(source.text, path=str(path), others=read_others(source))


def after(folder: pathlib.Path) -> str:
    result = converted(folder)
    assert isinstance(result, Converted), "\n".join(map(str, result.diagnostics))
    return result.after


@every_project
def test_golden(folder: pathlib.Path, request: pytest.FixtureRequest) -> None:
    golden = folder / "main.out.py"
    if request.config.getoption("--update-goldens"):
        golden.write_bytes(after(folder).encode())
    assert golden.exists(), "no golden result yet: run with --update-goldens and review it"
    assert after(folder) == read(golden)


@every_project
def test_no_name_is_left_undefined(folder: pathlib.Path) -> None:
    assert undefined_names(after(folder)) <= undefined_names(read(folder / "main.in.py"))


@every_project
def test_converting_again_changes_nothing(folder: pathlib.Path) -> None:
    again = converted(folder, "main.out.py")
    assert isinstance(again, Unchanged)
    assert not again.diagnostics


@every_project
def test_trains_the_same(folder: pathlib.Path, runner: Runner) -> None:
    before = runner.run(read(folder / "main.in.py"), beside=beside(folder))
    assert before.status == 0, before.error
    assert before.events
    assert first_difference(before, runner.run(after(folder), beside=beside(folder))) is None
