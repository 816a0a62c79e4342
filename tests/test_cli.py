"""What all commands share: help, version, status of unforeseen errors, and what is never imported."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import click
import pytest

from refactorer import cli as cli_module
from refactorer.config import VERSION, ExitStatus, worst
from tests.cli_harness import CommandLine, command_line

ROOT = Path(__file__).parent.parent
COMMANDS = ("analyze", "convert", "verify", "run", "explain")
HEAVY = ("torch", "pytorch_lightning", "numpy", "rich", "jinja2", "runtime")


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes], tmp_path: Path) -> CommandLine:
    monkeypatch.chdir(tmp_path)
    return command_line(monkeypatch, capfdbinary)


def python(*args: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, *args], cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )


def test_version(cli: CommandLine) -> None:
    done = cli("--version")
    assert (done.status, done.text, done.stderr) == (0, f"refactorer {VERSION}\n", "")


def test_help(cli: CommandLine) -> None:
    done = cli("--help")
    assert (done.status, done.stderr) == (0, "")
    assert all(command in done.text for command in COMMANDS)
    assert "Examples:" in done.text
    assert cli("-h") == done


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_each_command_has_examples(cli: CommandLine, command: str) -> None:
    done = cli(command, "--help")
    assert (done.status, done.stderr) == (0, "")
    assert f"\n    refactorer {command} " in done.text


@pytest.mark.parametrize("command", COMMANDS)
def test_options_in_the_examples_exist(command: str) -> None:
    from refactorer import examples

    options = {name for parameter in cli_module.cli.commands[command].params for name in parameter.opts}
    lines = getattr(examples, command.upper()).split("\n")[2:]
    used = {word for line in lines for word in line.split(" -- ")[0].split() if word.startswith("-")} - {"-"}
    assert used <= options


@pytest.mark.parametrize("args", [[], ["nonsense"], ["--nonsense"], ["convert", "--target"]])
def test_bad_usage(cli: CommandLine, args: list[str]) -> None:
    done = cli(*args)
    assert (done.status, done.stdout) == (2, b"")
    assert done.stderr


def test_as_a_module() -> None:
    done = python("-m", "refactorer", "--version")
    assert (done.returncode, done.stdout) == (0, f"refactorer {VERSION}\n")
    assert python("-m", "refactorer", "explain", "nonsense").returncode == 2


def test_an_unforeseen_error_is_one_message(cli: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> list[str]:
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr("refactorer.pages.all_pages", fail)
    done = cli("explain")
    assert (done.status, done.stdout) == (2, b"")
    assert done.stderr.startswith("refactorer: E900 internal error: ZeroDivisionError: division by zero")
    assert "Traceback" not in done.stderr
    monkeypatch.setenv("REFACTORER_DEBUG", "1")
    done = cli("explain")
    assert (done.status, "Traceback" in done.stderr) == (2, True)


def test_an_interrupt_ends_with_130(cli: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt() -> list[str]:
        raise KeyboardInterrupt

    monkeypatch.setattr("refactorer.pages.all_pages", interrupt)
    assert cli("explain").status == 130


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [([], 0), ([0], 0), ([0, 1], 1), ([1, 3, 0], 3), ([3, 2, 1, 0], 2), ([0, 2], 2)],
)
def test_precedence_of_exit_statuses(statuses: list[int], expected: int) -> None:
    assert worst(ExitStatus(status) for status in statuses) == expected


LOADED = (
    "import sys\nfrom refactorer.cli import main\nstatus = main(sys.argv[1:])\n"
    f"print('LOADED', [name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)\nsys.exit(status)"
)


@pytest.mark.parametrize(
    "args",
    [
        *(["--help"], ["--version"], ["explain", "E001"], ["explain"]),
        *([command, "--help"] for command in COMMANDS),
        *(["analyze", "x.py", "--format", name] for name in ("text", "json", "sarif", "github")),
        *(["convert", "x.py", "--format", name] for name in ("text", "json", "sarif", "github")),
        ["convert", "."],
        ["convert", "x.py", "--output", "y.py", "--target", "lightning"],
    ],
    ids=" ".join,
)
def test_nothing_heavy_is_imported(tmp_path: Path, args: list[str]) -> None:
    (tmp_path / "x.py").write_text("import torch\nx = 1\n")
    done = python("-c", LOADED, *args, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stderr.endswith("LOADED []\n")


def test_help_is_quick() -> None:
    """Nobody waits for help: torch alone would take seconds of processor time."""
    resource = pytest.importorskip("resource")
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert python("-m", "refactorer", "--help").returncode == 0
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 1


def test_the_users_code_is_never_executed(tmp_path: Path) -> None:
    (tmp_path / "x.py").write_text("import pathlib\npathlib.Path('ran').touch()\n")
    (tmp_path / "torch.py").write_text("import pathlib\npathlib.Path('imported').touch()\n")
    for command in ("analyze", "convert"):
        python("-m", "refactorer", command, "x.py", "torch.py", cwd=tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["torch.py", "x.py"]


def test_every_option_has_a_description() -> None:
    for command in cli_module.cli.commands.values():
        for parameter in command.params:
            if isinstance(parameter, click.Option):
                assert parameter.help, (command.name, parameter.name)
