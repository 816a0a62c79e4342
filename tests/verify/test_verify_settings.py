"""How runs are limited, seeded and watched: epochs, seeds, terminals, servers, progress."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from refactorer.verify import verify, watch
from tests.ports import free_port
from tests.verify.verify_harness import QUICK, defect, run_script, tiny

EPOCHS = """\
import torch
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(3)
data, held = TensorDataset(torch.randn(8, 2)), TensorDataset(torch.randn(4, 2))
model = torch.nn.Linear(2, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for epoch in range(5):
    for i, (x,) in enumerate(DataLoader(data, batch_size=2, shuffle=True)):
        optimizer.zero_grad()
        model(x).pow(2).mean().backward()
        optimizer.step()
        if i == 1:
            sum(model(y).sum() for (y,) in DataLoader(held, batch_size=2))
    print("end of epoch", epoch, sum(model(y).sum() for (y,) in DataLoader(held, batch_size=2)).item())
"""


def test_epochs_end_the_run_where_the_next_one_would_begin(tmp_path: Path) -> None:
    run = run_script(tmp_path, EPOCHS, epochs=2)
    assert (run.status, run.trace.cut, len(run.trace.steps)) == (0, True, 8)
    assert [line.split()[3] for line in run.stdout.splitlines()] == [b"0", b"1"]
    whole = run_script(tmp_path / "whole", EPOCHS, epochs=9)
    assert (whole.trace.cut, len(whole.trace.steps)) == (False, 20)


def test_without_a_loader_epochs_end_nothing_and_that_is_said(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(tiny())
    verdict = verify(tmp_path / "train.py", tmp_path / "train.py", env=QUICK, epochs=1)
    assert verdict.outcome == "equivalent"
    assert "--epochs 1 did not end the runs: no data loader was iterated that often" in verdict.notes


def test_several_seeds_move_those_that_the_script_sets(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(tiny())
    same = verify(tmp_path / "train.py", tmp_path / "train.py", env=QUICK, seeds=2)
    assert same.outcome == "equivalent"
    assert same.message.endswith("with each of 2 seeds")
    assert [seed.seed for seed in same.seeds] == [0, 1]
    assert same.seeds[0].original_loss != same.seeds[1].original_loss
    late = defect(tiny(), ("    pass\n", "    torch.initial_seed() == 2 and print('late')\n"))
    (tmp_path / "late.py").write_text(late)
    other = verify(tmp_path / "train.py", tmp_path / "late.py", env=QUICK, seeds=2, confirm=False)
    assert other.outcome == "not equivalent"
    assert other.message.startswith("with seed 1, the first difference")


@pytest.mark.parametrize("text", ["print(input('name? '))\n", "import getpass\ngetpass.getpass()\n"])
def test_a_script_that_asks_for_input(text: str, tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(text)
    verdict = verify(tmp_path / "train.py", tmp_path / "train.py", env=QUICK, timeout=60)
    assert verdict.outcome == "error"
    assert "asks for input and there is nobody to answer (EOFError" in verdict.message


SERVER = "import http.server\nhttp.server.HTTPServer(('127.0.0.1', {port}), None).serve_forever()\n"


def test_a_server_is_told_from_a_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "QUIET", 1.0)
    port = free_port()
    (tmp_path / "train.py").write_text(SERVER.format(port=port))
    verdict = verify(tmp_path / "train.py", tmp_path / "train.py", env=QUICK, timeout=60)
    assert verdict.outcome == "error"
    assert f"listens on port {port} and waits for clients, after 0 optimizer steps" in verdict.message


def test_a_training_that_listens_is_no_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "QUIET", 0.5)
    port = free_port()
    body = f"sum(range(3_000_000)) if i > 1 else __import__('socket').create_server(('127.0.0.1', {port}))"
    run = run_script(tmp_path, tiny(body, steps=30))
    assert (run.status, run.listens, len(run.trace.steps)) == (0, None, 30)


def test_a_terminal_of_the_usual_size(tmp_path: Path) -> None:
    text = "import os, sys\nprint(os.get_terminal_size(0), sys.stdin.isatty(), os.popen('stty size').read().split())\n"
    run = run_script(tmp_path, text)
    assert run.stdout == b"os.terminal_size(columns=80, lines=24) True ['24', '80']\n", run.stderr_tail


def test_progress_is_told(tmp_path: Path) -> None:
    told: list[tuple[str, int, int | None]] = []
    (tmp_path / "train.py").write_text(tiny("import time; time.sleep(0.1)", steps=10))
    arguments = (tmp_path / "train.py", tmp_path / "train.py")
    verify(*arguments, env=QUICK, progress=lambda run, steps, total: told.append((run, steps, total)))
    assert told[0] == ("original", 0, None)
    assert {run for run, _, _ in told} == {"original", "converted"}
    assert max(steps for run, steps, _ in told if run == "converted") >= 1
    assert {total for run, _, total in told if run == "converted"} == {10}


def test_the_environment_and_the_diff_are_told(tmp_path: Path) -> None:
    text = tiny()
    (tmp_path / "train.py").write_text(text)
    (tmp_path / "new.py").write_text(defect(text, ("import os\n", "import os  # here\n")))
    verdict = verify(tmp_path / "train.py", tmp_path / "new.py", env={**QUICK, "OMP_NUM_THREADS": "1"})
    known = {flag.name: flag.value for flag in verdict.environment}
    assert (known["OMP_NUM_THREADS"], known["PYTHONHASHSEED"]) == ("1", "0")
    assert "-import os\n+import os  # here\n" in verdict.diff
    assert json.loads(json.dumps(verdict.to_dict()))["diff"] == verdict.diff
