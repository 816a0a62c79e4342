"""Every code has a page, every page has its form, and `refactorer explain` shows them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from refactorer import pages
from refactorer.converter import convert_text
from refactorer.project import OtherFile, Others, convert_file
from refactorer.result import Converted, Refused, Unchanged
from tests.cli_harness import CommandLine, command_line

PACKAGE = Path(pages.__file__).parent
PAGES = sorted((PACKAGE / "explain").glob("*.md"))


def scripts_in_the_pages() -> dict[str, str]:
    """The example of each page of a refusal or note that shows a script; the others show a command and its output."""
    texts = {path.stem: path.read_text(encoding="utf-8") for path in PAGES if path.stem[0] in "RN"}
    found = {code: re.search(r"## Example\n\n```python\n(.*?)```", text, re.DOTALL) for code, text in texts.items()}
    return {code: match[1] for code, match in found.items() if match}


SCRIPTS = scripts_in_the_pages()


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]) -> CommandLine:
    return command_line(monkeypatch, capfdbinary)


def codes_in_the_package() -> set[str]:
    """Every code that is written as a string in the package's source."""
    texts = [path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.py")]
    return {code for text in texts for code in re.findall(r"[\"']([ERN]\d{3})[\"']", text)}


def test_every_code_has_a_page() -> None:
    missing = codes_in_the_package() - {path.stem for path in PAGES}
    assert not missing


def test_every_page_belongs_to_a_code() -> None:
    unused = {path.stem for path in PAGES} - codes_in_the_package()
    assert not unused


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_form_of_a_page(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert re.fullmatch(rf"# {path.stem}: \S.*[^.]", text.split("\n", 1)[0])
    assert text.endswith("\n")
    assert "\n## Example" in text
    assert "\n## What to do" in text
    page = pages.find(path.stem)
    assert page is not None
    assert len(page.first_paragraph) > 20
    assert not page.first_paragraph.startswith("#")


@pytest.mark.parametrize("code", SCRIPTS)
def test_an_example_is_reported_where_the_page_says(code: str) -> None:
    """The line with the mark `<-- CODE` is the one that the diagnostic names, and there is no other diagnostic."""
    script = SCRIPTS[code]
    marked = [number for number, line in enumerate(script.splitlines(), 1) if line.endswith(f"# <-- {code}")]
    result = convert_text(script)
    expected = Refused if code.startswith("R") else Unchanged if code == "N110" else Converted
    assert isinstance(result, expected)
    assert [(found.code, found.line) for found in result.diagnostics] == [(code, *marked)]


def test_pages_of_refusals_and_notes_show_a_script() -> None:
    """But for those that no script alone brings about: of another target, a defect of the tool, two files."""
    assert {path.stem for path in PAGES if path.stem[0] in "RN"} - set(SCRIPTS) == {
        "N108",
        "N109",
        "R501",
        "R502",
        "R900",
    }


@pytest.mark.parametrize("code", ["N108", "N109"])
def test_an_example_of_two_files_is_reported_where_the_page_says(code: str) -> None:
    page = (PACKAGE / "explain" / f"{code}.md").read_text(encoding="utf-8")
    other, script = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    marked = [number for number, line in enumerate(script.splitlines(), 1) if line.endswith(f"# <-- {code}")]
    result = convert_file(script, others=Others({"engine": OtherFile("engine.py", other)}))
    assert [(found.code, found.line) for found in result.diagnostics] == [(code, *marked)]


def test_explaining_a_code(cli: CommandLine) -> None:
    done = cli("explain", "E002")
    assert (done.status, done.stderr) == (0, "")
    assert done.text == (PACKAGE / "explain" / "E002.md").read_text(encoding="utf-8")
    assert cli("explain", " e002 ").text == done.text


def test_without_a_code_all_are_listed(cli: CommandLine) -> None:
    done = cli("explain")
    assert done.status == 0
    assert done.text.splitlines()[0] == "E001  the file or folder cannot be read"
    assert [line[:4] for line in done.text.splitlines()] == [path.stem for path in PAGES]


@pytest.mark.parametrize("code", ["E0", "X999", "", "../E001", "E001.md", "nonsense"])
def test_unknown_codes(cli: CommandLine, code: str) -> None:
    done = cli("explain", code)
    assert (done.status, done.stdout) == (2, b"")
    assert "there is no code" in done.stderr


def test_a_similar_code_is_suggested(cli: CommandLine) -> None:
    assert "Did you mean E900" in cli("explain", "E901").stderr


def test_more_than_one_code_is_bad_usage(cli: CommandLine) -> None:
    assert cli("explain", "E001", "E002").status == 2
