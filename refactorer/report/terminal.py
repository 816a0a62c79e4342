"""Colours for people at a terminal. What goes to a pipe or a file never passes through here."""

from __future__ import annotations

import re
from collections.abc import Iterable

from rich.console import Console
from rich.markdown import Markdown
from rich.text import Text

_DIFF_STYLES = (("+++", "bold"), ("---", "bold"), ("@@", "cyan"), ("+", "green"), ("-", "red"))
_MESSAGE = re.compile(r"(?P<place>.*?): (?P<code>[ERN]\d{3}) ")
_CODE_STYLES = {"E": "bold red", "R": "bold yellow", "N": "bold blue"}


def print_diff(diff: str) -> None:
    """A unified diff on standard output."""
    console = Console(highlight=False, soft_wrap=True)
    for line in diff.split("\n")[:-1]:
        style = next((style for prefix, style in _DIFF_STYLES if line.startswith(prefix)), "")
        console.print(Text(line.rstrip("\r"), style))


def print_lines(lines: Iterable[str], *, stderr: bool) -> None:
    """Lines of a text report: places bold, codes in the colour of their severity, hints dim."""
    console = Console(stderr=stderr, highlight=False, soft_wrap=True)
    for line in lines:
        text = Text(line, "dim" if line.startswith("    hint: ") else "")
        match = _MESSAGE.match(line)
        if match:
            text.stylize("bold", *match.span("place"))
            text.stylize(_CODE_STYLES[match["code"][0]], *match.span("code"))
        console.print(text)


def print_page(markdown: str) -> None:
    """A page in Markdown on standard output."""
    Console().print(Markdown(markdown))
