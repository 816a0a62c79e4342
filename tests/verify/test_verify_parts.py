"""The parts of verification by themselves: numbers, printed lines, files, scratch copies."""

from __future__ import annotations

import argparse
import math
import os
import sqlite3
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from refactorer.verify import scratch as scratch_module
from refactorer.verify.files import compare_files
from refactorer.verify.printed import Irreproducible, Line, read_lines, without_timings
from refactorer.verify.project import find_project
from refactorer.verify.scratch import TooLarge, copy_project
from refactorer.verify.tensors import difference
from refactorer.verify.tolerance import Tolerance, ulps
from refactorer.verify.trace import Mark, read_trace
from tests.verify.verify_harness import run_script

EXACT = Tolerance()


# --- numbers ---------------------------------------------------------------------------------------------------------


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_neighbours_are_one_unit_apart(number: float) -> None:
    above = float(torch.nextafter(torch.tensor(number), torch.tensor(math.inf)))
    if math.isfinite(above):
        assert ulps(number, above, "float32") == 1


@pytest.mark.parametrize(
    ("one", "two", "dtype", "apart"),
    [
        (1.0, 1.0, "float64", 0),
        (1.0, 1.0 + 2**-52, "float64", 1),
        (-(2.0**-149), 2.0**-149, "float32", 2),
        (1.0, 1.0 + 2**-7, "bfloat16", 1),
        (1.0, 1.0 + 2**-10, "float16", 1),
        (math.nan, 1.0, "float32", None),
        (1.0, 2.0, "int64", None),
    ],
)
def test_units_in_the_last_place(one: float, two: float, dtype: str, apart: int | None) -> None:
    assert ulps(one, two, dtype) == apart


def test_tolerances() -> None:
    assert Tolerance(rtol=0.1).close(10.0, 11.0)
    assert not Tolerance(rtol=0.1).close(10.0, 11.1)
    assert Tolerance(atol=0.5).close(0.0, -0.5)
    assert EXACT.close(math.nan, math.nan)
    assert EXACT.close(math.inf, math.inf)
    assert not Tolerance(rtol=0.1).close(math.inf, 1.0)
    assert not Tolerance(rtol=0.1).close(1.0, math.nan)


# --- printed lines ---------------------------------------------------------------------------------------------------


def test_progress_bars_are_no_lines() -> None:
    out = b"a\n\n 10%|#  | 1/10 [00:01<00:09, 1.0it/s]\r100%|###| 10/10 [00:09<00:00, 1.0it/s]\nb\rc\nlast"
    assert [line.text for line in read_lines(out, [])] == ["a", "", "b", "c", "last"]


def test_lines_know_their_step_and_place() -> None:
    marks = [Mark(0, "a.py:1", 0), Mark(3, "a.py:2", 4), Mark(4, "a.py:3", None)]
    assert read_lines(b"one\ntwo\nsub\n", marks) == [
        Line("one", 0, "a.py:1"),
        Line("two", 3, "a.py:2"),
        Line("sub", 3, "a.py:2"),
    ]


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("took 3.21s", "took 13.4s"),
        ("epoch 1 | 12 ms/batch", "epoch 1 | 9 ms/batch"),
        ("Time 0.123 (0.234) Loss 3", "Time 1.3 (0.6) Loss 3"),
        ("2024-01-02 03:04:05,678 start", "2025-11-12 13:14:15,001 start"),
        ("elapsed 0:01:02", "elapsed 1:01:03.5"),
        ("1034.5 samples/sec", "999.1 samples/sec"),
    ],
)
def test_timings_do_not_count(one: str, two: str) -> None:
    assert without_timings(one) == without_timings(two)


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("loss 0.25", "loss 0.26"),
        ("epoch 1 loss 0.25 took 3s", "epoch 1 loss 0.26 took 3s"),
        ("step 5 size 3", "step 6 size 3"),
        ("50 samples", "60 samples"),
        ("3 steps", "4 steps"),
    ],
)
def test_other_numbers_count(one: str, two: str) -> None:
    assert without_timings(one) != without_timings(two)


def test_what_the_original_does_not_repeat() -> None:
    def lines(*texts: str) -> list[Line]:
        return [Line(text, 0, None) for text in texts]

    loose = Irreproducible(lines("id 1 acc 5", "id 2 acc 5", "name x"), lines("id 7 acc 5", "id 2 acc 5", "name y"))
    assert loose.same(0, "id 1 acc 5", "id 9 acc 5")
    assert loose.same(1, "id 2 acc 5", "id 9 acc 5")
    assert not loose.same(0, "id 1 acc 5", "id 1 acc 6")
    assert not loose.same(1, "id 2 acc 5", "id 2 accuracy 5")
    assert loose.same(2, "name x", "name z")


# --- files -----------------------------------------------------------------------------------------------------------


class Odd:
    """Cannot be read back by `weights_only`, and must not be made when the file is."""

    def __init__(self, number: float) -> None:
        self.number = number

    def __setstate__(self, state: dict[str, object]) -> None:
        raise AssertionError("code of the file was called")


def saved(path: Path, content: object, **options: object) -> Path:
    torch.save(content, path, **options)  # type: ignore[arg-type]
    return path


STATE = {"w": torch.arange(4.0), "b": torch.tensor([1, 2]), "opt": {"lr": 0.1, "args": argparse.Namespace(a=1)}}


@pytest.mark.parametrize("zipped", [True, False])
def test_saved_states_are_compared_by_content(tmp_path: Path, zipped: bool) -> None:
    def differ(one: object, two: object, tolerance: Tolerance = EXACT) -> str | None:
        paths = [
            saved(tmp_path / name, content, _use_new_zipfile_serialization=zipped)
            for name, content in (("a", one), ("other", two))
        ]
        return difference(paths[0], paths[1], tolerance)

    changed = {**STATE, "w": torch.tensor([0.0, 1.0, 2.5, 3.0])}
    assert differ(STATE, dict(reversed(STATE.items()))) is None
    assert differ(STATE, changed) == "['w']: 1 of 4 values differ, by up to 0.5"
    assert differ(STATE, changed, Tolerance(atol=0.5)) is None
    assert differ(STATE, {"w": STATE["w"]}) == "key 'b' and 1 more only in the original"
    assert differ({"w": STATE["w"]}, STATE) == "key 'b' and 1 more only in the converted version"
    assert differ({"w": torch.zeros(2)}, {"w": torch.zeros(2, dtype=torch.float64)}) is not None
    assert differ({"w": torch.zeros(1)}, {"w": -torch.zeros(1)}) is not None
    assert differ({"w": torch.tensor([math.nan])}, {"w": torch.tensor([math.nan])}) is None
    assert differ({"x": Odd(1.0)}, {"x": Odd(1.0)}) is None
    assert differ({"x": Odd(1.0)}, {"x": Odd(2.0)}) == "['x']['state']['number']: 1.0 != 2.0"
    assert differ(argparse.Namespace(a=1), argparse.Namespace(a=2)) is not None
    assert differ(torch.nn.Linear(1, 1).bfloat16(), torch.nn.ReLU()) is not None
    assert differ([1, 2], (1, 2)) == "the object is list in the original and tuple in the converted version"


def test_files_are_paired_by_name(tmp_path: Path) -> None:
    def write(side: str, files: dict[str, str | None]) -> dict[str, Path | None]:
        found: dict[str, Path | None] = {}
        for name, text in files.items():
            found[name] = tmp_path / side / name if text is not None else None
            if text is not None:
                (tmp_path / side / name).parent.mkdir(parents=True, exist_ok=True)
                (tmp_path / side / name).write_text(text)
        return found

    one = write("one", {
        "same.txt": "x",
        "log.txt": "took 3.5s\n",
        "runs/Nov21_04-59-12_host/events.out.tfevents.17.host.1.0": "a",
        "metrics.csv": "a\n1\n",
        "gone": None,
        "net_00001000.bin": "x",
        "out-2024-01-02.txt": "y",
    })  # fmt: skip
    two = write("two", {
        "same.txt": "x",
        "log.txt": "took 4.5s\n",
        "runs/Nov21_05-00-00_host/events.out.tfevents.18.host.2.0": "b",
        "metrics.csv": "a\n2\n",
        "net_00001001.bin": "x",
        "out-2024-01-03.txt": "y",
    })  # fmt: skip
    files = compare_files(one, two, EXACT)
    assert (files.original, files.converted) == (7, 6)
    assert [(d.original, d.converted, d.text) for d in files.differences] == [
        ("metrics.csv", "metrics.csv", "line 2: '1' != '2'"),
        ("gone", None, "deleted by the original only"),
        ("net_00001000.bin", None, "written by the original only"),
        (None, "net_00001001.bin", "written by the converted version only"),
    ]
    assert len(files.loose) == 2


def test_a_file_of_any_name_may_hold_anything(tmp_path: Path) -> None:
    for name in ("model.pt", "data.npz", "log.gz"):
        (tmp_path / "a").mkdir(exist_ok=True)
        (tmp_path / "b").mkdir(exist_ok=True)
        (tmp_path / "a" / name).write_bytes(b"\x80garbage")
        (tmp_path / "b" / name).write_bytes(b"\x80garbagE")
        files = compare_files({name: tmp_path / "a" / name}, {name: tmp_path / "b" / name}, EXACT)
        assert "the first difference at byte 7" in files.differences[0].text


# --- scratch copies --------------------------------------------------------------------------------------------------


def tree(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def names(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file() or path.is_symlink()}


def test_the_project_is_the_nearest_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    root = tree(tmp_path / "home", {"p/pyproject.toml": "", "p/src/train.py": "", "q/train.py": "", "setup.py": ""})
    (root / "setup.py").unlink()
    inside = find_project(root / "p/src/train.py", cwd=root / "p")
    assert (inside.parts, inside.base, inside.cwd) == ((root / "p",), root, root / "p")
    outside = find_project(root / "q/train.py", cwd=tmp_path)
    assert (outside.parts, outside.cwd) == ((root / "q",), root / "q")


def test_neighbours_that_the_code_mentions_come_along(tmp_path: Path) -> None:
    script = "a = open('../data/x.txt')\nb = '../../far/y'\nc = '../absent/z'\nd = f'{base}/../own.txt'\n"
    files = {"x/p/train.py": script, "x/data/x.txt": "1", "x/other/z": "", "far/y": "2", "x/own.txt": "3"}
    root = tree(tmp_path / "user", files)
    project = find_project(root / "x/p/train.py", ["--root=../other"], cwd=root)
    copy = copy_project(project, tmp_path / "copy")
    assert names(copy.folder) == {"x/p/train.py", "x/data/x.txt", "far/y", "x/other/z", "x/own.txt"}
    assert (copy.cwd / "../data/x.txt").read_text() == "1"


def test_environments_and_caches_stay_behind(tmp_path: Path) -> None:
    files = ["train.py", ".git/config", "env/pyvenv.cfg", "env/lib/a.py", "__pycache__/a.pyc", ".hidden", "sub/.git/x"]
    root = tree(tmp_path / "p", dict.fromkeys(files, ""))
    copy = copy_project(find_project(root / "train.py"), tmp_path / "copy")
    assert names(copy.folder) == {"p/train.py", "p/.hidden"}


def test_links_stay_inside_the_copy_or_become_absolute(tmp_path: Path) -> None:
    root = tree(tmp_path / "p", {"train.py": "", "data/x": "in"})
    tree(tmp_path / "far", {"y": "out"})
    (root / "inner").symlink_to(root / "data/x")
    (root / "folder").symlink_to("data")
    (root / "outer").symlink_to("../far")
    (root / "broken").symlink_to("nowhere")
    copy = copy_project(find_project(root / "train.py"), tmp_path / "scratch" / "copy")
    copy.move(tmp_path / "scratch" / "moved")
    (copy.folder / "p/inner").write_text("changed")
    assert (root / "data/x").read_text() == "in"
    assert (copy.folder / "p/folder/x").read_text() == "changed"
    assert (copy.folder / "p/outer/y").read_text() == "out"
    assert copy.written() == {"p/data/x": copy.folder / "p/data/x", "p/inner": copy.folder / "p/inner"}


def test_too_many_files_are_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tree(tmp_path / "p", {"train.py": "", **{f"{i}.txt": "" for i in range(10)}})
    monkeypatch.setattr(scratch_module, "MOST_FILES", 5)
    with pytest.raises(TooLarge, match="more than 5 files"):
        copy_project(find_project(root / "train.py"), tmp_path / "copy")


WRITER = """\
import os, pathlib, sqlite3, torch
print(open("large.bin").read(), open("torch.pt").read(), open("read.bin").read())
with open("large.bin", "a") as file:
    file.write(" more")
torch.save({}, "torch.pt")
torch.save({}, pathlib.Path("path.pt"))
os.truncate("cut.bin", 1)
sqlite3.connect("data.db").execute("create table t (i)")
"""


def test_large_files_are_linked_and_never_written_through(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scratch_module, "MOST_BYTES", 3)
    files = {"large.bin": "large", "torch.pt": "saved", "path.pt": "saved", "read.bin": "read", "cut.bin": "whole"}
    root = tree(tmp_path / "project", files)
    sqlite3.connect(root / "data.db").execute("create table s (i)")
    database = (root / "data.db").read_bytes()
    run = run_script(tmp_path, WRITER)
    assert run.status == 0, run.stderr_tail
    assert run.stdout == b"large saved read\n"
    assert {name: (root / name).read_text() for name in files} == files
    assert (root / "data.db").read_bytes() == database
    assert len(run.scratch.linked) == 6
    assert run.scratch.damaged() == []
    assert {os.path.basename(name) for name in run.scratch.written()} == {
        *("large.bin", "torch.pt", "path.pt", "cut.bin", "data.db")
    }
    (root / "read.bin").write_text("changed")
    assert run.scratch.damaged() == [root / "read.bin"]


def test_a_trace_that_was_cut_off_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    path = tmp_path / "trace-1.jsonl"
    path.write_text('{"e": "start", "pid": 1, "main": true, "t": 0}\n{"e": "torch", "version": "2", "thr')
    trace = read_trace(path)
    assert trace.started
    assert trace.torch is None
