"""Runs scripts under the verifier's own tracer, in forks of one process that has already imported torch and Lightning.

A request is one of `tests.forkserver` with `records`, the folder for the trace, and `env`, what the tracer reads. The
tracer, the comparison and the verdict are those of `refactorer verify`; only the start of the process is another.
"""

from __future__ import annotations

import importlib
import os
import pathlib
import sys

from tests import forkserver

INJECT = pathlib.Path(__file__).resolve().parents[2] / "refactorer" / "verify" / "inject"


def child(request: forkserver.Request) -> int:
    """Everything that happens in the forked process, up to its exit status."""
    records, script = pathlib.Path(request["records"]), pathlib.Path(request["script"])
    for descriptor, name in ((1, "stdout"), (2, "stderr")):
        os.dup2(os.open(records / name, os.O_WRONLY | os.O_CREAT | os.O_APPEND), descriptor)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.chdir(request["cwd"])
    sys.argv = [str(script), *request["args"]]
    os.environ.update(request["env"])
    importlib.import_module("refactorer_trace").start()
    status = forkserver.execute(script)
    forkserver.atexit._run_exitfuncs()
    sys.stdout.flush(), sys.stderr.flush()
    return status


if __name__ == "__main__":
    sys.path.insert(0, str(INJECT))
    importlib.import_module("refactorer_watch")
    forkserver.child = child
    forkserver.serve()
