"""Processes that check files, one at a time each. One that hangs or dies costs its file and is replaced."""

from __future__ import annotations

import concurrent.futures
import multiprocessing
import threading
from collections.abc import Callable, Iterable, Iterator
from multiprocessing.connection import Connection

from tests.corpus.check import Checked

Check = Callable[[str], Checked]

TIMED_OUT = "timed out"
DIED = "died"

_CONTEXT = multiprocessing.get_context("spawn")


class Workers:
    """At most `jobs` processes that run `check` (a module-level function), each file for at most `limit` seconds."""

    def __init__(self, check: Check, *, jobs: int, limit: float) -> None:
        self._check, self._jobs, self._limit = check, jobs, limit
        self._mine = threading.local()
        self._all: list[_Worker] = []

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *error: object) -> None:
        for worker in self._all:
            worker.end()

    def run(self, paths: Iterable[str]) -> Iterator[Checked]:
        """One outcome for each path, in their order."""
        with concurrent.futures.ThreadPoolExecutor(self._jobs) as threads:
            yield from threads.map(self._one, paths)

    def _one(self, path: str) -> Checked:
        worker: _Worker | None = getattr(self._mine, "worker", None)
        if worker is None:
            worker = self._mine.worker = _Worker(self._check)
            self._all.append(worker)
        outcome = worker.ask(path, self._limit)
        if outcome.status in (TIMED_OUT, DIED):
            worker.end()
            del self._mine.worker
        return outcome


class _Worker:
    def __init__(self, check: Check) -> None:
        self._pipe, theirs = _CONTEXT.Pipe()
        self._process = _CONTEXT.Process(target=_serve, args=(theirs, check), daemon=True)
        self._process.start()
        theirs.close()
        self._pipe.recv()

    def ask(self, path: str, limit: float) -> Checked:
        try:
            self._pipe.send(path)
            if not self._pipe.poll(limit):
                return Checked(path, TIMED_OUT, seconds=limit, violations=[f"took more than {limit:g} s"])
            outcome = self._pipe.recv()
        except (EOFError, OSError):
            self._process.join()
            return Checked(path, DIED, violations=[f"the process ended with status {self._process.exitcode}"])
        assert isinstance(outcome, Checked)
        return outcome

    def end(self) -> None:
        self._process.kill()
        self._process.join()
        self._pipe.close()


def _serve(pipe: Connection, check: Check) -> None:
    pipe.send("ready")
    while True:
        try:
            path = pipe.recv()
        except EOFError:
            return
        pipe.send(check(path))
