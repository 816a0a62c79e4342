"""Whole small projects, as repositories have them: functions that are handed everything, objects that stop or average.

The files of tests/fuzz/projects/ hold one template each, `script`, and the blocks that it names. Under `once` stand
choices that hold for the whole script: `NAME: a|b` puts the one or the other wherever NAME stands, so a line that
starts with `?NAME` is there everywhere or nowhere.
"""

from __future__ import annotations

import pathlib
import re

from tests.fuzz.families import common
from tests.fuzz.families.draw import Draw, named, variants
from tests.fuzz.families.parts import Parts

FOLDER = pathlib.Path(__file__).parent.parent / "projects"
PROJECTS = {path.stem: path.read_text() for path in sorted(FOLDER.glob("*.txt"))}
SHARED = named(PROJECTS.pop("shared"))


def make(draw: Draw, seed: int) -> Parts:
    pieces = SHARED | named(PROJECTS[draw.pick(list(PROJECTS))])
    once = settled(draw, pieces.pop("once"))
    blocks = {name: variants(replaced(text, once)) for name, text in pieces.items()}
    imports = common.head(draw, more="import math\nfrom types import SimpleNamespace\nfrom tqdm import tqdm")
    usual = {"imports": imports, "net": common.NETS, "seeds": common.SEEDS}
    text = draw.text("@script", **blocks, **usual)
    classes = 3 if "CrossEntropy" in text else 1
    text = common.finished(draw, text, imports, seed=seed, classes=classes)
    return Parts(text, "", "", layouts=("module",), splits=False, nasty=draw.pick([0.0, 0.0, 0.2]))


def settled(draw: Draw, text: str) -> dict[str, str]:
    """A value for each name under `once`; UNNAME is there where NAME is not."""
    pairs = (line.split(": ", 1) for line in text.splitlines() if line)
    found = {name: draw.pick(values.split("|")) for name, values in pairs}
    return found | {f"UN{name}": "0" if value == "100" else "100" for name, value in found.items()}


def replaced(text: str, once: dict[str, str]) -> str:
    return re.sub(r"\b[A-Z_]{3,}\b", lambda m: once.get(m[0], m[0]), text)
