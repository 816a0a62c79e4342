"""`refactorer run`: settings reach the script through the environment, and its exit status comes back as it is."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from refactorer import launch
from tests.cli_harness import CommandLine, command_line

ROOT = Path(__file__).parent.parent
VARIABLE = "REFACTORER_TRAINER"
SCRIPT = f"""\
import os, sys
# Trainer(
print(os.environ.get({VARIABLE!r}, 'nothing'))
print(sys.argv, sys.path[0] == os.path.dirname(os.path.abspath(__file__)))
"""


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "train.py"
    path.write_text(SCRIPT)
    return path


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes], tmp_path: Path) -> CommandLine:
    monkeypatch.chdir(tmp_path)
    return command_line(monkeypatch, capfdbinary)


def start(*args: object, **variables: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "refactorer", "run", *map(str, args)]
    inherited = {key: value for key, value in os.environ.items() if key != VARIABLE}
    environment = {**inherited, "PYTHONPATH": str(ROOT), **variables}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def settings(done: subprocess.CompletedProcess[str]) -> object:
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout.splitlines()[0])


def test_every_option_reaches_the_script(script: Path) -> None:
    done = start(
        *(script, "--accelerator", "gpu", "--devices", "4", "--num-nodes", "2", "--strategy", "ddp"),
        *(
            "--precision",
            "16-mixed",
            "--set",
            "max_epochs=3",
            "--set",
            "limit-train-batches=0.5",
            "--set",
            "logger=True",
        ),
    )
    assert settings(done) == {
        "accelerator": "gpu",
        "devices": 4,
        "num_nodes": 2,
        "strategy": "ddp",
        "precision": "16-mixed",
        "max_epochs": 3,
        "limit_train_batches": 0.5,
        "logger": True,
    }


def test_without_settings_the_environment_stays(script: Path) -> None:
    assert start(script).stdout.splitlines()[0] == "nothing"


def test_settings_add_to_those_of_the_environment(script: Path) -> None:
    done = start(script, "--devices", "2", **{VARIABLE: '{"devices": 8, "precision": "64-true"}'})
    assert settings(done) == {"devices": 2, "precision": "64-true"}


@pytest.mark.parametrize("value", ["{", "[1]", "3"])
def test_a_broken_environment_is_an_error(script: Path, value: str) -> None:
    done = start(script, **{VARIABLE: value})
    assert (done.returncode, done.stdout) == (2, "")
    assert VARIABLE in done.stderr
    assert "Traceback" not in done.stderr


def test_arguments_after_two_dashes_are_the_scripts(script: Path) -> None:
    done = start(script, "--devices", "2", "--", "--devices", "9", "--", "-x", "--help", "a b")
    assert settings(done) == {"devices": 2}
    assert done.stdout.splitlines()[1] == f"{[str(script), '--devices', '9', '--', '-x', '--help', 'a b']} True"


@pytest.mark.parametrize("status", [0, 1, 2, 3, 77, 130])
def test_exit_status_is_the_scripts(tmp_path: Path, status: int) -> None:
    (tmp_path / "train.py").write_text(f"Trainer()\nraise SystemExit({status})\n".replace("Trainer()", "# Trainer()"))
    assert start(tmp_path / "train.py").returncode == status


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_signals_are_the_scripts(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text("# Trainer(\nimport os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n")
    assert start(tmp_path / "train.py").returncode == -signal.SIGKILL


def test_standard_input_is_the_scripts(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text("# Trainer(\nprint(input())\n")
    command = [sys.executable, "-m", "refactorer", "run", str(tmp_path / "train.py")]
    done = subprocess.run(command, input="hello\n", env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True,
                          text=True, check=True)  # fmt: skip
    assert done.stdout == "hello\n"


def test_a_script_without_a_trainer_is_told(cli: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text("# TheTrainers, but none is made\nTrainerOptions()\n")
    done = cli("run", "train.py", "--devices", "2")
    assert (done.status, done.stdout) == (2, b"")
    assert "is not converted yet" in done.stderr
    assert "refactorer convert train.py --in-place" in done.stderr


def test_a_trainer_in_a_module_beside_the_script_counts(tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text("import os\nfrom loop import fit\n")
    (tmp_path / "loop.py").write_text("def fit():\n    Trainer (max_epochs=1)\n")
    (tmp_path / "other.py").write_text("import os, missing\n")
    assert launch.uses_trainer(str(tmp_path / "main.py"))
    assert not launch.uses_trainer(str(tmp_path / "other.py"))


def test_unreadable_script(cli: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "train.py").write_bytes(b"'\xff'\n")
    done = cli("run", "train.py")
    assert (done.status, "E003" in done.stderr) == (2, True)


@pytest.mark.parametrize(
    ("value", "parsed"),
    [("1", 1), ("8", 8), ("-1", -1), ("auto", "auto"), ("0,1", [0, 1]), ("3,", [3]), (" 0, 2", [0, 2])],
)
def test_devices(value: str, parsed: object) -> None:
    assert launch.parse_devices(value) == parsed


@pytest.mark.parametrize("value", ["", "0", "-2", "two", "1.5", ",", "0,0", "0,-1", "0,x"])
def test_devices_that_make_no_sense(cli: CommandLine, script: Path, value: str) -> None:
    done = cli("run", "train.py", "--devices", value)
    assert (done.status, done.stdout) == (2, b"")
    assert "--devices" in done.stderr
    assert "expected a count" in done.stderr


@pytest.mark.parametrize(
    ("value", "parsed"),
    [
        ("a=1", 1),
        ("a=1e-3", 0.001),
        ("a=true", True),
        ("a=False", False),
        ("a=none", None),
        ("a=null", None),
        ("a=text", "text"),
        ("a='1'", "1"),
        ("a=[1, 2]", [1, 2]),
        ("a={'x': 1}", {"x": 1}),
        ("a=x=y", "x=y"),
        ("a=", ""),
        ("a=16-mixed", "16-mixed"),
        ("a=1+2j", "1+2j"),
        ("a={1}", "{1}"),
        ("a=1e999", "1e999"),
    ],
)
def test_settings(value: str, parsed: object) -> None:
    assert launch.parse_setting(value) == ("a", parsed)
    json.dumps(parsed)


@pytest.mark.parametrize("value", ["a", "=1", "1a=2", "a b=1", ""])
def test_settings_that_make_no_sense(cli: CommandLine, script: Path, value: str) -> None:
    done = cli("run", "train.py", "--set", value)
    assert (done.status, "expected KEY=VALUE" in done.stderr) == (2, True)


@pytest.mark.parametrize(
    "args",
    [
        [],
        ["missing.py"],
        ["."],
        ["train.py", "--epochs", "3"],
        ["train.py", "extra"],
        ["train.py", "--num-nodes", "0"],
        ["train.py", "--num-nodes", "two"],
    ],
)
def test_bad_usage(cli: CommandLine, script: Path, args: list[str]) -> None:
    done = cli("run", *args)
    assert (done.status, done.stdout) == (2, b"")
    assert "Error: " in done.stderr


def test_other_systems_start_a_child(script: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch, "_REPLACES_PROCESSES", False)
    script.write_text("# Trainer(\nraise SystemExit(5)\n")
    with pytest.raises(SystemExit) as ended:
        launch.run_script(str(script), [], {})
    assert ended.value.code == 5


REAL = """\
import torch
from runtime import Module, Trainer

torch.set_num_threads(1)


class Lit(Module):
    def __init__(self, model):
        super().__init__()
        self.model = model

    def training_step(self, batch, batch_idx):
        return self.model(batch[0]).pow(2).mean()

    def configure_optimizers(self):
        return torch.optim.SGD(self.model.parameters(), lr=0.1)


loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(torch.ones(4, 2)))
trainer = Trainer(max_epochs=5, accelerator="cpu")
trainer.fit(Lit(torch.nn.Linear(2, 1)), loader)
print(trainer.global_step, trainer.precision)
"""


@pytest.mark.slow
def test_settings_reach_the_real_trainer(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(REAL)
    assert start(tmp_path / "train.py").stdout == "20 32-true\n"
    done = start(tmp_path / "train.py", "--precision", "bf16-true", "--set", "max_epochs=2", "--accelerator", "cpu")
    assert (done.returncode, done.stdout) == (0, "8 bf16-true\n"), done.stderr
    assert list(tmp_path.iterdir()) == [tmp_path / "train.py"]


@pytest.mark.slow
def test_an_unknown_setting_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(REAL)
    done = start(tmp_path / "train.py", "--set", "max_epoch=2")
    assert done.returncode != 0
    assert "max_epoch" in done.stderr
