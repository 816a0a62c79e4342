"""Scripts that cannot be converted soundly: refused with a code, the line, the reason and a way forward."""

from __future__ import annotations

from typing import Any

import pytest

from refactorer import convert
from refactorer.converter import convert_text
from refactorer.diagnostics import Severity
from refactorer.result import Converted, Failed, Refused
from tests.fixtures_harness import FIXTURES, ROOT, read

try:
    import tomllib
except ModuleNotFoundError:  # Python 3.10
    import tomli as tomllib

FOLDER = FIXTURES / "refused"
EXPECTED: dict[str, dict[str, Any]] = tomllib.loads((FOLDER / "expected.toml").read_text())
NAMES = sorted(path.stem for path in FOLDER.glob("*.py"))


def refused(name: str) -> Refused:
    result = convert(read(FOLDER / f"{name}.py"), path=f"{name}.py")
    assert isinstance(result, Refused), f"{name} was not refused but {result.status}"
    return result


def test_every_script_is_listed() -> None:
    assert sorted(EXPECTED) == NAMES


def test_every_code_has_a_script() -> None:
    """But for those that no script alone brings about: those of another target, and a defect of the tool."""
    pages = {path.stem for path in (ROOT / "refactorer" / "explain").glob("R*.md")}
    assert pages - {code for entry in EXPECTED.values() for code in entry["codes"]} == {"R501", "R502", "R900"}


def test_a_training_that_the_target_cannot_run() -> None:
    script = read(FIXTURES / "keyboard_interrupt.in.py")
    result = convert(script, path="keyboard_interrupt.in.py", target="lightning")
    assert isinstance(result, Refused)
    (diagnostic,) = result.diagnostics
    assert diagnostic.code == "R501"
    assert diagnostic.message.startswith("Ctrl-C: ")
    assert "KeyboardInterrupt" in script.splitlines()[diagnostic.line - 1]


@pytest.mark.parametrize("name", NAMES)
def test_refused_with_the_expected_code(name: str) -> None:
    codes = {d.code for d in refused(name).diagnostics if d.severity is Severity.REFUSAL}
    assert codes
    assert set(EXPECTED[name]["codes"]) == codes


@pytest.mark.parametrize("name", NAMES)
def test_every_diagnostic_says_where_why_and_what_to_do(name: str) -> None:
    lines = read(FOLDER / f"{name}.py").splitlines()
    for diagnostic in refused(name).diagnostics:
        assert diagnostic.path == f"{name}.py"
        assert 1 <= diagnostic.line <= len(lines)
        assert 1 <= diagnostic.column <= len(lines[diagnostic.line - 1])
        assert diagnostic.message and diagnostic.hint
        assert "\n" not in diagnostic.message
        assert (ROOT / "refactorer" / "explain" / f"{diagnostic.code}.md").exists()


@pytest.mark.parametrize("name", NAMES)
def test_points_at_the_cause(name: str) -> None:
    lines = read(FOLDER / f"{name}.py").splitlines()
    first = next(d for d in refused(name).diagnostics if d.severity is Severity.REFUSAL)
    line = lines[first.line - 1]
    assert any(piece in line for piece in EXPECTED[name]["at"]), f"points at line {first.line}: {line}"


@pytest.mark.parametrize(
    "line",
    [
        "return(loss if training else 0)",
        "return(loss) if training else(0)",
        "return((loss)if(training)else(0))",
        "return(loss)and(1)if(training)else(0)",
    ],
)
def test_brackets_without_spaces_are_no_exception(line: str) -> None:
    body = "    loss = training\n    if training:\n        loss.backward()\n"
    calls = "for i in range(3):\n    step(True)\n    step(False)\n"
    result = convert_text(f"def step(training):\n{body}    {line}\n\n\n{calls}")
    codes = {diagnostic.code for diagnostic in result.diagnostics}
    assert isinstance(result, Converted) or codes == {"E900"}
    compile(getattr(result, "after", ""), "script", "exec")


def test_what_is_not_python_is_said_in_pythons_words_and_place() -> None:
    result = convert_text("loss = x\nloss.backward()\nprint loss\n")
    assert isinstance(result, Failed)
    assert [(found.code, found.line, found.column) for found in result.diagnostics] == [("E002", 3, 1)]
    assert "2to3" in result.diagnostics[0].hint


def test_what_only_pythons_compiler_finds_is_the_scripts_own_error() -> None:
    """LibCST and `ast` read a late `from __future__`, as joined cells of a notebook have it; Python does not run it."""
    training = "for batch in loader:\n    optimizer.zero_grad()\n    loss(batch).backward()\n    optimizer.step()\n"
    result = convert_text(f"import torch\nfrom __future__ import print_function\n{training}")
    assert isinstance(result, Failed)
    assert [(found.code, found.line) for found in result.diagnostics] == [("E002", 2)]
