"""What the tests of the runtime share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.runtime.examples import Examples


@pytest.fixture
def examples(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Examples:
    """Runs the examples of `fixtures/features/` in a fresh folder."""
    return Examples(monkeypatch, capsys, tmp_path)
