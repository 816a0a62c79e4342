"""The pages behind `refactorer explain CODE`: one Markdown file for each code, in the folder `explain`.

The first line of a page is `# CODE: title`; then come the reason, an example and what to do.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from pathlib import Path

_FOLDER = Path(__file__).parent / "explain"
_HEADING = re.compile(r"# (?P<code>[A-Z]\d{3}): (?P<title>.+)")


@dataclass(frozen=True)
class Page:
    """What there is to say about one code."""

    code: str
    title: str
    text: str

    @property
    def first_paragraph(self) -> str:
        """The first paragraph after the heading, on one line."""
        paragraphs = self.text.split("\n\n")
        return " ".join(paragraphs[1].split()) if len(paragraphs) > 1 else self.title


def find(code: str) -> Page | None:
    """The page of a code, in either case; None when there is no such code."""
    code = code.strip().upper()
    path = _FOLDER / f"{code}.md"
    if not re.fullmatch(r"[A-Z]\d{3}", code) or not path.is_file():
        return None
    text = path.read_text(encoding="utf-8")
    heading = _HEADING.match(text)
    return Page(code, heading["title"].strip() if heading else code, text)


def all_pages() -> list[Page]:
    """Every page, by code."""
    found = (find(path.stem) for path in sorted(_FOLDER.glob("*.md")))
    return [page for page in found if page is not None]


def similar(code: str) -> list[str]:
    """Codes that someone who typed `code` may have meant."""
    return difflib.get_close_matches(code.strip().upper(), [page.code for page in all_pages()], cutoff=0.5)
