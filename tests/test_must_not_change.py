"""Files without a hand-written training loop stay as they are, and nothing is said about them."""

from __future__ import annotations

import pytest

from refactorer import convert
from refactorer.result import Unchanged
from tests.fixtures_harness import FIXTURES, read

NAMES = sorted(path.stem for path in (FIXTURES / "unchanged").glob("*.py"))


@pytest.mark.parametrize("name", NAMES)
def test_unchanged(name: str) -> None:
    result = convert(read(FIXTURES / "unchanged" / f"{name}.py"), path=f"{name}.py")
    assert isinstance(result, Unchanged), [str(d) for d in result.diagnostics]
    assert not result.diagnostics


def test_there_are_such_files() -> None:
    assert len(NAMES) >= 12
