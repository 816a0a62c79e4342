"""Compares the files that two runs wrote."""

from __future__ import annotations

import filecmp
import gzip
import re
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

from refactorer.verify import tensors
from refactorer.verify.printed import close_lines, without_timings
from refactorer.verify.tolerance import Tolerance

# Names that hold the time, the host or the process: folders of tensorboard and the like.
STAMP = re.compile(
    r"events\.out\.tfevents\..*"
    r"|[A-Z][a-z]{2}\d{2}_\d{2}-\d{2}-\d{2}(?:_[^/]*)?"
    r"|(?:19|20)\d{2}[-_]?(?:0\d|1[0-2])[-_]?[0-3]\d(?:[-_T ]?\d{2}[-_:.h]?\d{2}(?:[-_:.m]?\d{2})?)?"
    r"|\b1[5-9]\d{8}(?:\.\d+)?\b"
)
TORCH = (".pt", ".pth", ".ckpt", ".bin", ".tar", ".pkl", ".t7", ".model")
TEXT = (".txt", ".log", ".csv", ".tsv", ".json", ".jsonl", ".yaml", ".yml", ".md", ".html", ".svg", "")


@dataclass(frozen=True)
class FileDifference:
    """One file that differs: its name in both versions, None where it is missing, and how in words."""

    original: str | None
    converted: str | None
    text: str


@dataclass(frozen=True)
class Files:
    """All that the runs wrote, by count, what differs, and what was found equal only up to timings."""

    original: int
    converted: int
    differences: tuple[FileDifference, ...]
    loose: tuple[str, ...]


def compare_files(
    original: Mapping[str, Path | None], converted: Mapping[str, Path | None], tolerance: Tolerance
) -> Files:
    """Pairs files by name, times in names aside, and compares what each holds."""
    differences, loose = [], []
    for name, other in _pairs(original, converted):
        if name is None or other is None:
            some, files = (name, original) if name is not None else (other, converted)
            side = "original" if name is not None else "converted version"
            text: str | None = f"{_did(files[some or ''])} by the {side} only"
        else:
            text = _compare(original[name], converted[other], tolerance)
        if text in (_TIMINGS, _CONTENT):
            loose.append(f"{name}: {text}")
        elif text:
            differences.append(FileDifference(name, other, text))
    return Files(len(original), len(converted), tuple(differences), tuple(loose))


_TIMINGS = "equal up to timings"
_CONTENT = "compared by name only"


def _did(path: Path | None) -> str:
    return "deleted" if path is None else "written"


def _pairs(original: Iterable[str], converted: Iterable[str]) -> list[tuple[str | None, str | None]]:
    """Names that are the same in both, then names that are the same but for a time, then what has no partner."""
    one, two = set(original), set(converted)
    found: list[tuple[str | None, str | None]] = [(name, name) for name in sorted(one & two)]
    left, right = _by_pattern(one - two), _by_pattern(two - one)
    for pattern in sorted(left.keys() | right.keys()):
        found += zip_longest(left.get(pattern, []), right.get(pattern, []))
    return found


def _by_pattern(names: Iterable[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name in sorted(names):
        found.setdefault(STAMP.sub("<time>", name), []).append(name)
    return found


def _compare(a: Path | None, b: Path | None, tolerance: Tolerance) -> str | None:
    """How two files differ, in words; None when they agree."""
    if a is None or b is None:
        return None if a is b else f"{_did(a)} by the original, {_did(b)} by the converted version"
    if filecmp.cmp(a, b, shallow=False):
        return None
    if "tfevents" in a.name:
        return _CONTENT
    if a.suffix in TORCH:
        try:
            return tensors.difference(a, b, tolerance)
        except Exception:  # any file may have such a name; then its bytes are all there is to compare
            pass
    if zipfile.is_zipfile(a) and zipfile.is_zipfile(b):
        return _archives(a, b)
    if a.suffix == ".gz" and _unzipped(a) == _unzipped(b):
        return None
    return _texts(a, b, tolerance) if a.suffix in TEXT else _bytes(a.read_bytes(), b.read_bytes())


def _unzipped(path: Path) -> bytes:
    """The content of a gzip file, whose header holds the time; of any other file its bytes."""
    data = path.read_bytes()
    try:
        return gzip.decompress(data)
    except (OSError, EOFError, zlib.error):
        return data


def _archives(a: Path, b: Path) -> str | None:
    with zipfile.ZipFile(a) as one, zipfile.ZipFile(b) as two:
        left, right = ({info.filename: info.CRC for info in archive.infolist()} for archive in (one, two))
    differing = sorted(name for name in left.keys() | right.keys() if left.get(name) != right.get(name))
    return f"entry {differing[0]} differs" if differing else None


def _texts(a: Path, b: Path, tolerance: Tolerance) -> str | None:
    try:
        one, two = (path.read_text(encoding="utf-8").splitlines() for path in (a, b))
    except UnicodeDecodeError:
        return _bytes(a.read_bytes(), b.read_bytes())
    if len(one) == len(two) and [*map(without_timings, one)] == [*map(without_timings, two)]:
        return _TIMINGS
    close = not tolerance.exact and len(one) == len(two)
    if close and all(x == y or close_lines(x, y, tolerance) for x, y in zip(one, two, strict=True)):
        return None
    at = next((i for i, (x, y) in enumerate(zip(one, two, strict=False)) if x != y), min(len(one), len(two)))
    shown = [repr(lines[at]) if at < len(lines) else "the end of the file" for lines in (one, two)]
    return f"line {at + 1}: {shown[0]} != {shown[1]}"


def _bytes(one: bytes, two: bytes) -> str:
    at = next((i for i, (x, y) in enumerate(zip(one, two, strict=False)) if x != y), min(len(one), len(two)))
    return f"{len(one)} and {len(two)} bytes, the first difference at byte {at}"
