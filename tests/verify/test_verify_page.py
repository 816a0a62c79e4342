"""The HTML page in a browser. Needs Chromium (`apt-get install chromium`); `make browser` runs this file alone."""

from __future__ import annotations

import os
import re
import shutil
import struct
import subprocess
import zlib
from dataclasses import replace
from pathlib import Path

import pytest

from refactorer.verify.report import write_report
from refactorer.verify.verdict import Verdict
from tests.verify.test_verify_reports import ALL, DIFFERENT, SAME

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
FLAGS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium; name one in CHROMIUM or install it")

GOOD, BAD = (0x18, 0x79, 0x4E), (0xC6, 0x2A, 0x2F)
ORIGINAL, CONVERTED = (0x25, 0x63, 0xEB), (0xEA, 0x58, 0x0C)
Pixel = tuple[int, ...]


def browse(page: Path, *options: str) -> str:
    command = [str(CHROMIUM), *FLAGS, f"--user-data-dir={page.parent / 'profile'}", *options, page.as_uri()]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout


def pixels(png: Path) -> tuple[int, int, set[Pixel]]:
    """Width, height and the colours of a PNG image; all its filters are undone as the format's description says."""
    data = png.read_bytes()
    width, height, depth, kind = struct.unpack(">IIBB", data[16:26])
    assert (depth, kind in (2, 6)) == (8, True)
    size, at, packed = {2: 3, 6: 4}[kind], 8, b""
    while at < len(data):
        length, name = struct.unpack(">I4s", data[at : at + 8])
        packed += data[at + 8 : at + 8 + length] if name == b"IDAT" else b""
        at += length + 12
    raw, above, found = zlib.decompress(packed), bytearray(width * size), set()
    for row in range(height):
        start = row * (width * size + 1)
        line = _unfiltered(raw[start], bytearray(raw[start + 1 : start + 1 + width * size]), above, size)
        found |= {tuple(line[i : i + 3]) for i in range(0, len(line), size)}
        above = line
    return width, height, found


def _unfiltered(kind: int, line: bytearray, above: bytearray, size: int) -> bytearray:
    for i in range(len(line)):
        left = line[i - size] if i >= size else 0
        corner = above[i - size] if i >= size else 0
        if kind == 1:
            line[i] = (line[i] + left) & 255
        elif kind == 2:
            line[i] = (line[i] + above[i]) & 255
        elif kind == 3:
            line[i] = (line[i] + (left + above[i]) // 2) & 255
        elif kind == 4:
            guess = left + above[i] - corner
            near = min((abs(guess - value), order) for order, value in enumerate((left, above[i], corner)))[1]
            line[i] = (line[i] + (left, above[i], corner)[near]) & 255
    return line


@pytest.mark.parametrize(("verdict", "tone", "other"), [(SAME, GOOD, BAD), (DIFFERENT, BAD, GOOD)], ids=["good", "bad"])
def test_a_picture_of_the_page(verdict: Verdict, tone: Pixel, other: Pixel, tmp_path: Path) -> None:
    page, png = tmp_path / "page.html", tmp_path / "page.png"
    write_report(replace(verdict, diff="--- a\n+++ b\n"), page)
    browse(page, "--window-size=800,700", f"--screenshot={png}")
    width, height, colours = pixels(png)
    assert (width, height) == (800, 700)
    assert {tone, ORIGINAL, (0xF6, 0xF7, 0xF9), (0xFF, 0xFF, 0xFF)} <= colours
    if verdict is DIFFERENT:
        assert CONVERTED in colours
        assert other not in colours


MEASURE = """<script>
addEventListener("load", () => {
  const fetched = performance.getEntriesByType("resource").length;
  document.title = `${document.documentElement.scrollWidth <= innerWidth} ${fetched}`;
});
</script></body>"""


@pytest.mark.parametrize("width", [1200, 500])
def test_nothing_is_wider_than_the_window_or_fetched(width: int, tmp_path: Path) -> None:
    long = replace(DIFFERENT, message="word" * 300, notes=("n" * 400,), diff="+" + "x" * 500 + "\n", script="s" * 200)
    for number, verdict in enumerate([*ALL[:1], long]):
        page = tmp_path / f"{number}.html"
        write_report(verdict, page)
        page.write_text(page.read_text().replace("</body>", MEASURE))
        title = re.search("<title>(.*?)</title>", browse(page, f"--window-size={width},900", "--dump-dom"))
        assert title is not None
        assert title[1] == "true 0"
