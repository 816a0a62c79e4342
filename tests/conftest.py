"""Options and fixtures that all tests share."""

from __future__ import annotations

import pathlib
import signal
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

ROOT = str(pathlib.Path(__file__).resolve().parent.parent)
if ROOT not in sys.path:
    sys.path.insert(0, ROOT)

# A shell that runs the tests in the background makes them ignore Ctrl-C, and what they start would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

if TYPE_CHECKING:
    from tests.fixtures_harness import Runner


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-goldens", action="store_true", help="rewrite fixtures/*.out.py")


@pytest.fixture(scope="session")
def runner() -> Iterator[Runner]:
    """A warm process that runs scripts; one per test worker."""
    from tests.fixtures_harness import Runner

    with Runner() as running:
        yield running
