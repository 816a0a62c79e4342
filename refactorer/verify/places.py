"""Places in the files of a run, as the user knows them."""

from __future__ import annotations

from refactorer.verify.execute import Run


def shown(place: str | None, run: Run) -> str | None:
    """A place in the script's file as the user knows it, or in another file relative to the script's folder."""
    if place is None:
        return None
    script = run.scratch.script.relative_to(run.scratch.folder).as_posix()
    name, _, line = place.rpartition(":")
    folder = script.rpartition("/")[0] + "/"
    shown = run.title if name == script else name.removeprefix(folder) if folder != "/" else name
    return f"{shown}:{line}"


def source(place: str | None, run: Run) -> str | None:
    """The text of the line at a place; None when it cannot be read."""
    if place is None:
        return None
    name, _, line = place.rpartition(":")
    try:
        lines = (run.scratch.folder / name).read_text(errors="replace").splitlines()
        return lines[int(line) - 1].strip()
    except (OSError, IndexError):
        return None
