"""The report of a verification for the terminal."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from refactorer.verify.report import words
from refactorer.verify.verdict import Channel, Verdict, exit_status


def render(verdict: Verdict) -> RenderableType:
    """The whole report; the verdict is its last line. `rich.console.Console().print` shows it."""
    parts: list[RenderableType] = [_title(verdict)]
    if verdict.channels:
        parts.append(_evidence(verdict))
    if verdict.original:
        parts.append(_runs(verdict))
    if verdict.statistics:
        parts.append(_statistics(verdict))
    if verdict.seeds:
        parts.append(_seeds(verdict))
    if verdict.first:
        parts += _first(verdict)
    if verdict.converted and verdict.converted.error and verdict.converted.stderr_tail:
        parts.append(Text("\nStandard error of the converted version ends with", style="bold"))
        parts.append(Padding(Text(verdict.converted.stderr_tail), (0, 2)))
    parts += [Text(str(diagnostic)) for diagnostic in verdict.diagnostics]
    parts += [Text(f"generated: {text}", style="yellow") for text in verdict.synthetic]
    if verdict.derived:
        parts.append(Text(f"allowed for each loss: {verdict.derived.derived}", style="yellow"))
    parts += [Text(f"note: {note}", style="yellow") for note in verdict.notes]
    good = exit_status(verdict) == 0
    parts += [Text(), Text(words.last_line(verdict), style="bold green" if good else "bold red")]
    return Group(*parts)


def _title(verdict: Verdict) -> RenderableType:
    versions = verdict.script + (f" and {verdict.converted_script}" if verdict.converted_script else "")
    return Group(Rule(Text(f"verify {versions}"), align="left"), Text(words.settings(verdict), style="dim"))


def _evidence(verdict: Verdict) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("evidence")
    table.add_column("original", justify="right")
    table.add_column("converted", justify="right")
    table.add_column("result")
    for channel in verdict.channels:
        if channel.original or channel.converted or channel.differs:
            name = channel.name if channel.decisive else f"({channel.name})"
            table.add_row(name, str(channel.original), str(channel.converted), _result(channel))
    return table


def _result(channel: Channel) -> Text:
    if channel.differs and channel.first:
        return Text(f"differs at step {channel.first.step}", style="red" if channel.decisive else "yellow")
    style = "green" if channel.status == "equal" else "yellow"
    note = f" ({channel.note})" if channel.note else ""
    return Text(channel.status, style=style) + Text(note, style="dim")


def _runs(verdict: Verdict) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0))
    for name in ("run", "steps", "time", "training", "peak memory", "end"):
        table.add_column(name, justify="left" if name in ("run", "end") else "right")
    for name, run in (("original", verdict.original), ("converted", verdict.converted)):
        if run:
            times = (words.seconds(run.seconds), words.seconds(run.training_seconds))
            table.add_row(name, str(run.steps), *times, words.memory(run.peak_memory), words.status(run))
    if verdict.ratio:
        table.add_row("ratio", "", "", f"{verdict.ratio:.2f}", "", "")
    return table


def _statistics(verdict: Verdict) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0))
    for name in ("losses", "original", "converted", "|t|", "limit"):
        table.add_column(name, justify="left" if name == "losses" else "right")
    for part in verdict.statistics:
        row = [f"{part.steps[0]} to {part.steps[1]}", f"{part.original_mean:.5g} ± {part.original_deviation:.2g}",
               f"{part.converted_mean:.5g} ± {part.converted_deviation:.2g}", f"{abs(part.t):.2f}",
               f"{part.limit:.2f}"]  # fmt: skip
        table.add_row(*row, style=None if part.agrees else "red")
    return table


def _seeds(verdict: Verdict) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0))
    for name in ("seed", "steps", "last loss, original", "converted", "result"):
        table.add_column(name, justify="left" if name == "result" else "right")
    for seed in verdict.seeds:
        losses = (f"{seed.original_loss!r}", f"{seed.converted_loss!r}")
        style = "green" if seed.outcome == "equivalent" else "red"
        table.add_row(str(seed.seed), str(seed.steps), *losses, Text(seed.outcome, style))
    return table


def _first(verdict: Verdict) -> list[RenderableType]:
    assert verdict.first is not None
    parts: list[RenderableType] = [Text(f"\nFirst difference: {verdict.first.quantity}", style="bold")]
    parts += [Padding(Text(line), (0, 2)) for line in words.difference_lines(verdict.first)]
    for what, cause in words.diagnosis(verdict):
        title, *lines = words.cause_lines(what, cause)
        parts.append(Text(title[0].upper() + title[1:], style="bold cyan"))
        parts += [Padding(Text(line), (0, 2)) for line in lines]
    return parts
