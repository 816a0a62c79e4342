"""Runs the examples of `fixtures/features/` in this process."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path
from typing import Any

import pytest

FEATURES = Path(__file__).resolve().parents[2] / "fixtures" / "features"


class Example:
    """One example that has been run: its variables by name, and what it printed."""

    def __init__(self, names: dict[str, Any], output: str) -> None:
        self.names = names
        self.output = output

    def __getitem__(self, name: str) -> Any:
        return self.names[name]

    def __getattr__(self, name: str) -> Any:
        try:
            return self.names[name]
        except KeyError:
            raise AttributeError(name) from None


class Examples:
    """Runs examples in a folder of their own, as `python NAME.py` would."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], folder: Path) -> None:
        self.monkeypatch = monkeypatch
        self.capsys = capsys
        self.folder = folder
        monkeypatch.chdir(folder)
        monkeypatch.syspath_prepend(str(FEATURES))
        monkeypatch.delenv("REFACTORER_TRAINER", raising=False)
        monkeypatch.setenv("MPLBACKEND", "Agg")
        self.forget_digits()

    def forget_digits(self) -> None:
        """The next example imports the script that they share anew."""
        self.monkeypatch.delitem(sys.modules, "digits", raising=False)

    def run(self, name: str) -> Example:
        """Run one; what it raises arrives here."""
        path = FEATURES / f"{name}.py"
        self.monkeypatch.setattr(sys, "argv", [str(path)])
        self.capsys.readouterr()
        return Example(runpy.run_path(str(path), run_name="__main__"), self.capsys.readouterr().out)
