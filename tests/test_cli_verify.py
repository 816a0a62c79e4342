"""`refactorer verify`: what reaches the verification, what is printed and written, and the exit status."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import pytest

from refactorer.verify import Verdict
from tests.cli_harness import CommandLine, command_line

SCRIPT = """\
import sys
import torch

torch.set_num_threads(1)
model = torch.nn.Linear(2, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for step in range(int(sys.argv[1]) if len(sys.argv) > 1 else 3):
    optimizer.zero_grad()
    loss = model(torch.ones(4, 2) * step).pow(2).mean()
    loss.backward()
    optimizer.step()
    print(step, loss.item())
"""


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes], tmp_path: Path) -> CommandLine:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "train.py").write_text(SCRIPT)
    (tmp_path / "same.py").write_text(SCRIPT)
    (tmp_path / "other.py").write_text(SCRIPT.replace("lr=0.1", "lr=0.2"))
    return command_line(monkeypatch, capfdbinary)


class Stub:
    """Stands for the verification: records how it was called and gives the outcome that it was told."""

    def __init__(self) -> None:
        self.outcome = "equivalent"
        self.calls: list[Any] = []

    def __call__(self, script: str, converted: str | None = None, **options: Any) -> Verdict:
        self.calls.append((script, converted, options))
        return Verdict(self.outcome, "said so", script)


@pytest.fixture
def stub(monkeypatch: pytest.MonkeyPatch) -> Stub:
    stub = Stub()
    monkeypatch.setattr("refactorer.verify.verify", stub)
    return stub


DEFAULTS = {
    "args": (), "steps": None, "epochs": None, "seed": 0, "seeds": 1, "timeout": None, "rtol": None, "atol": None,
    "keep": None, "target": "runtime", "synthetic": None, "trainer": {}, "progress": None,
}  # fmt: skip


def test_defaults(cli: CommandLine, stub: Stub) -> None:
    assert cli("verify", "train.py").status == 0
    assert stub.calls == [("train.py", None, DEFAULTS)]


def test_every_option_arrives(cli: CommandLine, stub: Stub) -> None:
    done = cli(
        *("verify", "train.py", "same.py", "--steps", "5", "--seed", "7", "--timeout", "1.5", "--rtol", "1e-5"),
        *("--atol", "0.1", "--target", "lightning", "--keep", "runs", "--epochs", "4", "--seeds", "3", "--synthetic"),
        *(
            "--accelerator",
            "gpu",
            "--devices",
            "0,1",
            "--num-nodes",
            "2",
            "--strategy",
            "ddp",
            "--precision",
            "16-mixed",
        ),
        *("--", "--epochs", "2", "--", "--seed=1"),
    )
    assert done.status == 0
    trainer = {"accelerator": "gpu", "devices": [0, 1], "num_nodes": 2, "strategy": "ddp", "precision": "16-mixed"}
    expected = {
        "args": ("--epochs", "2", "--", "--seed=1"), "steps": 5, "epochs": 4, "seed": 7, "seeds": 3, "timeout": 1.5,
        "rtol": 1e-5, "atol": 0.1, "target": "lightning", "keep": "runs", "synthetic": 256, "trainer": trainer,
        "progress": None,
    }  # fmt: skip
    assert stub.calls == [("train.py", "same.py", expected)]
    cli("verify", "train.py", "--synthetic", "--samples", "32")
    assert stub.calls[1][2]["synthetic"] == 32


@pytest.mark.parametrize(
    ("outcome", "status"),
    [("equivalent", 0), ("nothing to verify", 0), ("not equivalent", 1), ("error", 2), ("refused", 3)],
)
def test_exit_status(cli: CommandLine, stub: Stub, outcome: str, status: int) -> None:
    stub.outcome = outcome
    done = cli("verify", "train.py")
    assert done.status == status
    # A report is a result; that there is none is a message.
    assert ("said so" in done.text, "said so" in done.stderr) == (status != 2, status == 2)
    line = cli("verify", "train.py", "--format", "line").text
    assert line == f"verify train.py: {outcome}: said so [compared bit for bit, seed 0]\n"
    done = cli("verify", "train.py", "--format", "json")
    assert (done.status, json.loads(done.text)["outcome"]) == (status, outcome)


def test_reports(cli: CommandLine, stub: Stub, tmp_path: Path) -> None:
    names = ["out/r.html", "r.json", "r.xml", "r.md"]
    done = cli("verify", "train.py", *(word for name in names for word in ("--report", name)))
    assert done.status == 0
    assert "<html" in (tmp_path / "out" / "r.html").read_text()
    assert json.loads((tmp_path / "r.json").read_text())["outcome"] == "equivalent"
    assert "### ✅ equivalent: <code>train.py</code>" in (tmp_path / "r.md").read_text()
    assert ElementTree.parse(tmp_path / "r.xml").getroot().tag in {"testsuite", "testsuites"}


def test_a_report_that_cannot_be_written(cli: CommandLine, stub: Stub, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("refactorer.files.os.replace", fail)
    done = cli("verify", "train.py", "--report", "r.json")
    assert (done.status, "r.json: E004" in done.stderr) == (2, True)


@pytest.mark.parametrize(
    "args",
    [
        [],
        ["missing.py"],
        ["train.py", "missing.py"],
        ["."],
        ["train.py", "same.py", "extra"],
        ["train.py", "--lr", "2"],
        ["train.py", "--steps", "0"],
        ["train.py", "--seed", "-1"],
        ["train.py", "--seeds", "0"],
        ["train.py", "--samples", "5"],
        ["train.py", "--devices", "many"],
        ["train.py", "--timeout", "0"],
        ["train.py", "--rtol", "-1"],
        ["train.py", "--atol", "0"],
        ["train.py", "--format", "sarif"],
        ["train.py", "--report", "r.txt"],
        ["train.py", "--report", "html"],
    ],
)
def test_bad_usage(cli: CommandLine, stub: Stub, args: list[str]) -> None:
    done = cli("verify", *args)
    assert (done.status, done.stdout, stub.calls) == (2, b"", [])
    assert "Error: " in done.stderr


@pytest.mark.slow
def test_two_versions_that_train_the_same(cli: CommandLine) -> None:
    done = cli("verify", "train.py", "same.py", "--", "2")
    assert done.status == 0, done
    assert done.text.rstrip().rpartition("\n")[2].lower().startswith("equivalent")


@pytest.mark.slow
def test_two_versions_that_do_not(cli: CommandLine) -> None:
    done = cli("verify", "train.py", "other.py", "--steps", "3", "--format", "json")
    assert done.status == 1, done
    assert json.loads(done.text)["first"]["step"] == 1


@pytest.mark.slow
def test_as_a_process(cli: CommandLine, tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}
    command = [sys.executable, "-m", "refactorer", "verify", "train.py", "other.py", "--", "1"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done
    assert "Traceback" not in done.stderr
