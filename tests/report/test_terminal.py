"""At a terminal the same text appears, in colours; the text itself is never changed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent

MAIN = (
    "import sys, types\nfrom tests import cli_harness as h\n"
    "stub = types.ModuleType('refactorer.converter')\nstub.convert_text = h.convert_text\n"
    "stub.analyze_text = h.analyze_text\nsys.modules['refactorer.converter'] = stub\nsys.exit(h.main())\n"
)


def at_terminal(folder: Path, *args: str, **variables: str) -> tuple[int, str]:
    """Run the command with both streams on a pseudo-terminal; the status and what appeared there."""
    pty = pytest.importorskip("pty")
    master, slave = pty.openpty()
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm-256color", "COLUMNS": "60", **variables}
    process = subprocess.Popen([sys.executable, "-c", MAIN, *args], cwd=folder, env=environment, stdin=slave,
                               stdout=slave, stderr=slave)  # fmt: skip
    os.close(slave)
    shown = b""
    while True:
        try:
            chunk = os.read(master, 4096)
        except OSError:
            break
        if not chunk:
            break
        shown += chunk
    os.close(master)
    return process.wait(60), shown.decode().replace("\r\n", "\n")


def plain(shown: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", shown)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "x.py").write_text(f"LOOP\n# [bold]{'long ' * 30}[/bold] :smile:\n")
    (tmp_path / "y.py").write_text("REFUSE\n")
    return tmp_path


def test_convert_in_colours(folder: Path) -> None:
    status, shown = at_terminal(folder, "convert", ".")
    assert status == 3
    assert "\x1b[32m+TRAINER_runtime" in shown
    assert "\x1b[31m-LOOP" in shown
    assert plain(shown).startswith("--- a/x.py\n+++ b/x.py\n@@ -1,2 +1,2 @@\n-LOOP\n+TRAINER_runtime\n")
    assert f" # [bold]{'long ' * 30}[/bold] :smile:\n" in plain(shown)
    assert "y.py:1:3: R303 two optimizers, 100% sure\n    hint: use one: the other\n" in plain(shown)


def test_colours_can_be_switched_off(folder: Path) -> None:
    _, shown = at_terminal(folder, "convert", "x.py", NO_COLOR="1")
    assert "\x1b[3" not in shown


def test_analyze_and_explain_at_a_terminal(folder: Path) -> None:
    assert "x.py: can be converted" in plain(at_terminal(folder, "analyze", ".")[1])
    status, shown = at_terminal(folder, "explain", "E002")
    assert status == 0
    assert "the file is not valid Python" in plain(shown)
