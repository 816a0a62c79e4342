"""Processes that the Trainer starts: each of them ends when another one dies.

Lightning's own launcher kills the program with SIGKILL where a process it started has failed, without a word, and the
processes are left alone where the first one dies. Communication on GPUs would then wait for half an hour or forever.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from lightning_fabric.utilities.distributed import _set_num_threads_if_needed
from pytorch_lightning.strategies.launchers import _SubprocessScriptLauncher

#: Seconds that a process gets to end on its own after another one failed.
GRACE = 5.0

#: Seconds between two looks at the other processes.
INTERVAL = 0.5

#: The number of the process that started this one.
PARENT_VARIABLE = "REFACTORER_PARENT"

#: The processes that this one has started, by whichever Trainer.
started: list[subprocess.Popen[bytes]] = []

_running = 0


@contextmanager
def run() -> Iterator[None]:
    """Inside, the processes of this run need each other."""
    global _running
    _running += 1
    try:
        yield
    finally:
        _running -= 1


class Launcher(_SubprocessScriptLauncher):
    """Starts the script once more for each device of this machine, and watches over the processes."""

    def launch(self, function: Callable[..., Any], *args: Any, trainer: Any = None, **kwargs: Any) -> Any:
        """Start the other processes, then call the function."""
        self.cluster_environment.validate_settings(num_devices=self.num_processes, num_nodes=self.num_nodes)
        if not self.cluster_environment.creates_processes_externally:
            self._start()
            started.extend(self.procs)
            _in_background(lambda: _watch_children(self.procs, self.num_processes))
        _set_num_threads_if_needed(num_processes=self.num_processes)
        return function(*args, **kwargs)

    def _start(self) -> None:
        os.environ[PARENT_VARIABLE] = str(os.getpid())
        try:
            self._call_children_scripts()
        finally:
            del os.environ[PARENT_VARIABLE]


def take_over(strategy: Any) -> None:
    """Have the strategy launch its processes as above; in a process that was launched so, watch for the first one."""
    launcher = strategy.launcher
    if type(launcher) is _SubprocessScriptLauncher:
        strategy._launcher = Launcher(launcher.cluster_environment, launcher.num_processes, launcher.num_nodes)
    if os.environ.get(PARENT_VARIABLE) == str(os.getppid()):
        del os.environ[PARENT_VARIABLE]  # once is enough, and what this process starts itself is another matter
        parent = os.getppid()
        _in_background(lambda: _watch_parent(parent))


def describe(status: int) -> str:
    """A process's exit status in words."""
    if status >= 0:
        return f"ended with status {status}"
    try:
        return f"was killed by {signal.Signals(-status).name}"
    except ValueError:
        return f"was killed by signal {-status}"


def say(text: str) -> None:
    """One line on standard error, at once."""
    print(f"error: {text}", file=sys.stderr, flush=True)


def _in_background(function: Callable[[], None]) -> None:
    threading.Thread(target=function, daemon=True, name="runtime-watch").start()


def _watch_children(processes: list[subprocess.Popen[bytes]], world: int) -> None:
    failed = _first_failure(processes)
    if failed is None:
        return
    rank, status = failed
    say(f"process {rank} of {world} {describe(status)}, so the training cannot go on")
    time.sleep(GRACE)
    if not _running:
        return  # the script has got an exception of its own, and does what it does then
    for process in processes:
        process.kill()
    sys.stdout.flush()
    os._exit(status if status > 0 else 128 - status)


def _first_failure(processes: list[subprocess.Popen[bytes]]) -> tuple[int, int] | None:
    """Wait for a process that fails while this one trains; None when all have ended well."""
    while True:
        time.sleep(INTERVAL)
        statuses = [process.poll() for process in processes]
        if all(status == 0 for status in statuses):
            return None
        for rank, status in enumerate(statuses, 1):
            if status and _running:
                return rank, status


def _watch_parent(parent: int) -> None:
    """End with the process that started this one: first as on ``kill``, then, if stuck, at once."""
    while os.getppid() == parent:
        time.sleep(INTERVAL)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE)
    os._exit(1)
