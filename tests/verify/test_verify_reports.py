"""Reports say the same in every format, and are well-formed whatever the script printed."""

from __future__ import annotations

import io
import json
import math
import re
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import jsonschema
import pytest
from rich.console import Console

from refactorer.diagnostics import Diagnostic
from refactorer.verify import report
from refactorer.verify.measured import Flag, Part, SeedResult, Tolerances
from refactorer.verify.report import charts, words, write_report
from refactorer.verify.report_text import render
from refactorer.verify.verdict import Cause, Channel, Divergence, RunSummary, Verdict, exit_status


def summary(*losses: float, **changes: object) -> RunSummary:
    fields = {
        "status": 0, "seconds": 2.5, "training_seconds": 0.5, "steps": len(losses), "losses": losses,
        "peak_memory": 2**28, "peak_gpu_memory": None, "error": None, "stderr_tail": "", "torch": "2.13.0",
        "threads": 1, **changes,
    }  # fmt: skip
    return RunSummary(**fields)  # type: ignore[arg-type]


FIRST = Divergence("losses", 2, 1, "loss 2", "0.5 (float32)", "0.25 (float32)", -0.25, 8388608,
                   "train.py:7", "lit.py:9", "loss.backward()", "return loss")  # fmt: skip
USUAL = Cause("mode", "a <usual> cause", "train.py:3", None, "model.eval()", None)
ORIGIN = Cause("forward value", "the output of layer <0>", "train.py:6", "lit.py:8", "model(x)", "self.model(x)")
SAME = Verdict(
    "equivalent", "the same 2 losses", "train.py", "lit.py", channels=(Channel("losses", "equal", 2, 2),),
    original=summary(1.0, 0.5), converted=summary(1.0, 0.5, training_seconds=0.75),
)  # fmt: skip
PRINTED = Divergence("printed lines", 2, 0, "printed line 1", "'<b>\x00[bold]'", None)
DIFFERENT = Verdict(
    "not equivalent", "the first difference is at step 2", "train.py", "lit.py", ("--lr", "1"), 3, None, 1e-3, None,
    (
        Channel("losses", "differs", 2, 3, FIRST),
        Channel("printed lines", "differs", 1, 0, PRINTED),
        Channel("files", "not compared", 1, 1, note="the runs were cut short"),
        Channel("loader iterations", "differs", 1, 2, PRINTED, decisive=False),
    ),
    first=FIRST, likely=(USUAL,), notes=("a note",), original=summary(1.0, 0.5),
    origin=ORIGIN, converted=summary(1.0, 0.25, math.nan, status=1, error="ValueError: x", stderr_tail="ValueError: x"),
)  # fmt: skip
REFUSED = Verdict("refused", "train.py was not converted", "train.py",
                  diagnostics=(Diagnostic("R001", "two loops", "join them", "train.py", 3, 1),))  # fmt: skip
BROKEN = Verdict("error", "the original fails: ValueError: <x>", "train.py", original=summary(status=1))
NOTHING = Verdict("nothing to verify", "train.py has no training loop to convert", "train.py")
ALL = [SAME, DIFFERENT, REFUSED, BROKEN, NOTHING]


def text_of(verdict: Verdict) -> str:
    console = Console(file=io.StringIO(), width=120)
    console.print(render(verdict))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize("verdict", ALL, ids=lambda verdict: verdict.outcome)
def test_the_terminal_ends_with_the_verdict(verdict: Verdict) -> None:
    assert text_of(verdict).rstrip().splitlines()[-1].startswith(f"{verdict.outcome}: ")


def test_the_terminal_shows_the_evidence() -> None:
    text = text_of(DIFFERENT)
    for part in (
        "loss 2", "0.5 (float32)", "0.25 (float32)", "-0.25 (8388608 units in the last place)", "a <usual> cause",
        "train.py:7   loss.backward()", "lit.py:9   return loss", "differs at step 2", "(loader iterations)",
        "within rtol=0.001, atol=0", "seed 3", "--lr 1", "ValueError: x", "note: a note", "exit status 1",
    ):  # fmt: skip
        assert part in text
    assert "1.50" in text_of(SAME)
    assert "R001 two loops (join them)" in text_of(REFUSED)


@pytest.mark.parametrize("verdict", ALL, ids=lambda verdict: verdict.outcome)
def test_json(verdict: Verdict, tmp_path: Path) -> None:
    write_report(verdict, tmp_path / "report.json")
    read = json.loads((tmp_path / "report.json").read_text())
    assert read["schema"] == "refactorer.verify/1"
    assert read["outcome"] == verdict.outcome
    assert read["exit_status"] == exit_status(verdict)
    if verdict is DIFFERENT:
        assert read["first"]["original"] == "0.5 (float32)"
        assert read["likely"][0]["name"] == "mode"
        assert read["likely"][0]["original_place"] == "train.py:3"
        assert read["causes"] == ["a <usual> cause"]
        assert (read["origin"]["name"], read["origin"]["converted_place"]) == ("forward value", "lit.py:8")
        assert read["converted"]["losses"] == [1.0, 0.25, "nan"]
        assert read["channels"][0]["first"]["ulps"] == 8388608


FULL = replace(
    DIFFERENT,
    synthetic=("MNIST",),
    setting="precision=bf16-mixed",
    derived=Tolerances("four times the spread", (0.1, math.inf)),
    seeds=(SeedResult(0, "equivalent", "the same", 2, 1.0, math.nan),),
    statistics=(Part((1, 2), 1.0, 0.1, 2.0, 0.1, math.inf, 4.6, 0.3),),
    environment=(Flag("OMP_NUM_THREADS", "1"),),
    repeats="the original repeats itself",
    diff="--- a\n+++ b\n-<b>\n+`` | #\n",
)
SCHEMA = json.loads((Path(report.__file__).parent / "schema.json").read_text())


@pytest.mark.parametrize("verdict", [*ALL, FULL], ids=lambda verdict: verdict.outcome)
def test_json_has_the_published_form(verdict: Verdict, tmp_path: Path) -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    validator = jsonschema.Draft202012Validator(SCHEMA)
    write_report(verdict, tmp_path / "report.json")
    read = json.loads((tmp_path / "report.json").read_text())
    assert [error.message for error in validator.iter_errors(read)] == []
    for name in SCHEMA["required"]:
        assert list(validator.iter_errors({key: value for key, value in read.items() if key != name}))
    assert list(validator.iter_errors({**read, "outcome": "perhaps"}))


@pytest.mark.parametrize("verdict", [*ALL, FULL], ids=lambda verdict: verdict.outcome)
def test_markdown(verdict: Verdict, tmp_path: Path) -> None:
    write_report(verdict, tmp_path / "report.md")
    text = (tmp_path / "report.md").read_text()
    first = text.splitlines()[0]
    assert first.startswith(f"### {({0: '✅', 1: '❌'}).get(exit_status(verdict), '⚠️')} {verdict.outcome}")
    assert first.endswith("<code>train.py</code>")
    assert "<usual>" not in text
    if verdict is FULL:
        assert "(on generated data)" in first
        assert "| losses | ❌ differs at step 2 | 2 | 3 |" in text
        assert "| files | ➖ not compared | 1 | 1 |" in text
        assert "- generated: MNIST" in text
        assert (
            "Likely cause: **mode**. a \\<usual\\> cause\n- original <code>line train.py:3   model.eval()</code>"
            in text
        )
        assert "First value that differs: **forward value**" in text


def test_a_summary_in_one_line() -> None:
    assert words.summary(replace(FULL, message="two\nlines")).startswith(
        "verify train.py and lit.py: not equivalent (on generated data): two lines [compared by the spread"
    )
    assert words.summary(SAME).endswith("[compared bit for bit, seed 0, torch 2.13.0, 1 thread]")


def test_everything_is_on_the_page(tmp_path: Path) -> None:
    write_report(FULL, tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text()
    for part in ("Generated: MNIST", "precision=bf16-mixed", "four times the spread", "OMP_NUM_THREADS", "✕ apart",
                 "On generated data", 'class="band"', "first difference", "-&lt;b&gt;"):  # fmt: skip
        assert part in page
    shown = text_of(FULL)
    for part in ("generated: MNIST", "four times the spread", "1 to 2", "not equivalent (on generated data): ",
                 "Likely cause: mode", "train.py:3   model.eval()", "First value that differs: forward"):  # fmt: skip
        assert part in shown


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(0.0, 1.0, [0.0, 0.25, 0.5, 0.75, 1.0]), (0.3, 2.31, [0.0, 1.0, 2.0, 3.0]), (-3e-7, 4e-7, [-4, -2, 0, 2, 4])],
)
def test_axes_have_round_numbers(low: float, high: float, expected: list[float]) -> None:
    chart = charts.curves("t", "", [("original", [low, high])])
    assert chart is not None
    scale = 1e-7 if high < 1e-3 else 1.0
    assert [float(tick.label) for tick in chart.y_ticks] == pytest.approx([value * scale for value in expected])


def test_curves_of_one_value_and_of_none() -> None:
    one = charts.curves("t", "", [("original", [2.0])])
    assert one is not None
    assert [tick.label for tick in (*one.x_ticks, *one.y_ticks)] == ["1", "2"]
    assert charts.curves("t", "", [("original", [math.nan])]) is None
    many = charts.curves("t", "", [("original", [float(i) for i in range(10_000)])], mark=9_999)
    assert many is not None
    assert len(many.lines[0].points.split()) <= charts.MOST_POINTS + 1
    assert many.mark == charts.WIDTH - charts.RIGHT


@pytest.mark.parametrize("verdict", ALL, ids=lambda verdict: verdict.outcome)
def test_html(verdict: Verdict, tmp_path: Path) -> None:
    write_report(verdict, tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text()
    assert verdict.outcome in page
    assert "http" not in page.replace("http-equiv", "")
    assert "<b>" not in page
    assert "<usual>" not in page
    assert page.count("<svg") == (2 if verdict in (SAME, DIFFERENT) else 0)
    assert ('class="verdict good passed"' in page) == (exit_status(verdict) == 0)


def test_the_curves_show_every_finite_loss(tmp_path: Path) -> None:
    write_report(DIFFERENT, tmp_path / "report.html")
    points = re.findall(r'class="(\w+)" points="([^"]*)"', (tmp_path / "report.html").read_text())
    assert [(name, len(text.split())) for name, text in points] == [
        ("original", 2),
        ("converted", 2),
        ("difference", 2),
    ]
    assert points[0][1] == "64.00,14.00 454.00,149.00"


@pytest.mark.parametrize("verdict", ALL, ids=lambda verdict: verdict.outcome)
def test_junit(verdict: Verdict, tmp_path: Path) -> None:
    write_report(verdict, tmp_path / "report.xml")
    suite = ElementTree.parse(tmp_path / "report.xml").getroot()[0]
    numbers = tuple(int(suite.attrib[name]) for name in ("tests", "failures", "errors", "skipped"))
    expected = {SAME: (1, 0, 0, 0), DIFFERENT: (3, 2, 0, 1), REFUSED: (1, 0, 0, 1), BROKEN: (1, 0, 1, 0)}
    assert numbers == expected.get(verdict, (1, 0, 0, 0))
    if verdict is DIFFERENT:
        failure = suite.find("testcase/failure")
        assert failure is not None
        assert failure.text is not None
        assert failure.attrib["type"] == "mode"
        for part in ("a <usual> cause", "the output of layer <0>", "converted line lit.py:8   self.model(x)"):
            assert part in failure.text
        found = {item.attrib["name"]: item.attrib["value"] for item in suite.iter("property")}
        assert found["likely.name"] == "mode"
        assert (found["likely.original_place"], found["origin.converted_source"]) == ("train.py:3", "self.model(x)")
        assert "likely.converted_place" not in found


def test_other_endings_and_places_are_errors(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"must end in \.json, \.html, \.xml, \.md"):
        write_report(SAME, tmp_path / "report.txt")
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        write_report(SAME, tmp_path / "file" / "report.json")


@pytest.mark.parametrize(("verdict", "status"), list(zip(ALL, (0, 1, 3, 2, 0), strict=True)))
def test_exit_statuses(verdict: Verdict, status: int) -> None:
    assert exit_status(verdict) == status
