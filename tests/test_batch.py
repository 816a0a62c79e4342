"""Many files at once: what the process itself is set to."""

from __future__ import annotations

import gc
from pathlib import Path

import pytest

from refactorer import batch

FIXTURE = Path(__file__).parent.parent / "fixtures" / "mnist_functions.in.py"


def test_the_search_for_cycles_is_rare_only_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    before = gc.get_threshold()
    seen = []
    analyze = batch._analyze
    monkeypatch.setattr(batch, "_analyze", lambda path: (seen.append(gc.get_threshold()[0]), analyze(path))[1])
    assert [report.path for report in batch.analyze_all([str(FIXTURE)])] == [str(FIXTURE)]
    assert seen == [batch._ALLOCATIONS] and gc.get_threshold() == before


def test_an_interrupt_leaves_the_search_for_cycles_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(path: str) -> None:
        raise KeyboardInterrupt

    before = gc.get_threshold()
    monkeypatch.setattr(batch, "_analyze", interrupted)
    with pytest.raises(KeyboardInterrupt):
        batch.analyze_all([str(FIXTURE)])
    assert gc.get_threshold() == before
