"""Whole scripts: what `convert` makes of each, and that it trains exactly as the script did.

A fixture is a pair of files in fixtures/: NAME.in.py, written by hand, and NAME.out.py, the conversion as reviewed.
`pytest tests/test_fixtures.py --update-goldens` rewrites the second; review the difference.
"""

from __future__ import annotations

import pathlib
from functools import cache

import pytest

from refactorer import convert
from refactorer.result import Converted, Unchanged
from tests.fixtures_harness import FIXTURES, Run, Runner, first_difference, lost_comments, read, undefined_names

try:
    import tomllib
except ModuleNotFoundError:  # Python 3.10
    import tomli as tomllib

ARGUMENTS: dict[str, list[list[str]]] = tomllib.loads((FIXTURES / "arguments.toml").read_text())
NAMES = sorted(path.name.removesuffix(".in.py") for path in FIXTURES.glob("*.in.py"))
RUNS = [(name, args) for name in NAMES for args in ARGUMENTS.get(name, [[]])]

every_fixture = pytest.mark.parametrize("name", NAMES)


def golden(name: str) -> pathlib.Path:
    return FIXTURES / f"{name}.out.py"


@cache
def original(name: str) -> str:
    return read(FIXTURES / f"{name}.in.py")


@cache
def converted(name: str) -> str:
    result = convert(original(name), path=f"{name}.in.py")
    assert isinstance(result, Converted), "\n".join(map(str, result.diagnostics))
    return result.after


@every_fixture
def test_golden(name: str, request: pytest.FixtureRequest) -> None:
    if request.config.getoption("--update-goldens"):
        golden(name).write_bytes(converted(name).encode())
    assert golden(name).exists(), "no golden result yet: run with --update-goldens and review it"
    assert converted(name) == read(golden(name))


@every_fixture
def test_no_name_is_left_undefined(name: str) -> None:
    assert undefined_names(converted(name)) <= undefined_names(original(name))


@every_fixture
def test_converting_again_changes_nothing(name: str) -> None:
    assert isinstance(convert(converted(name), path=f"{name}.out.py"), Unchanged)


@every_fixture
def test_no_comment_is_lost(name: str) -> None:
    assert not lost_comments(original(name), converted(name))


@every_fixture
def test_line_endings_stay(name: str) -> None:
    assert ("\r\n" in converted(name)) == ("\r\n" in original(name))
    assert converted(name).count("\n") == converted(name).count("\r\n") or "\r\n" not in original(name)


@pytest.mark.parametrize(("name", "args"), RUNS, ids=[" ".join([name, *args]) for name, args in RUNS])
def test_trains_the_same(name: str, args: list[str], runner: Runner) -> None:
    before = runner.run(original(name), args)
    assert before.status == 0 or args, f"the original does not run: {before.error}"
    assert before.events or args
    assert first_difference(before, runner.run(converted(name), args)) is None


def test_arguments_name_fixtures() -> None:
    assert set(ARGUMENTS) <= set(NAMES)


def test_every_golden_has_a_script() -> None:
    assert {path.name.removesuffix(".out.py") for path in FIXTURES.glob("*.out.py")} <= set(NAMES)


DEFECTS = {
    "a missing zero_grad": ("opt.zero_grad()", "pass"),
    "dropout left off": ("net.train()", "net.eval()"),
    "a mean that became a sum": ("crit = nn.L1Loss()", "crit = nn.L1Loss(reduction='sum')"),
    "an evaluation skipped": ("    test()\n", "    pass\n"),
    "another number of epochs": ("range(3)", "range(2)"),
    "another learning rate": ("lr=0.01", "lr=0.011"),
    "one more random draw at the end": ("  print('trained on'", "  torch.rand(1)\n  print('trained on'"),
    "a file more": ("  print('trained on'", "  torch.save(net, 'net.pt')\n  print('trained on'"),
    "an exception at the end": ("  print('trained on', seen, 'samples')", "  1 / 0"),
}


@pytest.mark.parametrize("defect", DEFECTS)
def test_the_comparison_sees(defect: str, runner: Runner) -> None:
    """The comparison that the tests above rely on is not blind."""
    text = original("nested_closures")
    old, new = DEFECTS[defect]
    assert old in text
    before, after = runner.run(text), runner.run(text.replace(old, new))
    assert first_difference(before, after) is not None


def test_runs_are_deterministic(runner: Runner) -> None:
    runs: list[Run] = [runner.run(original("mnist_functions")) for _ in range(2)]
    assert first_difference(*runs) is None
