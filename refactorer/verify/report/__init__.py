"""Reports of a verification as files: JSON, HTML, JUnit XML and Markdown; `report_text` is the terminal's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from refactorer.files import Write, write_all
from refactorer.verify.report import as_json, html, junit, markdown
from refactorer.verify.verdict import Verdict

FORMATS: dict[str, Callable[[Verdict], str]] = {
    ".json": as_json.render,
    ".html": html.render,
    ".xml": junit.render,
    ".md": markdown.render,
}


def write_report(verdict: Verdict, path: Path | str) -> None:
    """Writes a report in the format that the name ends with, in one atomic step.

    Raises `ValueError` for another ending and `OSError` when the file cannot be written.
    """
    render = FORMATS.get(Path(path).suffix.lower())
    if render is None:
        raise ValueError(f"{path}: the name of a report must end in {', '.join(FORMATS)}")
    problems = write_all([Write(str(path), render(verdict).encode())])
    if problems:
        raise OSError(str(next(iter(problems.values()))))
