"""Every trap is either avoided or refused: no conversion may train, print, draw, save or end differently."""

from __future__ import annotations

import pytest

from refactorer import convert
from refactorer.result import Converted, Refused
from tests.fixtures_harness import Runner, first_difference, undefined_names
from tests.fuzz.cases import cases

CASES = cases()


@pytest.mark.parametrize("name", CASES)
def test_trains_the_same_or_is_refused(name: str, runner: Runner) -> None:
    result = convert(CASES[name], path=f"{name}.py")
    if isinstance(result, Refused):
        assert all(d.code.startswith("R") and d.line and d.message and d.hint for d in result.diagnostics)
        assert "R900" not in {d.code for d in result.diagnostics}
        return
    assert isinstance(result, Converted)
    assert undefined_names(result.after) <= undefined_names(CASES[name])
    assert first_difference(runner.run(CASES[name]), runner.run(result.after)) is None


def test_there_are_many() -> None:
    assert len(CASES) > 400
