"""Runs one version of a script in a subprocess of its own, traced."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from refactorer.verify import synthetic
from refactorer.verify.project import Project
from refactorer.verify.scratch import Scratch
from refactorer.verify.terminal import Terminal, empty_terminal
from refactorer.verify.trace import Trace, read_traces
from refactorer.verify.watch import Watch

INJECT = Path(__file__).resolve().parent / "inject"
DETERMINISTIC = {"PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1", "CUBLAS_WORKSPACE_CONFIG": ":4096:8"}
# What holds unless the user's environment says otherwise: one thread, no window, no upload, one date in documents.
DEFAULTS = {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MPLBACKEND": "Agg",
    "WANDB_MODE": "disabled",
    "SOURCE_DATE_EPOCH": "0",
}


@dataclass(frozen=True)
class Settings:
    """What both runs have in common. `steps` and `epochs` are None for a run to the end; `timeout` is in seconds.

    `synthetic` is the number of generated samples, None for the script's own data. `reseed` is added to every seed that
    the script sets itself. `plugins` are modules of `inject` that also run inside the script's process; `progress` is
    called with the optimizer steps done, while a run goes on.
    """

    args: tuple[str, ...] = ()
    steps: int | None = None
    seed: int = 0
    timeout: float | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    python: str = sys.executable
    epochs: int | None = None
    synthetic: int | None = None
    reseed: int = 0
    plugins: tuple[str, ...] = ()
    progress: Callable[[int], None] | None = None


@dataclass
class Run:
    """What one run did. `status` is negative for a signal; None when the run was stopped at the time limit.

    `listens` is the port on which a run waited for clients, when it was stopped for that; `generated` says in words
    which data were generated.
    """

    status: int | None
    seconds: float
    stdout: bytes
    stderr: bytes
    trace: Trace
    scratch: Scratch
    title: str
    listens: int | None = None
    generated: tuple[str, ...] = ()

    @property
    def error(self) -> str | None:
        """The exception that ended the run, if one did."""
        return self.trace.end["error"] if self.trace.end else None

    @property
    def stderr_tail(self) -> str:
        """The last lines of standard error."""
        return "\n".join(self.stderr.decode(errors="replace").strip().splitlines()[-15:])[-3000:]


def run_traced(project: Project, scratch: Scratch, records: Path, settings: Settings, title: str) -> Run:
    """Runs `python script.py args` in a scratch copy; `records` receives the trace, stdout and stderr.

    `title` is what reports call the script's file.

    Raises `OSError` when the interpreter cannot be started.
    """
    records.mkdir(parents=True)
    command = [settings.python, os.path.relpath(scratch.script, scratch.cwd), *_moved(settings.args, project, scratch)]
    with open(records / "stdout", "ab") as out, open(records / "stderr", "ab") as err, empty_terminal() as terminal:
        began = time.perf_counter()
        process = subprocess.Popen(
            command,
            cwd=scratch.cwd,
            env=environment(project, scratch, records, settings),
            stdin=terminal.fd,
            stdout=out,
            stderr=err,
            start_new_session=True,
        )
        watch = Watch(records, process.pid, settings.progress)
        status = _wait(process, settings.timeout, watch, terminal)
        seconds = time.perf_counter() - began
    stdout, stderr = (records / "stdout").read_bytes(), (records / "stderr").read_bytes()
    trace, generated = read_traces(records), synthetic.read_used(records)
    return Run(status, seconds, stdout, stderr, trace, scratch, title, watch.waits_at, generated)


def _wait(process: subprocess.Popen[bytes], timeout: float | None, watch: Watch, terminal: Terminal) -> int | None:
    """The exit status, or None after the time limit or when the run only waits; leaves no process of it behind."""
    ends = time.monotonic() + (float("inf") if timeout is None else timeout)
    try:
        while (left := ends - time.monotonic()) > 0:
            try:
                return process.wait(min(left, watch.every))
            except subprocess.TimeoutExpired:
                if watch.look():
                    return None
                terminal.refuse()
        return None
    finally:
        _kill_group(process)


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    try:
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    except (ProcessLookupError, PermissionError):
        pass
    process.wait()


def environment(project: Project, scratch: Scratch, records: Path, settings: Settings) -> dict[str, str]:
    """The user's environment, made deterministic, with the tracer first on the path."""
    env = {**DEFAULTS, **os.environ, **settings.env, **DETERMINISTIC}
    inherited = [os.path.abspath(entry) for entry in env.get("PYTHONPATH", "").split(os.pathsep) if entry]
    own = _own_path()
    moved = _moved([entry for entry in inherited if entry not in own], project, scratch)
    paths = [str(INJECT), *([str(synthetic.INJECT)] if settings.synthetic else []), *moved, *own]
    env["PYTHONPATH"] = os.pathsep.join(dict.fromkeys(paths))
    env.pop("REFACTORER_TRACE_MAIN", None)
    env.update(
        REFACTORER_TRACE_DIR=str(records),
        REFACTORER_TRACE_ROOT=str(scratch.folder),
        REFACTORER_TRACE_SEED=str(settings.seed),
        REFACTORER_TRACE_STEPS=str(settings.steps or 0),
        REFACTORER_TRACE_LINKS="1" if scratch.linked else "",
        REFACTORER_TRACE_EPOCHS=str(settings.epochs or 0),
        REFACTORER_TRACE_RESEED=str(settings.reseed),
        REFACTORER_TRACE_PLUGINS=" ".join(_plugins(settings)),
    )
    if settings.synthetic:
        env.update(synthetic.variables(settings.synthetic))
    return env


def _plugins(settings: Settings) -> list[str]:
    """What runs inside the script's process beside the tracer, for these settings."""
    wanted = {
        "refactorer_waiting": True,
        "refactorer_epochs": settings.epochs,
        "refactorer_reseed": settings.reseed,
        synthetic.PLUGIN: settings.synthetic,
    }
    return [name for name, value in wanted.items() if value] + list(settings.plugins)


def _own_path() -> list[str]:
    """Where `runtime` is found when the project runs from a source tree rather than from site-packages."""
    top = Path(__file__).resolve().parents[2]
    return [] if top.name in ("site-packages", "dist-packages") else [str(top)]


def _moved(texts: Sequence[str], project: Project, scratch: Scratch) -> list[str]:
    """Arguments with absolute paths into the project made to point into its scratch copy."""
    return [_move(text, project, scratch) for text in texts]


def _move(text: str, project: Project, scratch: Scratch) -> str:
    option, equals, path = text.rpartition("=") if text.startswith("-") else ("", "", text)
    if os.path.isabs(path) and any(Path(os.path.normpath(path)).is_relative_to(part) for part in project.parts):
        path = str(scratch.folder / Path(os.path.normpath(path)).relative_to(project.base))
    return option + equals + path
