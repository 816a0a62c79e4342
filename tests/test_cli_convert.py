"""`refactorer convert`: where the result goes, what is printed where, and the exit status."""

from __future__ import annotations

import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from refactorer.config import IDIOMS
from tests.cli_harness import CommandLine, command_line, install_stub

ROOT = Path(__file__).parent.parent


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes], tmp_path: Path) -> CommandLine:
    install_stub(monkeypatch)
    monkeypatch.chdir(tmp_path)
    return command_line(monkeypatch, capfdbinary)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """One file of each outcome but internal errors."""
    (tmp_path / "src" / "sub").mkdir(parents=True)
    (tmp_path / "src" / "loop.py").write_text("LOOP\n")
    (tmp_path / "src" / "plain.py").write_text("x = 1\n")
    (tmp_path / "src" / "sub" / "deep.py").write_text("y = 1\nLOOP\n")
    return tmp_path / "src"


def snapshot(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_default_prints_the_diff_and_writes_nothing(cli: CommandLine, tree: Path) -> None:
    before = snapshot(tree)
    done = cli("convert", "src")
    assert done.status == 0
    assert done.text == (
        "--- a/src/loop.py\n+++ b/src/loop.py\n@@ -1 +1 @@\n-LOOP\n+TRAINER_runtime\n"
        "--- a/src/sub/deep.py\n+++ b/src/sub/deep.py\n@@ -1,2 +1,2 @@\n y = 1\n-LOOP\n+TRAINER_runtime\n"
    )
    assert done.stderr == (
        "src/loop.py:1:1: N101 kept in its literal form\nsrc/sub/deep.py:1:1: N101 kept in its literal form\n"
        "2 files would be converted, 1 file has nothing to convert.\n"
    )
    assert snapshot(tree) == before


def test_diff_is_the_default(cli: CommandLine, tree: Path) -> None:
    assert cli("convert", "src", "--diff") == cli("convert", "src")


def test_in_place(cli: CommandLine, tree: Path) -> None:
    done = cli("convert", "src", "--in-place")
    assert (done.status, done.stdout) == (0, b"")
    assert "converted src/loop.py\n" in done.stderr
    assert "2 files converted, 1 file has nothing to convert.\n" in done.stderr
    assert snapshot(tree) == {
        "loop.py": b"TRAINER_runtime\n",
        "plain.py": b"x = 1\n",
        "sub/deep.py": b"y = 1\nTRAINER_runtime\n",
    }


def test_in_place_leaves_files_without_a_loop_untouched(cli: CommandLine, tree: Path) -> None:
    before = (tree / "plain.py").stat()
    cli("convert", "src", "-i")
    after = (tree / "plain.py").stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


@pytest.mark.parametrize(
    "data",
    [
        b"LOOP\r\ny = 1\r\n",
        b"LOOP\ny = 1\r\nz = 2\n",
        b"LOOP\ry = 1\r",
        b"y = 1\nLOOP",
        b"\xef\xbb\xbfLOOP\r\n",
        b"# coding: latin-1\nLOOP = '\xe9'\n",
        b"#!/usr/bin/env python\n\n\x0cLOOP\n",
    ],
)
def test_in_place_keeps_encoding_mark_and_line_ends(cli: CommandLine, tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "x.py"
    path.write_bytes(data)
    path.chmod(0o755)
    assert cli("convert", "x.py", "-i").status == 0
    assert path.read_bytes() == data.replace(b"LOOP", b"TRAINER_runtime")
    assert stat.S_IMODE(path.stat().st_mode) == 0o755


@pytest.mark.skipif(shutil.which("patch") is None, reason="needs the patch program")
@pytest.mark.parametrize(
    "data",
    [
        b"LOOP\r\ny = 1\r\n",
        b"y = 1\nLOOP",
        b"LOOP\ny = 1",
        b"\xef\xbb\xbfLOOP\ny = 1\n",
        b"# coding: latin-1\nLOOP = '\xe9'\n",
        b"LOOP\n\x0c\ny = '\xe2\x80\xa8'\n",
    ],
)
def test_the_diff_applies_to_the_bytes(cli: CommandLine, tmp_path: Path, data: bytes) -> None:
    (tmp_path / "x.py").write_bytes(data)
    done = cli("convert", "x.py")
    subprocess.run(["patch", "--binary", "-p1"], input=done.stdout, cwd=tmp_path, check=True, capture_output=True)
    assert (tmp_path / "x.py").read_bytes() == data.replace(b"LOOP", b"TRAINER_runtime")


def test_a_link_stays_a_link(cli: CommandLine, tree: Path, tmp_path: Path) -> None:
    (tmp_path / "link.py").symlink_to("src/loop.py")
    assert cli("convert", "link.py", "-i").status == 0
    assert (tmp_path / "link.py").is_symlink()
    assert (tree / "loop.py").read_bytes() == b"TRAINER_runtime\n"


def test_output_for_one_file(cli: CommandLine, tree: Path, tmp_path: Path) -> None:
    (tree / "loop.py").chmod(0o755)
    done = cli("convert", "src/loop.py", "--output", "new/lit.py")
    assert (done.status, done.stdout) == (0, b"")
    assert (tmp_path / "new" / "lit.py").read_bytes() == b"TRAINER_runtime\n"
    assert (tmp_path / "new" / "lit.py").stat().st_mode & 0o111
    assert (tree / "loop.py").read_bytes() == b"LOOP\n"


def test_output_mirrors_the_tree_with_the_converted_files_only(cli: CommandLine, tree: Path, tmp_path: Path) -> None:
    assert cli("convert", "src", "-o", "out").status == 0
    expected = {"loop.py": b"TRAINER_runtime\n", "sub/deep.py": b"y = 1\nTRAINER_runtime\n"}
    assert snapshot(tmp_path / "out") == expected


def test_output_inside_the_input_is_not_an_input_of_the_next_run(cli: CommandLine, tree: Path) -> None:
    cli("convert", "src", "-o", "src/out")
    before = snapshot(tree)
    assert cli("convert", "src", "-o", "src/out").status == 0
    assert snapshot(tree) == before


def test_output_of_one_file_into_a_folder(cli: CommandLine, tree: Path, tmp_path: Path) -> None:
    cli("convert", "src/loop.py", "-o", "out/")
    assert (tmp_path / "out" / "loop.py").exists()
    cli("convert", "src/sub/deep.py", "-o", "out")
    assert (tmp_path / "out" / "deep.py").exists()


def test_output_of_standard_input(cli: CommandLine, tmp_path: Path) -> None:
    done = cli("convert", "-", "-o", "lit.py", stdin=b"LOOP\n")
    assert (done.status, done.stdout) == (0, b"")
    assert (tmp_path / "lit.py").read_bytes() == b"TRAINER_runtime\n"


def test_nothing_is_written_to_output_for_a_refused_or_unchanged_file(cli: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "x.py").write_text("REFUSE\n")
    assert cli("convert", "x.py", "-o", "lit.py").status == 3
    (tmp_path / "x.py").write_text("x = 1\n")
    assert cli("convert", "x.py", "-o", "lit.py").status == 0
    assert not (tmp_path / "lit.py").exists()


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["src", "-o", "src"], "use --in-place"),
        (["src/loop.py", "-o", "src/loop.py"], "use --in-place"),
        (["src/loop.py", "src/plain.py", "-o", "src/plain.py"], "is a file"),
        (["-", "-o", "src"], "standard input has no name"),
        (["src/loop.py", "other/loop.py", "-o", "out"], "would both be written to out/loop.py"),
    ],
)
def test_outputs_that_would_overwrite_something(
    cli: CommandLine, tree: Path, tmp_path: Path, args: list[str], says: str
) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "loop.py").write_text("LOOP\n")
    before = snapshot(tmp_path)
    done = cli("convert", *args)
    assert (done.status, done.stdout) == (2, b"")
    assert says in done.stderr
    assert snapshot(tmp_path) == before


def test_check(cli: CommandLine, tree: Path) -> None:
    before = snapshot(tree)
    done = cli("convert", "src", "--check")
    assert (done.status, done.stdout) == (1, b"")
    assert "would convert src/loop.py\n" in done.stderr
    assert cli("convert", "src/plain.py", "--check").status == 0
    assert snapshot(tree) == before


def test_check_with_diff(cli: CommandLine, tree: Path) -> None:
    done = cli("convert", "src", "--check", "--diff")
    assert done.status == 1
    assert done.stdout == cli("convert", "src").stdout


def test_standard_input_to_standard_output(cli: CommandLine) -> None:
    done = cli("convert", "-", stdin=b"\xef\xbb\xbfx = '\xc3\xa9'\r\nLOOP")
    assert (done.status, done.stdout) == (0, b"\xef\xbb\xbfx = '\xc3\xa9'\r\nTRAINER_runtime")


def test_standard_input_with_nothing_to_convert_passes_through(cli: CommandLine) -> None:
    done = cli("convert", "-", stdin=b"# coding: latin-1\r\nx = '\xe9'")
    assert (done.status, done.stdout) == (0, b"# coding: latin-1\r\nx = '\xe9'")


@pytest.mark.parametrize(("text", "status"), [(b"REFUSE\n", 3), (b"1 +\n", 2), (b"BOOM\n", 2), (b"'\xff'\n", 2)])
def test_standard_input_that_fails_gives_no_output(cli: CommandLine, text: bytes, status: int) -> None:
    done = cli("convert", "-", stdin=text)
    assert (done.status, done.stdout) == (status, b"")
    assert "<stdin>" in done.stderr


def test_standard_input_as_diff_and_check(cli: CommandLine) -> None:
    assert cli("convert", "-", "--diff", stdin=b"LOOP\n").text.startswith("--- a/<stdin>\n+++ b/<stdin>\n")
    done = cli("convert", "-", "--check", stdin=b"LOOP\n")
    assert (done.status, done.stdout) == (1, b"")


def test_standard_input_among_files_is_shown_as_diff(cli: CommandLine, tree: Path) -> None:
    done = cli("convert", "-", "src/loop.py", "-", stdin=b"LOOP\n")
    assert done.text.count("+TRAINER_runtime") == 2
    assert done.text.index("<stdin>") < done.text.index("src/loop.py")


def test_target(cli: CommandLine, tree: Path) -> None:
    assert "+TRAINER_lightning\n" in cli("convert", "src/loop.py", "--target", "lightning").text
    assert cli("convert", "src/loop.py", "--target", "keras").status == 2


@pytest.mark.parametrize(
    ("args", "skipped"),
    [
        (["--skip", "N101"], ["N101"]),
        (["--skip", "n101,N106"], ["N101", "N106"]),
        (["--skip", "N101", "--skip", "N102"], ["N101", "N102"]),
        (["--only", "N101"], sorted(IDIOMS.keys() - {"N101"})),
        (["--only", "N101", "--only", "N106", "--skip", "N106"], sorted(IDIOMS.keys() - {"N101"})),
    ],
)
def test_idioms_are_chosen_by_code(cli: CommandLine, tree: Path, args: list[str], skipped: list[str]) -> None:
    assert f"+{'_'.join(['TRAINER', 'runtime', *skipped])}\n" in cli("convert", "src/loop.py", *args).text


@pytest.mark.parametrize("option", ["--only", "--skip"])
def test_an_unknown_idiom_is_bad_usage(cli: CommandLine, tree: Path, option: str) -> None:
    done = cli("convert", "src/loop.py", option, "N101,X999")
    assert done.status == 2 and "there is no idiom X999; there are N101, N102" in done.stderr


@pytest.mark.parametrize(
    "args",
    [
        [],
        ["src", "--in-place", "--diff"],
        ["src", "--in-place", "--output", "x"],
        ["src", "--output", "x", "--diff"],
        ["src", "--output", ""],
        ["src", "--check", "--in-place"],
        ["src", "--check", "--output", "x"],
        ["-", "--in-place"],
        ["src", "--diff", "--format", "sarif"],
        ["src", "--format", "yaml"],
        ["src", "--jobs", "0"],
        ["src", "--no-such-option"],
        ["missing.py"],
        ["src", "missing.py"],
    ],
)
def test_bad_usage(cli: CommandLine, tree: Path, args: list[str]) -> None:
    before = snapshot(tree)
    done = cli("convert", *args, stdin=b"LOOP\n")
    assert (done.status, done.stdout) == (2, b"")
    assert "Error: " in done.stderr
    assert "Traceback" not in done.stderr
    assert snapshot(tree) == before


def test_a_missing_path_is_named(cli: CommandLine, tree: Path) -> None:
    assert "'missing.py' does not exist" in cli("convert", "src", "missing.py").stderr


@pytest.mark.parametrize(
    ("texts", "options", "status"),
    [
        (["x = 1"], [], 0),
        (["LOOP"], [], 0),
        (["LOOP"], ["--check"], 1),
        (["LOOP"], ["--in-place"], 0),
        (["REFUSE"], [], 3),
        (["REFUSE", "LOOP"], ["--check"], 3),
        (["REFUSE", "LOOP", "1 +"], ["--check"], 2),
        (["LOOP", "BOOM"], ["--check"], 2),
        (["1 +", "x = 1"], [], 2),
        (["INVALID"], [], 2),
    ],
)
def test_exit_status(cli: CommandLine, tmp_path: Path, texts: list[str], options: list[str], status: int) -> None:
    for number, text in enumerate(texts):
        (tmp_path / f"{number}.py").write_text(text)
    assert cli("convert", ".", *options).status == status


def test_refused_and_broken_files_do_not_stop_the_others(cli: CommandLine, tmp_path: Path) -> None:
    for name, text in (("a", "1 +"), ("b", "REFUSE"), ("c", "BOOM"), ("d", "INVALID"), ("e", "LOOP")):
        (tmp_path / f"{name}.py").write_text(text)
    done = cli("convert", ".", "--in-place")
    assert done.status == 2
    assert snapshot(tmp_path) == {
        "a.py": b"1 +",
        "b.py": b"REFUSE",
        "c.py": b"BOOM",
        "d.py": b"INVALID",
        "e.py": b"TRAINER_runtime",
    }
    assert done.stderr.splitlines() == [
        "a.py:1:4: E002 not valid Python: invalid syntax",
        f"    hint: correct this line; the file is read with Python {sys.version_info[0]}.{sys.version_info[1]}",
        "b.py:1:3: R303 two optimizers, 100% sure",
        "    hint: use one: the other",
        "c.py: E900 internal error: KeyError: 'optimizer'",
        "    hint: the file is as it was; please report this with the script and what REFACTORER_DEBUG=1 shows",
        "d.py: E900 internal error: RuntimeError: the converted text is not valid Python: invalid syntax (its line 2)",
        "    hint: the file is as it was; please report this with the script and what REFACTORER_DEBUG=1 shows",
        "converted e.py",
        "e.py:1:1: N101 kept in its literal form",
        "1 file converted, 1 file was refused, 3 files failed.",
    ]


def test_debugging_shows_the_traceback(cli: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "x.py").write_text("BOOM")
    monkeypatch.setenv("REFACTORER_DEBUG", "1")
    done = cli("convert", "x.py")
    assert done.status == 2
    assert "Traceback" in done.stderr
    assert "KeyError: 'optimizer'" in done.stderr


def test_a_file_that_cannot_be_written(cli: CommandLine, tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object) -> None:
        raise PermissionError(13, "Permission denied")

    before = snapshot(tree)
    monkeypatch.setattr("refactorer.files.os.replace", fail)
    done = cli("convert", "src", "--in-place", "--format", "json")
    assert done.status == 2
    statuses = {file["path"]: file["status"] for file in json.loads(done.text)["files"]}
    assert statuses == {"src/loop.py": "error", "src/plain.py": "unchanged", "src/sub/deep.py": "error"}
    assert "src/loop.py: E004 cannot be written: permission denied" in done.stderr
    assert snapshot(tree) == before


def test_interrupt_leaves_every_file_as_it_was(cli: CommandLine, tree: Path) -> None:
    (tree / "z.py").write_text("INTERRUPT")
    before = snapshot(tree)
    done = cli("convert", "src", "--in-place")
    assert (done.status, done.stdout) == (130, b"")
    assert "Traceback" not in done.stderr
    assert snapshot(tree) == before


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_jobs_do_not_change_the_order(cli: CommandLine, tmp_path: Path, jobs: str) -> None:
    for number in range(30):
        (tmp_path / f"{number:02}.py").write_text("LOOP\n" if number % 3 else "REFUSE\n")
    done = cli("convert", ".", "--check", "--format", "json", "--jobs", jobs)
    assert done.status == 3
    files = json.loads(done.text)["files"]
    assert [file["path"] for file in files] == [f"{number:02}.py" for number in range(30)]
    assert [file["status"] for file in files] == ["refused", "converted", "converted"] * 10


def test_a_folder_without_python_files(cli: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    done = cli("convert", "empty")
    assert (done.status, done.stdout) == (0, b"")
    assert done.stderr == "empty: no Python files here\nno files.\n"


def test_a_folder_that_cannot_be_listed(cli: CommandLine, tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scandir = os.scandir

    def fail(path: str) -> object:
        if path.endswith("sub"):
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr("refactorer.discovery.os.scandir", fail)
    done = cli("convert", "src", "--in-place")
    assert done.status == 2
    assert "sub: E001 cannot be read: permission denied" in done.stderr
    assert (tree / "loop.py").read_bytes() == b"TRAINER_runtime\n"


def test_json(cli: CommandLine, tree: Path) -> None:
    (tree / "refused.py").write_text("REFUSE\n")
    done = cli("convert", "src", "--format", "json")
    report = json.loads(done.text)
    assert done.status == 3
    assert report["files"][0] == {
        "path": "src/loop.py",
        "status": "converted",
        "findings": [
            {
                "kind": "training-loop",
                "message": "a loop over the batches",
                "path": "src/loop.py",
                "line": 1,
                "column": 1,
            }
        ],
        "diagnostics": [
            {
                "code": "N101",
                "severity": "note",
                "message": "kept in its literal form",
                "hint": "",
                "path": "src/loop.py",
                "line": 1,
                "column": 1,
            }
        ],
        "diff": "--- a/src/loop.py\n+++ b/src/loop.py\n@@ -1 +1 @@\n-LOOP\n+TRAINER_runtime\n",
    }
    assert report["summary"] == {"converted": 2, "unchanged": 1, "refused": 1, "error": 0}


@pytest.mark.parametrize("options", [["--check"], ["--in-place"], ["--output", "out"]])
def test_json_has_no_diff_unless_asked(cli: CommandLine, tree: Path, options: list[str]) -> None:
    report = json.loads(cli("convert", "src", "--format", "json", *options).text)
    assert all("diff" not in file for file in report["files"])


def test_json_with_check_and_diff(cli: CommandLine, tree: Path) -> None:
    done = cli("convert", "src", "--format", "json", "--check", "--diff")
    assert done.status == 1
    assert "+TRAINER_runtime" in json.loads(done.text)["files"][0]["diff"]


@pytest.mark.parametrize("output_format", ["json", "sarif", "github"])
def test_machine_formats_alone_are_on_standard_output(cli: CommandLine, tree: Path, output_format: str) -> None:
    (tree / "bad.py").write_text("1 +\n")
    done = cli("convert", "src", "--format", output_format)
    assert done.status == 2
    if output_format == "github":
        assert all(line.startswith("::") for line in done.text.splitlines())
    else:
        json.loads(done.text)
    assert "E002" in done.stderr


def test_odd_file_names(cli: CommandLine, tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9 \xe2\x98\x83 a,b:c%.py")
    try:
        (tmp_path / name).write_text("LOOP\n")
    except OSError:
        pytest.skip("the file system has no such names")
    for output_format in ("text", "json", "sarif", "github"):
        done = cli("convert", ".", "--format", output_format)
        assert (done.status, b"caf" in done.stdout) == (0, True)
    assert cli("convert", name, "--in-place").status == 0
    assert cli("analyze", name).status == 0


def script(tmp_path: Path, body: str) -> list[str]:
    """A command that runs the command line with the stub converter, changed by `body`, in a process of its own."""
    path = tmp_path / "harness_main.py"
    path.write_text(
        "import sys, types\nfrom tests import cli_harness as h\n"
        "stub = types.ModuleType('refactorer.converter')\n"
        "stub.convert_text, stub.analyze_text = h.convert_text, h.analyze_text\n"
        f"sys.modules['refactorer.converter'] = stub\n{body}\nsys.exit(h.main())\n"
    )
    return [sys.executable, str(path)]


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT)}


@pytest.mark.skipif(os.name != "posix", reason="sends a signal")
@pytest.mark.parametrize("jobs", ["1", "2"])
def test_real_interrupt(tmp_path: Path, jobs: str) -> None:
    """Ctrl-C reaches the whole process group, as from a terminal."""
    work = tmp_path / "work"
    work.mkdir()
    for number in range(4):
        (work / f"{number}.py").write_text("LOOP\n")
    slow = (
        "import time, pathlib\ndef slow(text, **o):\n    pathlib.Path('started').touch()\n    time.sleep(1)\n"
        "    return h.convert_text(text, **o)\nstub.convert_text = slow"
    )
    process = subprocess.Popen(
        [*script(tmp_path, slow), "convert", "work", "-i", "--jobs", jobs],
        cwd=tmp_path,
        env=environment(),
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    for _ in range(400):
        if (tmp_path / "started").exists():
            break
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert stderr.splitlines()[-1] == "Interrupted. Each file is either wholly converted or as it was."
    assert "Traceback" not in stderr
    assert set(snapshot(work).values()) == {b"LOOP\n"}


def test_a_reader_that_goes_away_is_no_error(tmp_path: Path) -> None:
    for number in range(40):
        (tmp_path / f"{number}.py").write_text("LOOP\n" + f"# {'x' * 5000}\n" * 20)
    process = subprocess.Popen(
        [*script(tmp_path, ""), "convert", ".", "--check", "--diff", "--jobs", "1"],
        cwd=tmp_path,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.read(10)
    process.stdout.close()
    stderr = process.stderr.read().decode()
    assert process.wait(60) == 1
    assert "BrokenPipe" not in stderr
    assert "Traceback" not in stderr
