"""Compares two runs channel by channel and finds the first divergence."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from refactorer.verify import channels as ch
from refactorer.verify.channels import Entry, compare_entries
from refactorer.verify.execute import Run
from refactorer.verify.files import compare_files
from refactorer.verify.places import shown, source
from refactorer.verify.printed import Irreproducible, Line, close_lines, read_lines, without_timings
from refactorer.verify.tolerance import Tolerance
from refactorer.verify.verdict import Channel, Divergence

TIMINGS = "equal up to timings"
REPEATED = "equal where the original repeats itself"
NOT_COMPARED = "not compared"


@dataclass(frozen=True)
class Comparison:
    """All channels, and the divergence that is the first one; None when the runs are equivalent."""

    channels: tuple[Channel, ...]
    first: Divergence | None


def compare_runs(original: Run, converted: Run, tolerance: Tolerance, again: Run | None = None) -> Comparison:
    """All channels of two runs; `again` is a second run of the original, to know what it does not repeat."""
    found = [
        compare_entries(name, entries(original.trace), entries(converted.trace), tolerance)
        for name, entries in ch.NUMERIC.items()
    ]
    found += [_bits(name, original, converted, tolerance) for name in ch.BITS]
    found += [
        _printed(original, converted, tolerance, again),
        _files(original, converted, tolerance, again),
        _status(original, converted),
    ]
    random = _random(original, converted, any(channel.differs for channel in found))
    found.append(replace(random, decisive=tolerance.exact))
    found.sort(key=lambda channel: ch.ORDER.index(channel.name))
    for name, entries in ((ch.SCHEDULERS, ch.schedulers), (ch.LOADERS, ch.loaders)):
        found.append(
            compare_entries(name, entries(original.trace), entries(converted.trace), tolerance, decisive=False)
        )
    found = [replace(channel, first=_with_source(channel.first, original, converted)) for channel in found]
    return Comparison(tuple(found), first_divergence(found))


def _bits(name: str, original: Run, converted: Run, tolerance: Tolerance) -> Channel:
    """A channel of checksums; where the runs were cut short, as far as both go: one may be a batch ahead."""
    one, two = (ch.BITS[name](run.trace) for run in (original, converted))
    if original.trace.cut and converted.trace.cut:
        one, two = (entries[: min(len(one), len(two))] for entries in (one, two))
    return compare_entries(name, one, two, tolerance, decisive=tolerance.exact)


def first_divergence(channels: Sequence[Channel]) -> Divergence | None:
    """The decisive divergence at the smallest step; among equals the channel that causes the others."""
    candidates = [channel.first for channel in channels if channel.decisive and channel.differs and channel.first]
    return min(candidates, key=_rank, default=None)


def _rank(divergence: Divergence) -> tuple[int, int]:
    # A line printed after step k may belong to the batch of step k + 1, whose loss is then the cause.
    late = divergence.channel in ch.LATE
    return divergence.step + late, ch.ORDER.index(divergence.channel)


def _with_source(first: Divergence | None, original: Run, converted: Run) -> Divergence | None:
    if first is None:
        return None
    return replace(
        first,
        original_place=shown(first.original_place, original),
        converted_place=shown(first.converted_place, converted),
        original_source=source(first.original_place, original),
        converted_source=source(first.converted_place, converted),
    )


# --- random state --------------------------------------------------------------------------------------------------


def _random(original: Run, converted: Run, others_differ: bool) -> Channel:
    """The state at the end decides; the states at each backward and step only tell where it parted.

    A generator that only one version has, since the other never imports its library, is nothing that both draw from.

    Code that follows a step may run before or after it in the converted version, in the same order of draws. So the
    states at one step may differ although every draw is the same.
    """
    both = _generators(original) & _generators(converted)
    one, two = _random_states(original, both), _random_states(converted, both)
    counts = (len(one), len(two))
    parted = _parted(one, two)
    ends = [_only(both, run.trace.end["r"]) if run.trace.end else None for run in (original, converted)]
    if original.trace.cut or converted.trace.cut or None in ends:
        differs = parted is not None and others_differ
        status, note = ("differs" if differs else NOT_COMPARED), "no state at the end of a run that was cut short"
    else:
        differs = ends[0] != ends[1]
        status = "differs" if differs else "equal"
        note = "" if differs or _keys(one) == _keys(two) else "equal at the end"
    if not differs:
        return Channel(ch.RANDOM, status, *counts, note=note)
    last = _last_step(original, converted)
    before, after = parted or (
        _random_entry(last, ends[0] or {}, None, "at the end"),
        _random_entry(last, ends[1] or {}, None, "at the end"),
    )
    return Channel(ch.RANDOM, status, *counts, ch.divergence(ch.RANDOM, last, before, after), note=note)


def _keys(entries: Sequence[Entry]) -> list[object]:
    return [entry.key for entry in entries]


def _generators(run: Run) -> set[str]:
    """The generators that exist in a run at some moment."""
    states = [*(value.random for value in run.trace.losses), *(step.random for step in run.trace.steps)]
    return set().union(*states, (run.trace.end or {}).get("r", {}))


def _only(names: set[str], states: dict[str, int]) -> dict[str, int]:
    return {name: bits for name, bits in states.items() if name in names}


def _random_states(run: Run, names: set[str]) -> list[Entry]:
    """The states of some generators at each backward and each step, in the order in which they happened."""
    entries = [
        (value.step, 0, _random_entry(value.step, _only(names, value.random), value.place, "at the backward of"))
        for value in run.trace.losses
    ] + [(s.step, 1, _random_entry(s.step, _only(names, s.random), s.place, "after")) for s in run.trace.steps]
    return [entry for _, _, entry in sorted(entries, key=lambda item: item[:2])]


def _random_entry(step: int, states: dict[str, int], place: str | None, when: str) -> Entry:
    text = ", ".join(f"{name} {bits:08x}" for name, bits in sorted(states.items()))
    moment = when if when == "at the end" else f"{when} step {step}"
    return Entry(step, f"random state {moment}", tuple(sorted(states.items())), text, place=place)


def _parted(one: Sequence[Entry], two: Sequence[Entry]) -> tuple[Entry, Entry] | None:
    """The pair from which on all states differ; None when the last pair agrees."""
    found = None
    for a, b in reversed(list(zip(one, two, strict=False))):
        if a.key == b.key:
            break
        found = (a, b)
    return found


# --- printed lines -------------------------------------------------------------------------------------------------


def _printed(original: Run, converted: Run, tolerance: Tolerance, again: Run | None) -> Channel:
    one, two = _lines(original), _lines(converted)
    counts = (len(one), len(two))
    if original.trace.cut and converted.trace.cut:
        one, two = _common(one, two, original.trace.count)
    if [line.text for line in one] == [line.text for line in two]:
        return Channel(ch.PRINTED, "equal", *counts)
    loose = Irreproducible(one, _lines(again)) if again else None
    levels = {TIMINGS: False, REPEATED: False}
    for index in range(max(len(one), len(two))):
        a = one[index] if index < len(one) else None
        b = two[index] if index < len(two) else None
        if a and b:
            if a.text == b.text or (not tolerance.exact and close_lines(a.text, b.text, tolerance)):
                continue
            if without_timings(a.text) == without_timings(b.text):
                levels[TIMINGS] = True
                continue
            if loose and loose.same(index, a.text, b.text):
                levels[REPEATED] = True
                continue
        pair = (_line_entry(index, a), _line_entry(index, b))
        return Channel(ch.PRINTED, "differs", *counts, ch.divergence(ch.PRINTED, index, *pair))
    status = REPEATED if levels[REPEATED] else TIMINGS if levels[TIMINGS] else "equal"
    return Channel(ch.PRINTED, status, *counts)


def _lines(run: Run) -> list[Line]:
    return read_lines(run.stdout, run.trace.prints)


def _line_entry(index: int, line: Line | None) -> Entry | None:
    if line is None:
        return None
    return Entry(line.step, f"printed line {index + 1}", line.text, repr(line.text), place=line.place)


def _common(one: list[Line], two: list[Line], steps: int) -> tuple[list[Line], list[Line]]:
    """Without the surplus that one version prints before its last step and the other would have printed after it."""
    size = min(len(one), len(two))
    rest = [line for line in one[size:] + two[size:] if line.step < steps - 1]
    return (one, two) if rest else (one[:size], two[:size])


# --- files and exit status -----------------------------------------------------------------------------------------


def _files(original: Run, converted: Run, tolerance: Tolerance, again: Run | None) -> Channel:
    one, two = (_near_script(run) for run in (original, converted))
    if original.trace.cut or converted.trace.cut:
        return Channel(ch.FILES, NOT_COMPARED, len(one), len(two), note="the runs were cut short")
    files = compare_files(one, two, tolerance)
    differences = files.differences
    if again:
        repeated = compare_files(one, _near_script(again), tolerance)
        unsteady = {difference.original for difference in repeated.differences}
        differences = tuple(d for d in differences if d.original is None or d.original not in unsteady)
    counts = (files.original, files.converted)
    if not differences:
        status = REPEATED if files.differences else TIMINGS if files.loose else "equal"
        return Channel(ch.FILES, status, *counts, note="; ".join(files.loose[:5]))
    first = differences[0]
    name = first.original or first.converted or ""
    step = _last_step(original, converted)
    found = Divergence(ch.FILES, step, 0, f"file {name}: {first.text}", first.original, first.converted)
    note = "; ".join(f"{d.original or d.converted}: {d.text}" for d in differences[:5])
    return Channel(ch.FILES, "differs", *counts, found, note=note)


def _last_step(original: Run, converted: Run) -> int:
    """The step that what happens at the end is counted to."""
    return max(original.trace.count, converted.trace.count)


def _near_script(run: Run) -> dict[str, Path | None]:
    """The files of a run by their names relative to the working folder."""
    cwd, folder = run.scratch.cwd, run.scratch.folder
    return {Path(os.path.relpath(folder / name, cwd)).as_posix(): path for name, path in run.scratch.written().items()}


def _status(original: Run, converted: Run) -> Channel:
    if original.status == converted.status:
        return Channel(ch.STATUS, "equal", 1, 1)
    step = _last_step(original, converted)
    pair = [Entry(step, "exit status", run.status, describe_status(run.status)) for run in (original, converted)]
    return Channel(ch.STATUS, "differs", 1, 1, ch.divergence(ch.STATUS, 0, *pair))


def describe_status(status: int | None) -> str:
    """An exit status in words."""
    if status is None:
        return "stopped at the time limit"
    return f"signal {-status}" if status < 0 else str(status)
