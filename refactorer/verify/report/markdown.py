"""The verdict as Markdown, short enough for a comment on a pull request."""

from __future__ import annotations

import html
import re

from refactorer.verify.report import words
from refactorer.verify.verdict import ERROR, REFUSED, Cause, Channel, Verdict, exit_status

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>|#~])")


def render(verdict: Verdict) -> str:
    """A heading with the verdict, a table of what was compared, and what is to be known."""
    parts = [f"### {_sign(verdict)} {plain(words.outcome(verdict))}: {_code(verdict.script)}"]
    parts.append(plain(verdict.message))
    parts.append(" · ".join(f"{name} **{plain(value)}**" for name, value in words.facts(verdict)))
    if verdict.first:
        lines = "\n".join(words.difference_lines(verdict.first))
        parts.append(f"First difference: {plain(verdict.first.quantity)}\n\n{_fenced(lines)}")
        parts += [_cause(what, cause) for what, cause in words.diagnosis(verdict)]
    shown = [channel for channel in verdict.channels if channel.original or channel.converted or channel.differs]
    if shown:
        table = ["| check | result | original | converted |", "| --- | --- | ---: | ---: |", *map(_row, shown)]
        parts.append("\n".join(table))
    parts += _runs(verdict)
    notes = [verdict.repeats, *(f"generated: {text}" for text in verdict.synthetic), *verdict.notes]
    notes += [f"allowed for each loss: {verdict.derived.derived}"] if verdict.derived else []
    notes += [str(diagnostic) for diagnostic in verdict.diagnostics]
    listed = "\n".join(f"- {plain(note)}" for note in dict.fromkeys(notes) if note)
    if listed:
        parts.append(f"<details><summary>To be known</summary>\n\n{listed}\n\n</details>")
    return "\n\n".join(part for part in parts if part) + "\n"


def _sign(verdict: Verdict) -> str:
    if verdict.outcome in (ERROR, REFUSED):
        return "⚠️"
    return "✅" if exit_status(verdict) == 0 else "❌"


def _cause(what: str, cause: Cause) -> str:
    places = [f"{name} {_code(words.where(place, source))}" for name, place, source in words.spots(what, cause)]
    said = f"{plain(what.capitalize())}: **{plain(cause.name)}**. {plain(cause.text)}"
    return "\n".join([said, *(f"- {place}" for place in places)])


def _row(channel: Channel) -> str:
    sign = "✅" if not channel.differs else "❌" if channel.decisive else "ℹ️"
    if channel.status == "not compared":
        sign = "➖"
    at = f" at step {channel.first.step}" if channel.differs and channel.first else ""
    return f"| {channel.name} | {sign} {channel.status}{at} | {channel.original} | {channel.converted} |"


def _runs(verdict: Verdict) -> list[str]:
    one, two = verdict.original, verdict.converted
    if one is None or two is None:
        return []
    ratio = f", {verdict.ratio:.2f} times the original's" if verdict.ratio else ""
    times = f"training {words.seconds(one.training_seconds)} → {words.seconds(two.training_seconds)}{ratio}"
    return [f"{times}; peak memory {words.memory(one.peak_memory)} → {words.memory(two.peak_memory)}"]


def plain(text: str) -> str:
    """Text in one line in which nothing is Markdown or HTML."""
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))


def _code(text: str) -> str:
    return f"<code>{html.escape(text)}</code>"


def _fenced(text: str) -> str:
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{text}\n{fence}"
