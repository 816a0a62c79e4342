"""`verify` from end to end: whole projects, conversions made on the way, and scripts that cannot be judged."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import time
import types
from pathlib import Path
from typing import Any

import pytest

import refactorer.verify
from refactorer.diagnostics import Diagnostic
from refactorer.result import Converted, Failed, Refused, Result, Unchanged
from refactorer.verify import Verdict, exit_status
from refactorer.verify import verify as full_verify
from tests.verify.verify_harness import QUICK, defect, tiny

ROOT = Path(refactorer.verify.__file__).parents[2]


def verify(*args: Any, **options: Any) -> Verdict:
    return full_verify(*args, env=QUICK, **options)


def snapshot(folder: Path) -> dict[str, str]:
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def converter(monkeypatch: pytest.MonkeyPatch, result: Result) -> None:
    """Makes the conversion return this."""
    module = types.ModuleType("refactorer.converter")
    module.convert_text = lambda text, *, path, options, used: result  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "refactorer.converter", module)


PROJECT = """\
import argparse, pathlib, time
import torch
from local.data import load

parser = argparse.ArgumentParser()
parser.add_argument("--lr", type=float)
parser.add_argument("--out")
args = parser.parse_args()
x = load("../data/x.txt")
model = torch.nn.Linear(1, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=args.lr)
for step in range(3):
    optimizer.zero_grad()
    loss = model(x).pow(2).mean()
    loss.backward()
    optimizer.step()
    print(f"step {step}: {loss.item()} in {time.perf_counter():.6f} seconds")
out = pathlib.Path(args.out)
out.mkdir()
torch.save({"model": model.state_dict(), "args": args, "loss": loss.item()}, out / "last.pt")
(out / "log.txt").write_text(f"took {time.perf_counter()} s\\n")
pathlib.Path("../data/x.txt").write_text("overwritten")
print(pathlib.Path(__file__).resolve().parent.parent.name)
"""
LOCAL = "import torch\n\n\ndef load(path):\n    return torch.tensor([[float(n)] for n in open(path).read().split()])\n"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("user") / "mine"
    for name, text in {
        "pyproject.toml": "",
        "data/x.txt": "1 2 3",
        "src/train.py": PROJECT,
        "src/local/data.py": LOCAL,
        ".git/config": "",
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    (root / "elsewhere").mkdir()
    (root / "elsewhere/new.py").write_text(defect(PROJECT, ("for step in range(3):", "for step in range(0, 3):")))
    return root


def test_a_project_is_verified_in_copies(project: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(project / "src")
    before = snapshot(project)
    keep = tmp_path / "kept"
    args = ["--lr", "0.01", f"--out={project / 'src' / 'out'}"]
    verdict = verify("train.py", "../elsewhere/new.py", args=args, keep=keep)
    assert verdict.outcome == "equivalent", verdict.message
    assert snapshot(project) == before
    assert verdict.channel("printed lines").status == "equal up to timings"
    assert verdict.channel("files").status == "equal up to timings"
    assert verdict.channel("files").original == 3
    assert verdict.original is not None
    assert verdict.original.steps == 3
    assert (keep / "original/mine/src/out/last.pt").exists()
    assert (keep / "converted/mine/src/train.py").read_text() == (project / "elsewhere/new.py").read_text()
    assert not (keep / "original/mine/.git").exists()
    assert (keep / "original-records/stdout").read_text().endswith("\nmine\n")
    assert "not an empty folder" in verify("train.py", keep=keep).message


def test_the_conversion_is_made_when_none_is_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = tiny("print(i)")
    (tmp_path / "train.py").write_text(text)
    changed = defect(text, ("lr=0.1", "lr=0.2"))
    converter(monkeypatch, Converted("train.py", text, changed, (Diagnostic("N001", "a note"),)))
    verdict = verify(tmp_path / "train.py", confirm=False)
    assert verdict.outcome == "not equivalent"
    assert verdict.first is not None
    assert (verdict.first.channel, verdict.first.step) == ("learning rates", 1)
    assert (verdict.first.original, verdict.first.converted) == ("0.1", "0.2")
    assert verdict.diagnostics[0].code == "N001"
    assert exit_status(verdict) == 1


@pytest.mark.parametrize(
    ("result", "outcome", "status"),
    [
        (Refused("train.py", (Diagnostic("R001", "why"),)), "refused", 3),
        (Failed("train.py", (Diagnostic("E002", "why"),)), "error", 2),
        (Unchanged("train.py"), "nothing to verify", 0),
    ],
)
def test_without_a_conversion_nothing_runs(
    result: Result, outcome: str, status: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "train.py").write_text("raise SystemExit('ran')\n")
    converter(monkeypatch, result)
    verdict = verify(tmp_path / "train.py")
    assert (verdict.outcome, exit_status(verdict)) == (outcome, status)
    assert verdict.diagnostics == result.diagnostics
    assert verdict.original is None


def versions(folder: Path, original: str, converted: str) -> tuple[Path, Path]:
    folder.mkdir(exist_ok=True)
    (folder / "train.py").write_text(original)
    (folder / "converted.py").write_text(converted)
    return folder / "train.py", folder / "converted.py"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("print(open('nowhere.txt').read())\n", "No such file or directory: 'nowhere.txt'"),
        (
            "import sys\nsys.exit('bad data')\n",
            "exit status 1 after 0 optimizer steps; its standard error ends",
        ),
        ("print('hello')\n", "never calls backward() and never imports torch"),
        ("import torch\nx = torch.ones(1, requires_grad=True)\n", "never calls backward(), so"),
        ("import time\ntime.sleep(60)\n", "did not finish within 3 s (0 optimizer steps)"),
        ("def broken(:\n", "SyntaxError"),
    ],
)
def test_an_original_that_cannot_serve_is_an_error(text: str, said: str, tmp_path: Path) -> None:
    verdict = verify(*versions(tmp_path / "project", text, text), timeout=3.0 if "sleep" in text else None)
    assert (verdict.outcome, exit_status(verdict)) == ("error", 2)
    assert said in verdict.message
    assert verdict.converted is None


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"script": "missing.py"}, "missing.py does not exist"),
        ({"script": "."}, ". is not a file"),
        ({"script": __file__, "converted": "missing.py"}, "missing.py does not exist"),
        ({"script": __file__, "steps": 0}, "at least 1"),
        ({"script": __file__, "timeout": 0}, "must be positive"),
    ],
)
def test_wrong_arguments_are_an_error(arguments: dict[str, object], said: str) -> None:
    verdict = verify(**arguments)
    assert verdict.outcome == "error"
    assert said in verdict.message


def test_lines_that_the_original_does_not_repeat_do_not_count(tmp_path: Path) -> None:
    text = tiny("print('run', int.from_bytes(os.urandom(4), 'big'), 'step', i)")
    same = verify(*versions(tmp_path / "project", text, text))
    assert same.outcome == "equivalent", same.message
    assert same.channel("printed lines").status == "equal where the original repeats itself"
    assert any("does not repeat itself" in note for note in same.notes)
    other = verify(*versions(tmp_path / "project", text, defect(text, ("'step', i", "'step', i + 1"))))
    assert other.outcome == "not equivalent"
    assert other.first is not None
    assert other.first.channel == "printed lines"


LATER = "print(i, torch.rand(1).item() > 2)"


def test_a_tail_may_run_before_the_step(tmp_path: Path) -> None:
    """Draws in the same order are the same training, wherever the step is between them."""
    text = tiny(LATER)
    moved = defect(text, (f"    {LATER}\n", ""), ("    loss.backward()\n", f"    {LATER}\n    loss.backward()\n"))
    verdict = verify(*versions(tmp_path / "project", text, moved))
    assert verdict.outcome == "equivalent", verdict.message
    assert verdict.channel("random state").note == "equal at the end"
    cut = verify(*versions(tmp_path / "project", text, moved), steps=2)
    assert cut.outcome == "equivalent", cut.message
    assert cut.channel("random state").status == "not compared"
    assert [(c.original, c.converted) for c in cut.channels if c.name == "printed lines"] == [(1, 2)]


def test_tolerances_are_kept_and_stated(tmp_path: Path) -> None:
    text = tiny("print('loss', loss.item())", after="torch.save(model.state_dict(), 'model.pt')")
    near = defect(text, ("lr=0.1", "lr=0.1000001"))
    pair = versions(tmp_path / "project", text, near)
    loose = verify(*pair, rtol=1e-4, confirm=False)
    assert loose.outcome == "equivalent", loose.message
    assert loose.tolerances == "within rtol=0.0001, atol=0"
    tight = verify(*pair, rtol=1e-9, confirm=False)
    assert tight.outcome == "not equivalent"
    assert tight.first is not None
    assert tight.first.channel == "learning rates"


def test_the_package_can_be_called_like_the_function() -> None:
    verdict = refactorer.verify("missing.py")  # type: ignore[operator]
    assert isinstance(verdict, Verdict)
    assert verdict.outcome == "error"


def test_a_conversion_that_fails_or_hangs(tmp_path: Path) -> None:
    text = tiny()
    fails = verify(*versions(tmp_path / "fails", text, defect(text, ("pass", "if i == 2: raise ValueError('no')"))))
    assert fails.outcome == "not equivalent"
    assert fails.message == "the converted version fails after 2 of 4 optimizer steps: ValueError: no"
    assert len(fails.causes) == 1
    slow = defect(text, ("    pass\n", "    if i == 2: import time; time.sleep(60)\n"))
    hangs = verify(*versions(tmp_path / "hangs", text, slow), timeout=10.0)
    assert hangs.outcome == "error"
    assert "did not finish within the time limit (2 of 4 optimizer steps" in hangs.message


def test_an_interrupt_ends_the_run_and_cleans_up(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    text = f"import os, time\nopen({str(mark)!r}, 'w').write(f'{{os.getpid()}} {{os.getcwd()}}')\ntime.sleep(60)\n"
    script, _ = versions(tmp_path / "project", text, text)
    code = f"from refactorer.verify import verify; verify({str(script)!r}, {str(script)!r})"
    with subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stderr=subprocess.DEVNULL) as process:
        limit = time.monotonic() + 30
        while not (mark.exists() and mark.read_text()) and time.monotonic() < limit:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        assert process.wait(30) != 0
    pid, folder = mark.read_text().split(" ", 1)
    assert not Path(folder).exists()
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid), 0)
