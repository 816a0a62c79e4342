"""Words and numbers that all reports share."""

from __future__ import annotations

from refactorer.verify.verdict import Divergence, RunSummary, Verdict


def seconds(value: float | None) -> str:
    """A time in seconds, with a unit."""
    if value is None:
        return "unknown"
    return f"{value * 1000:.0f} ms" if value < 1 else f"{value:.1f} s"


def memory(value: int | None) -> str:
    """Bytes as megabytes."""
    return "unknown" if value is None else f"{value / 2**20:.0f} MiB"


def status(run: RunSummary) -> str:
    """How a run ended."""
    if run.status is None:
        return "stopped at the time limit"
    return f"ended by signal {-run.status}" if run.status < 0 else f"exit status {run.status}"


def where(place: str | None, source: str | None) -> str:
    """A place with its source text, as far as they are known."""
    if place is None:
        return ""
    return f"line {place}" + (f"   {source}" if source else "")


def difference_lines(first: Divergence) -> list[str]:
    """What differs, both values and their distance, and the places, one per line."""
    lines = [
        f"original   {first.original if first.original is not None else 'nothing'}",
        f"converted  {first.converted if first.converted is not None else 'nothing'}",
    ]
    if first.difference is not None:
        apart = f" ({first.ulps} units in the last place)" if first.ulps is not None else ""
        lines.append(f"difference {first.difference!r}{apart}")
    for name, place, source in (
        ("original", first.original_place, first.original_source),
        ("converted", first.converted_place, first.converted_source),
    ):
        if place is not None:
            lines.append(f"{name} {where(place, source)}")
    return lines


def settings(verdict: Verdict) -> str:
    """Under which conditions the two versions were compared."""
    parts = [f"compared {verdict.tolerances}", f"seed {verdict.seed}"]
    if verdict.steps is not None:
        parts.append(f"first {verdict.steps} optimizer steps")
    if verdict.args:
        parts.append(f"arguments {' '.join(verdict.args)}")
    if verdict.original and verdict.original.torch:
        parts.append(f"torch {verdict.original.torch}, {_count(verdict.original.threads, 'thread')}")
    return ", ".join(parts)


def _count(number: int | None, what: str) -> str:
    return f"{number} {what}" + ("" if number == 1 else "s")


def last_line(verdict: Verdict) -> str:
    """The verdict in one line."""
    return f"{verdict.outcome}: {verdict.message}" if verdict.message else verdict.outcome
