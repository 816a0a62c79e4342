"""The texts of files, each read once for all the scripts that ask for it."""

from __future__ import annotations

import os
from functools import lru_cache

from refactorer.files import read_source
from refactorer.source import SourceError


def text_of(path: str) -> str | None:
    """The text of a file as it is now; None if it cannot be read."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return _read(path, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=1024)
def _read(path: str, modified: int, size: int) -> str | None:
    """The text of a file in this state."""
    try:
        return read_source(path).text
    except SourceError:
        return None
