"""Whole scripts for pytorch_lightning alone: each is golden, and trains as the script did, or a named trap refuses it.

`pytest tests/lightning --update-goldens` rewrites fixtures/lightning/; review the difference.
"""

from __future__ import annotations

import pathlib
from functools import cache

import pytest

from refactorer import convert
from refactorer.lightning.check import TRAPS
from refactorer.result import Converted, Refused, Result, Unchanged
from tests.fixtures_harness import FIXTURES, Runner, first_difference, lost_comments, read, undefined_names

try:
    import tomllib
except ModuleNotFoundError:  # Python 3.10
    import tomli as tomllib

FOLDER = FIXTURES / "lightning"
NAMES = sorted(path.name.removesuffix(".in.py") for path in FIXTURES.glob("*.in.py"))
REFUSED: dict[str, str] = tomllib.loads((FOLDER / "refused.toml").read_text())
GOLDEN = [name for name in NAMES if name not in REFUSED]
ARGUMENTS: dict[str, list[list[str]]] = tomllib.loads((FIXTURES / "arguments.toml").read_text())
RUNS = [(name, args) for name in GOLDEN for args in ARGUMENTS.get(name, [[]])]

every_golden = pytest.mark.parametrize("name", GOLDEN)


def golden(name: str) -> pathlib.Path:
    return FOLDER / f"{name}.out.py"


@cache
def original(name: str) -> str:
    return read(FIXTURES / f"{name}.in.py")


@cache
def result(name: str) -> Result:
    return convert(original(name), path=f"{name}.in.py", target="lightning")


def converted(name: str) -> str:
    found = result(name)
    assert isinstance(found, Converted), "\n".join(map(str, found.diagnostics))
    return found.after


@pytest.mark.parametrize("name", REFUSED)
def test_refused_by_the_expected_trap(name: str) -> None:
    found = result(name)
    assert isinstance(found, Refused)
    (diagnostic,) = found.diagnostics
    assert diagnostic.code == "R501"
    assert diagnostic.message.split(":")[0] == REFUSED[name]
    assert diagnostic.hint == "use --target runtime"
    assert 1 <= diagnostic.line <= len(original(name).splitlines())


def test_traps_have_names_of_their_own() -> None:
    names = [trap.name for trap in TRAPS]
    assert len(set(names)) == len(names)
    assert set(REFUSED.values()) <= set(names)
    assert set(REFUSED) <= set(NAMES)


@every_golden
def test_golden(name: str, request: pytest.FixtureRequest) -> None:
    if request.config.getoption("--update-goldens"):
        golden(name).write_bytes(converted(name).encode())
    assert golden(name).exists(), "no golden result yet: run with --update-goldens and review it"
    assert converted(name) == read(golden(name))


def test_every_golden_has_a_script() -> None:
    assert {path.name.removesuffix(".out.py") for path in FOLDER.glob("*.out.py")} == set(GOLDEN)


@every_golden
def test_nothing_of_the_runtime_is_imported(name: str) -> None:
    text = converted(name)
    assert "import runtime" not in text
    assert "from runtime" not in text
    assert not undefined_names(text) - undefined_names(original(name))


@every_golden
def test_converting_again_changes_nothing(name: str) -> None:
    for target in ("lightning", "runtime"):
        assert isinstance(convert(converted(name), path=f"{name}.out.py", target=target), Unchanged)


@every_golden
def test_no_comment_is_lost(name: str) -> None:
    assert not lost_comments(original(name), converted(name))


@pytest.mark.parametrize(("name", "args"), RUNS, ids=[" ".join([name, *args]) for name, args in RUNS])
def test_trains_the_same(name: str, args: list[str], runner: Runner) -> None:
    before = runner.run(original(name), args)
    assert before.events or args
    assert first_difference(before, runner.run(converted(name), args)) is None
