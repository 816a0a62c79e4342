"""Trains two scripts from the same seed and says where they first differ; checks of converted text.

    with Runner() as runner:
        before = runner.run(text)
        after = runner.run(converted)
    assert first_difference(before, after) is None

A `Runner` is a warm process (tests/forkserver.py) that forks for each run, so a run costs what the training costs.
"""

from __future__ import annotations

import ast
import io
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import tokenize
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from types import MappingProxyType
from typing import Any

from pyflakes import checker, messages

from refactorer.emit import headings
from refactorer.idioms import remarks
from refactorer.idioms.device import remarks as remarks_on_moves
from refactorer.outline.outline import STEP, TEST_STEP, VALIDATION_STEP

ROOT = pathlib.Path(__file__).resolve().parent.parent
FIXTURES = ROOT / "fixtures"


#: Memory in huge pages, where the system has them: to copy the table of the small ones takes most of a fork's time.
_HUGE_PAGES = {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1", "PYTHONMALLOC": "malloc"}


@dataclass(frozen=True)
class Run:
    """What one run did. `events` are `["loss", hex]` and `["step", checksum, rates, random state]`, in order."""

    status: int | str
    lines: list[str]
    error: str
    events: list[list[Any]]
    random: int
    files: dict[str, str]
    seconds: float

    @property
    def steps(self) -> int:
        return sum(event[0] == "step" for event in self.events)


class Runner:
    """A process that has imported torch and Lightning, and forks once per script."""

    module = "tests.forkserver"

    def __enter__(self) -> Runner:
        path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
        env = {**os.environ, "PYTHONPATH": path, "PYTHONHASHSEED": "0", "PYTHONWARNINGS": "ignore"}
        env |= {"MPLBACKEND": "Agg", "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}
        env |= _HUGE_PAGES
        env.pop("REFACTORER_TRAINER", None)
        command = [sys.executable, "-m", self.module]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        self.process = subprocess.Popen(command, cwd=ROOT, env=env, text=True, bufsize=1, **pipes)
        self._reply()
        return self

    def __exit__(self, *error: object) -> None:
        assert self.process.stdin and self.process.stdout
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()

    def run(
        self, text: str | bytes, args: Sequence[str] = (), *, seed: int = 0, timeout: float = 60.0,
        beside: Mapping[str, str | bytes] = MappingProxyType({}),
    ) -> Run:  # fmt: skip
        """Run a script in a folder of its own, with other files beside it."""
        with tempfile.TemporaryDirectory(prefix="run-") as name:
            cwd, out = pathlib.Path(name, "work"), pathlib.Path(name, "out")
            cwd.mkdir(), out.mkdir()
            for path, other in beside.items():
                (cwd / path).parent.mkdir(parents=True, exist_ok=True)
                (cwd / path).write_bytes(other.encode() if isinstance(other, str) else other)
            script = cwd / "train.py"
            script.write_bytes(text.encode() if isinstance(text, str) else text)
            request = {"script": str(script), "args": list(args), "cwd": str(cwd), "out": str(out)}
            status = self._ask({**request, "seed": seed, "timeout": timeout})
            return _read(status, out)

    def _ask(self, request: dict[str, Any]) -> int | str:
        assert self.process.stdin
        self.process.stdin.write(json.dumps(request) + "\n")
        return self._reply()

    def _reply(self) -> int | str:
        assert self.process.stdout
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError("the fork server ended; its standard error says why")
        status: int | str = json.loads(line)["status"]
        return status


def _read(status: int | str, out: pathlib.Path) -> Run:
    trace = {"events": [], "random": 0, "files": {}, "seconds": 0.0}
    if (out / "trace.json").exists():
        trace = json.loads((out / "trace.json").read_text())
    stdout, stderr = ((out / n).read_text(errors="replace") if (out / n).exists() else "" for n in ("stdout", "stderr"))
    return Run(status, stdout.splitlines(), stderr, **trace)


def first_difference(before: Run, after: Run) -> str | None:
    """The first thing that differs, in words, or None when both runs did the same bit for bit."""
    for i, (a, b) in enumerate(zip_longest(before.events, after.events)):
        if a != b:
            return f"event {i} of {len(before.events)}: {_shown(a)} became {_shown(b)}{_reason(after)}"
    if before.status != after.status:
        return f"exit status {before.status} became {after.status}{_reason(after)}"
    for i, (line, other) in enumerate(zip_longest(before.lines, after.lines)):
        if line != other:
            return f"printed line {i + 1}: {line!r} became {other!r}"
    if before.files != after.files:
        names = sorted(set(before.files.items()) ^ set(after.files.items()))
        return f"files differ: {', '.join(sorted({name for name, _ in names}))}"
    if _outcome(before) != _outcome(after):
        return f"ended with {_outcome(before)!r}, then with {_outcome(after)!r}"
    if before.random != after.random:
        return "the random state at the end"
    return None


def _shown(event: list[Any] | None) -> str:
    if event is None:
        return "nothing"
    if event[0] == "loss":
        return f"loss {float.fromhex(event[1])!r}"
    return f"step(parameters {event[1]:08x}, lr {[float.fromhex(r) for r in event[2]]}, random {event[3]:08x})"


def _outcome(run: Run) -> str:
    """The message of the exception that ended a run, or nothing; a progress bar, which shows times, is none."""
    lines = [line for line in run.error.strip().splitlines() if "it/s]" not in line and "s/it]" not in line]
    return (lines or [""])[-1] if run.status != 0 else ""


def _reason(run: Run) -> str:
    return f" ({_outcome(run)})" if _outcome(run) else ""


def undefined_names(text: str) -> set[str]:
    """Names that pyflakes finds undefined; raises SyntaxError when the text does not compile."""
    tree = compile(text, "<fixture>", "exec", ast.PyCF_ONLY_AST)
    assert isinstance(tree, ast.Module)
    kinds = (messages.UndefinedName, messages.UndefinedLocal, messages.UndefinedExport)
    return {str(m.message_args[0]) for m in checker.Checker(tree).messages if isinstance(m, kinds)}


def comments(text: str) -> Counter[str]:
    """How often each comment occurs."""
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    return Counter(t.string.rstrip() for t in tokens if t.type == tokenize.COMMENT)


def lost_comments(before: str, after: str) -> Counter[str]:
    """How often each comment is missing, those aside that say no more than a call on their line, or the next one."""
    lines = before.splitlines()
    told: Counter[str] = Counter()
    for number, line in enumerate(lines):
        text = line.strip()
        if text.startswith("#"):
            code = next((later for later in lines[number:] if not later.strip().startswith("#")), "")
        else:
            code, text = line, line[line.rindex("#") :] if "#" in line else ""
        called = _CALL.search(code) and remarks.says_no_more(text)
        called = called or (_SWITCH.search(code) and remarks.says_only_mode(text))
        called = called or (_RATE.search(code) and remarks.says_only_rate(text))
        stepped = _HEADER.search(code) and any(headings.says_no_more(text, step) for step in _STEPS)
        if text and (called or stepped or (_MOVE.search(code) and remarks_on_moves.says_no_more(text))):
            told[text.rstrip()] += 1
    return comments(before) - comments(after) - told


_CALL = re.compile(r"\.(zero_grad|backward|step)\(")
_RATE = re.compile(r"sched\w*\.step\(")
_SWITCH = re.compile(r"\.(train|eval)\(")
_HEADER = re.compile(r"^\s*(for|while|def|with)\b|\w\(|^\s*@")
_STEPS = (STEP, VALIDATION_STEP, TEST_STEP)
_MOVE = re.compile(r"\.(to|cuda|cpu)\(")


def read(path: pathlib.Path) -> str:
    """The text of a fixture with its own line endings."""
    return path.read_bytes().decode()
