"""Run the command line inside the test process, with a converter whose answers the file's own text chooses."""

from __future__ import annotations

import io
import sys
import types
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pytest

from refactorer.cli import main
from refactorer.diagnostics import Diagnostic
from refactorer.options import Options
from refactorer.result import Converted, Refused, Result, Unchanged


@dataclass(frozen=True)
class Finding:
    kind: str
    message: str
    line: int
    column: int
    path: str | None = None


@dataclass(frozen=True)
class Analysis:
    findings: tuple[Finding, ...]
    diagnostics: tuple[Diagnostic, ...]
    result: Result


def convert_text(text: str, *, path: str, options: Options | None = None, used: Sequence[str] = ()) -> Result:
    """`LOOP` becomes `TRAINER_<target>` and what is skipped, `REFUSE` is refused, `BOOM` is a defect."""
    if "BOOM" in text:
        raise KeyError("optimizer")
    if "INVALID" in text:
        return Converted(path, text, text + "\n1 +\n")
    if "INTERRUPT" in text:
        raise KeyboardInterrupt
    if "REFUSE" in text:
        return Refused(path, (Diagnostic("R303", "two optimizers, 100% sure", "use one: the other", path, 1, 3),))
    if "LOOP" in text:
        note = Diagnostic("N101", "kept in its literal form", "", path, 1, 1)
        options = options or Options()
        name = "_".join(["TRAINER", options.target, *sorted(options.skipped)])
        return Converted(path, text, text.replace("LOOP", name), (note,))
    return Unchanged(path)


def analyze_text(text: str, *, path: str, options: Options | None = None, used: Sequence[str] = ()) -> Analysis:
    result = convert_text(text, path=path, options=options)
    findings = (Finding("training-loop", "a loop over the batches", 1, 1),) if "LOOP" in text else ()
    return Analysis(findings, result.diagnostics, result)


@dataclass(frozen=True)
class Outcome:
    status: int
    stdout: bytes
    stderr: str

    @property
    def text(self) -> str:
        return self.stdout.decode()


CommandLine = Callable[..., Outcome]


def install_stub(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put the converter above in the place of the real one."""
    stub = types.ModuleType("refactorer.converter")
    stub.convert_text = convert_text  # type: ignore[attr-defined]
    stub.analyze_text = analyze_text  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "refactorer.converter", stub)


def command_line(monkeypatch: pytest.MonkeyPatch, capture: pytest.CaptureFixture[bytes]) -> CommandLine:
    """A function that runs `refactorer ARGS...` with `stdin` and returns its Outcome."""

    def run(*args: object, stdin: bytes = b"") -> Outcome:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        capture.readouterr()
        status = main([str(arg) for arg in args])
        sys.stdout.flush()
        out, err = capture.readouterr()
        return Outcome(int(status), out, err.decode())

    return run
