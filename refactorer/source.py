"""Python source between bytes and text: encodings, byte-order marks, and whether it is Python at all.

Newlines are never translated: the text holds exactly the line ends of the file, so that encoding a text again gives
back the bytes of every line that did not change.
"""

from __future__ import annotations

import codecs
import io
import re
import sys
import tokenize
import warnings
from dataclasses import dataclass

from refactorer.diagnostics import Diagnostic

_UTF16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


class SourceError(Exception):
    """A file that cannot be used; `diagnostic` says why."""

    def __init__(self, diagnostic: Diagnostic) -> None:
        super().__init__(str(diagnostic))
        self.diagnostic = diagnostic


@dataclass(frozen=True)
class Source:
    """The text of one file (without its byte-order mark) and what is needed to turn a text into its bytes again."""

    path: str
    text: str
    encoding: str = "utf-8"
    mark: str = ""
    """A byte-order mark, or nothing."""

    @property
    def data(self) -> bytes:
        return (self.mark + self.text).encode(self.encoding)

    def with_text(self, text: str) -> Source:
        """The same file with another text.

        Raises SourceError (E004) when the file's encoding cannot hold it, or when its encoding declaration got lost.
        """
        changed = Source(self.path, text, self.encoding, self.mark)
        try:
            same = decode(changed.data, path=self.path) == changed
        except (UnicodeEncodeError, SourceError):
            same = False
        if not same:
            message = f"the new text cannot be written in the file's own encoding, {self.encoding}"
            raise SourceError(Diagnostic("E004", message, "save the file as UTF-8, then convert it", self.path))
        return changed


def decode(data: bytes, *, path: str) -> Source:
    """The source in `data`, decoded as Python itself does (PEP 263). Raises SourceError (E003)."""
    try:
        name, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
        encoding, mark = ("utf-8", "\ufeff") if name == "utf-8-sig" else (name, "")
        text = data.decode(encoding)[len(mark) :]
        faithful = (mark + text).encode(encoding) == data
    except (SyntaxError, UnicodeError, LookupError) as error:
        raise SourceError(_undecodable(data, path, error)) from error
    if not faithful:
        message = f"this file's bytes cannot be reproduced from its text in the encoding {encoding}"
        raise SourceError(Diagnostic("E003", message, "save the file as UTF-8", path))
    return Source(path, text, encoding, mark)


def _undecodable(data: bytes, path: str, error: Exception) -> Diagnostic:
    hint = "save the file as UTF-8, or name its encoding in the first line: # -*- coding: latin-1 -*-"
    if data.startswith(_UTF16_MARKS):
        return Diagnostic("E003", "this is UTF-16 text, which Python does not read", "save the file as UTF-8", path)
    if str(error).startswith("invalid or missing encoding declaration"):
        error = _utf8_error(data) or error
    if isinstance(error, UnicodeDecodeError):
        line = data.count(b"\n", 0, error.start) + 1
        message = f"byte 0x{data[error.start]:02x} is not {error.encoding} text"
        return Diagnostic("E003", message, hint, path, line, _column(data, error))
    return Diagnostic("E003", f"the encoding cannot be used: {error}", hint, path, 1, 1)


def _utf8_error(data: bytes) -> UnicodeDecodeError | None:
    """The byte that is not UTF-8: the search for an encoding declaration does not say which."""
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        return error
    return None


def _column(data: bytes, error: UnicodeDecodeError) -> int:
    line_start = data.rfind(b"\n", 0, error.start) + 1
    before = data[line_start : error.start].decode(error.encoding, "replace")
    return len(before.removeprefix("\ufeff")) + 1


def syntax_problem(text: str, *, path: str) -> Diagnostic | None:
    """What Python itself finds wrong with `text` (E002), or None when it compiles. Nothing is executed."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            compile(text, path, "exec", dont_inherit=True)
    except SyntaxError as error:
        message = f"not valid Python: {error.msg}"
        return Diagnostic(
            "E002", message, _syntax_hint(text, error), path, error.lineno or 0, max(error.offset or 1, 1)
        )
    except (ValueError, RecursionError, MemoryError) as error:
        # A null byte, or expressions nested deeper than the compiler goes.
        message = f"not valid Python: {str(error) or 'nested too deeply'}"
        return Diagnostic("E002", message, "does Python itself run this file?", path)
    return None


_PYTHON_2 = re.compile(
    r"Missing parentheses in call to '(print|exec)'|multiple exception types must be parenthesized"
    r"|leading zeros in decimal integer literals"
)
_PYTHON_2_LINE = re.compile(
    r"^\s*(print\s+[^(=]|exec\s+[^(=]|except\s+[\w.]+\s*,|raise\s+[\w.]+\s*,)|^[^#'\"]*(<>|`.+`)"
)
_KEYWORD_ASYNC = re.compile(r"\.\s*(cuda|to|cpu|copy_)\(.*\basync\s*=")


def _syntax_hint(text: str, error: SyntaxError) -> str:
    lines = text.splitlines()
    line = lines[error.lineno - 1] if error.lineno and error.lineno <= len(lines) else ""
    if _PYTHON_2.search(error.msg) or _PYTHON_2_LINE.search(line):
        return "this looks like Python 2; port it to Python 3 first (2to3 and python-modernize do most of it)"
    if _KEYWORD_ASYNC.search(line):
        return (
            "`async` is a keyword since Python 3.7; torch calls this argument non_blocking now: write non_blocking=True"
        )
    if line.lstrip().startswith(("%", "!")):
        return "this looks like a line of a notebook; comment it out"
    return f"correct this line; the file is read with Python {sys.version_info.major}.{sys.version_info.minor}"
