"""The verdict as JUnit XML: one test case for each channel that decides."""

from __future__ import annotations

import re
from dataclasses import fields
from xml.etree import ElementTree

from refactorer.verify.report.words import cause_lines, diagnosis, difference_lines, seconds
from refactorer.verify.verdict import ERROR, REFUSED, Verdict, exit_status

_FORBIDDEN = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def render(verdict: Verdict) -> str:
    """A `testsuites` element with one suite, named after the script."""
    cases = [_case(verdict, channel.name) for channel in verdict.channels if channel.decisive]
    problem = {ERROR: "error", REFUSED: "skipped"}.get(verdict.outcome)
    if problem or not cases:
        case = ElementTree.Element("testcase", classname="refactorer.verify", name="verdict")
        if problem:
            said = [verdict.message, *map(str, verdict.diagnostics)]
            ElementTree.SubElement(case, problem, message=_clean(said[0])).text = _clean("\n".join(said))
        cases.append(case)
    failed = any(case.find("failure") is not None for case in cases)
    if exit_status(verdict) == 1 and not failed:
        case = ElementTree.Element("testcase", classname="refactorer.verify", name="verdict")
        ElementTree.SubElement(case, "failure", type="difference", message=_clean(verdict.message))
        cases.append(case)
    counts = {name: sum(case.find(tag) is not None for case in cases) for name, tag in _TAGS.items()}
    total = sum(run.seconds for run in (verdict.original, verdict.converted) if run)
    attributes = {"name": verdict.script, "tests": str(len(cases)), "time": f"{total:.3f}"}
    suite = ElementTree.Element("testsuite", attributes | {name: str(number) for name, number in counts.items()})
    if verdict.likely or verdict.origin:
        suite.append(_properties(verdict))
    suite.extend(cases)
    suites = ElementTree.Element("testsuites")
    suites.append(suite)
    ElementTree.indent(suites)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ElementTree.tostring(suites, encoding="unicode") + "\n"


def _properties(verdict: Verdict) -> ElementTree.Element:
    """Likely cause and first value that differs as properties of the suite, for tools that read no text."""
    found = ElementTree.Element("properties")
    named = [("likely", cause) for cause in verdict.likely[:1]]
    named += [("origin", verdict.origin)] if verdict.origin else []
    for name, cause in named:
        for field in fields(cause):
            value = getattr(cause, field.name)
            if value is not None:
                ElementTree.SubElement(found, "property", name=f"{name}.{field.name}", value=_clean(value))
    return found


_TAGS = {"failures": "failure", "errors": "error", "skipped": "skipped"}


def _case(verdict: Verdict, name: str) -> ElementTree.Element:
    channel = verdict.channel(name)
    case = ElementTree.Element("testcase", classname="refactorer.verify", name=name)
    if channel.differs and channel.first:
        is_first = channel.first == verdict.first
        lines, kind = difference_lines(channel.first), "difference"
        if is_first:
            kind = verdict.likely[0].name if verdict.likely else kind
            lines += [line for found in diagnosis(verdict) for line in ("", *cause_lines(*found))]
        message = f"differs first at step {channel.first.step}: {channel.first.quantity}"
        failure = ElementTree.SubElement(case, "failure", type=kind, message=_clean(message))
        failure.text = _clean("\n".join(lines))
    elif channel.status == "not compared":
        ElementTree.SubElement(case, "skipped", message=_clean(channel.note or channel.status))
    if name == "losses" and verdict.original and verdict.converted:
        text = f"original {seconds(verdict.original.seconds)}, converted {seconds(verdict.converted.seconds)}"
        ElementTree.SubElement(case, "system-out").text = text
    return case


def _clean(text: str) -> str:
    """Without the characters that XML cannot hold."""
    return _FORBIDDEN.sub("?", text)
