"""Words and numbers that all reports share."""

from __future__ import annotations

from refactorer.verify.verdict import ERROR, REFUSED, Cause, Divergence, RunSummary, Verdict


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
        lines.append(f"difference {apart(first)}")
    for name, _, place, source in sides(first):
        if place is not None:
            lines.append(f"{name} {where(place, source)}")
    return lines


OTHER = "or"


def diagnosis(verdict: Verdict) -> list[tuple[str, Cause]]:
    """Why the versions differ: the likely cause, the first value that differs, and what else it may be."""
    found = [("likely cause", cause) for cause in verdict.likely[:1]]
    found += [("first value that differs", verdict.origin)] if verdict.origin else []
    return found + [(OTHER, cause) for cause in verdict.likely[1:]]


def spots(what: str, cause: Cause) -> list[tuple[str, str, str | None]]:
    """For each version its name, the place, and the source text there; nothing for what is less likely."""
    if what == OTHER:
        return []
    return [(name, place, source) for name, _, place, source in sides(cause) if place is not None]


def cause_lines(what: str, cause: Cause) -> list[str]:
    """What is known of a cause: its name and text, and the places, one per line."""
    places = [f"{name:<9} {where(place, source)}" for name, place, source in spots(what, cause)]
    return [f"{what}: {cause.name}", cause.text, *places]


def apart(first: Divergence) -> str:
    """How far the two numbers lie from each other."""
    units = f" ({first.ulps} units in the last place)" if first.ulps is not None else ""
    return f"{first.difference!r}{units}"


def sides(found: Divergence | Cause) -> list[tuple[str, str, str | None, str | None]]:
    """For each version its name, value, place and source text."""
    values = (found.original, found.converted) if isinstance(found, Divergence) else ("", "")
    return [
        ("original", values[0] or "nothing", found.original_place, found.original_source),
        ("converted", values[1] or "nothing", found.converted_place, found.converted_source),
    ]


def facts(verdict: Verdict) -> list[tuple[str, str]]:
    """Under which conditions the two versions were compared, as names and values."""
    named = [
        ("compared", verdict.tolerances),
        ("seed", str(verdict.seed) if len(verdict.seeds) < 2 else _several(verdict)),
        ("with", verdict.setting),
        ("first", _limit(verdict)),
        ("arguments", " ".join(verdict.args)),
        ("data", "generated" if verdict.synthetic else ""),
    ]
    if verdict.original and verdict.original.torch:
        threads = _count(verdict.original.threads, "thread")
        named.append(("torch", f"{verdict.original.torch}, {threads}"))
    return [(name, value) for name, value in named if value]


def _several(verdict: Verdict) -> str:
    return f"{verdict.seeds[0].seed} to {verdict.seeds[-1].seed}"


def _limit(verdict: Verdict) -> str:
    limits = [(verdict.steps, "optimizer step"), (verdict.epochs, "epoch")]
    return ", ".join(_count(number, what) for number, what in limits if number is not None)


def settings(verdict: Verdict) -> str:
    """Under which conditions the two versions were compared, in one line."""
    return ", ".join(f"{name} {value}" for name, value in facts(verdict))


def _count(number: int | None, what: str) -> str:
    return f"{number} {what}" + ("" if number == 1 else "s")


def last_line(verdict: Verdict) -> str:
    """The verdict in one line, which says when the data were not the script's own."""
    return f"{outcome(verdict)}: {verdict.message}" if verdict.message else outcome(verdict)


def outcome(verdict: Verdict) -> str:
    """The outcome, with what limits it."""
    return f"{verdict.outcome} (on generated data)" if verdict.synthetic else verdict.outcome


def summary(verdict: Verdict) -> str:
    """Everything that matters in one line, for the log of a pipeline."""
    names = verdict.script + (f" and {verdict.converted_script}" if verdict.converted_script else "")
    said = last_line(verdict)
    if verdict.outcome in (REFUSED, ERROR):
        said += "".join(f"; {diagnostic}" for diagnostic in verdict.diagnostics)
    return f"verify {names}: {' '.join(said.split())} [{settings(verdict)}]"
