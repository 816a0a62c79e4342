"""Traces scripts at the same absolute path, in forks of a warm process, and judges pairs of runs."""

from __future__ import annotations

import json
import pathlib
import re
import shutil
import tempfile
from collections.abc import Sequence

from refactorer.converter import convert_text
from refactorer.options import choose
from refactorer.result import Converted
from refactorer.verify.check import verdict_of
from refactorer.verify.compare import compare_runs
from refactorer.verify.execute import Run, Settings, environment
from refactorer.verify.project import find_project
from refactorer.verify.scratch import copy_project
from refactorer.verify.tolerance import Tolerance
from refactorer.verify.trace import read_traces
from refactorer.verify.verdict import ERROR, Verdict
from tests.fixtures_harness import FIXTURES, Runner, read

LITERAL = {"accumulation": ["N111"]}
SEEDS = re.compile(r"((?:manual_seed|np\.random\.seed|random\.seed|['\"]--seed['\"], type=int, default=)\(?)(\d+)")


def original(name: str) -> str:
    return read(FIXTURES / f"{name}.in.py")


def converted(name: str) -> str:
    """The golden; the literal form where the Trainer would make the very calls that a defect is about."""
    if name not in LITERAL:
        return read(FIXTURES / f"{name}.out.py")
    result = convert_text(original(name), options=choose(skip=LITERAL[name]))
    assert isinstance(result, Converted), result.diagnostics
    return result.after


def reseeded(text: str, seed: int) -> str:
    """The script with another number in each of its calls that set a seed."""
    return SEEDS.sub(lambda match: f"{match[1]}{int(match[2]) + 1000 * seed}", text)


class Bench(Runner):
    """Makes `Run`s as the verifier does; they last as long as the bench."""

    module = "tests.mutation.server"

    def __enter__(self) -> Bench:
        super().__enter__()
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="mutation-")).resolve()
        (self.folder / "project").mkdir()
        self.count = 0
        return self

    def __exit__(self, *error: object) -> None:
        super().__exit__(*error)
        shutil.rmtree(self.folder, ignore_errors=True)

    def trace(self, text: str, args: Sequence[str] = (), *, seed: int = 0, timeout: float = 60.0) -> Run:
        """One traced run of a script that lies alone in its folder."""
        self.count += 1
        script = self.folder / "project" / "train.py"
        script.write_bytes(text.encode())
        scratch = copy_project(find_project(script), self.folder / "work")
        records = self.folder / f"records-{self.count}"
        records.mkdir()
        settings = Settings(tuple(args), None, seed, timeout)
        env = environment(find_project(script), scratch, records, settings)
        chosen = {key: value for key, value in env.items() if key.startswith("REFACTORER_TRACE")}
        request = {"script": str(scratch.script), "args": list(args), "cwd": str(scratch.cwd), "env": chosen}
        status = self._ask({**request, "records": str(records), "timeout": timeout})
        scratch.move(self.folder / f"run-{self.count}")
        stdout, stderr = ((records / name).read_bytes() for name in ("stdout", "stderr"))
        ended = None if isinstance(status, str) else status
        return Run(ended, 0.0, stdout, stderr, read_traces(records), scratch, "train.py")

    def forget(self, run: Run) -> None:
        """Deletes the files of a run."""
        shutil.rmtree(run.scratch.folder, ignore_errors=True)


def judge(before: Run, after: Run) -> Verdict:
    return verdict_of(compare_runs(before, after, Tolerance()), before, after, Verdict(ERROR, "", "train.py"))


def brief(verdict: Verdict) -> str:
    """The verdict on one line."""
    return json.dumps([verdict.outcome, verdict.message[:150]])
