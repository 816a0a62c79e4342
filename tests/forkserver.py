"""Runs Python scripts in forks of one process that has already imported torch and pytorch_lightning.

A script trains in well under a second, but importing torch and Lightning takes several: `python -m tests.forkserver`
pays that once. It reads one JSON request per line from standard input (keys: `script`, `args`, `cwd`, `seed`, `out`,
`timeout`), forks, runs the script as `__main__` in the child, and answers with one JSON line per request:
`{"status": exit status or "timeout"}`. The child writes `stdout`, `stderr` and `trace.json` into the folder `out`.

The trace has one event per call of `backward` (the value, bit for bit) and one per optimizer step (a checksum of the
parameters, the learning rates, a checksum of the random states), then the random state at the end and a digest of
every file in the working folder.
"""

from __future__ import annotations

import atexit
import faulthandler
import gc
import hashlib
import json
import os
import pathlib
import random
import signal
import sys
import time
import traceback
import types
import weakref
import zlib
from typing import Any

import numpy as np
import torch
from torch.optim.optimizer import register_optimizer_step_post_hook

from tests.process_groups import keep_process_groups

Request = dict[str, Any]


def random_state() -> int:
    """A checksum of the states of the three generators scripts draw from."""
    name, keys, *rest = np.random.get_state()
    crc = zlib.crc32(torch.get_rng_state().numpy().tobytes())
    crc = zlib.crc32(repr(random.getstate()).encode(), crc)
    return zlib.crc32(repr((name, keys.tobytes(), rest)).encode(), crc)


def record(events: list[list[Any]]) -> None:
    """Append to `events` at every backward and at every optimizer step of this process."""
    original = torch.autograd.backward

    def backward(tensors: Any, *args: Any, **kwargs: Any) -> None:
        for t in tensors if isinstance(tensors, (list, tuple)) else [tensors]:
            events.append(["loss", float(t.detach().double().sum()).hex()])
        original(tensors, *args, **kwargs)

    def stepped(optimizer: torch.optim.Optimizer, args: Any, kwargs: Any) -> None:
        crc = 0
        for group in optimizer.param_groups:
            for p in group["params"]:
                crc = zlib.crc32(p.detach().contiguous().numpy().tobytes(), crc)
        rates = [float(g["lr"]).hex() for g in optimizer.param_groups]
        events.append(["step", crc, rates, random_state()])

    torch.autograd.backward = backward
    register_optimizer_step_post_hook(stepped)


def canonical(value: Any) -> Any:
    """Nested lists and strings that are equal exactly when what was saved is equal."""
    if isinstance(value, torch.Tensor):
        content = value.detach().contiguous().numpy().tobytes()
        return [str(value.dtype), list(value.shape), hashlib.sha1(content).hexdigest()]
    if isinstance(value, torch.nn.Module):
        return [type(value).__name__, canonical(value.state_dict())]
    if isinstance(value, dict):
        return [[repr(k), canonical(v)] for k, v in value.items()]
    if isinstance(value, (list, tuple)):
        return [canonical(v) for v in value]
    return repr(value)


def digest(path: pathlib.Path) -> str:
    """A digest of a file's meaning: of what torch.load returns for torch files, of the bytes otherwise."""
    try:
        content = json.dumps(canonical(torch.load(path, weights_only=False))).encode()
    except Exception:
        content = path.read_bytes()
    return hashlib.sha1(content).hexdigest()


def written(folder: pathlib.Path, script: pathlib.Path) -> dict[str, str]:
    files = sorted(p for p in folder.rglob("*") if p.is_file() and p != script and "__pycache__" not in p.parts)
    return {str(p.relative_to(folder)): digest(p) for p in files}


def execute(script: pathlib.Path) -> int:
    """Run the script as `__main__`; the exit status that Python would have had."""
    main = types.ModuleType("__main__")
    main.__dict__.update(__file__=str(script), __builtins__=__builtins__)
    sys.modules["__main__"] = main
    sys.path.insert(0, str(script.parent))
    try:
        exec(compile(script.read_bytes(), str(script), "exec"), main.__dict__)
    except SystemExit as stop:
        if isinstance(stop.code, str):
            print(stop.code, file=sys.stderr)
        return stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    except BaseException as error:
        sys.last_value = error  # as Python does before it prints a traceback
        traceback.print_exc()
        return 130 if isinstance(error, KeyboardInterrupt) else 1
    return 0


def child(request: Request) -> int:
    """Everything that happens in the forked process, up to its exit status."""
    out, script = pathlib.Path(request["out"]), pathlib.Path(request["script"])
    for descriptor, name in ((1, "stdout"), (2, "stderr")):
        os.dup2(os.open(out / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), descriptor)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    faulthandler.dump_traceback_later(0.9 * request["timeout"], file=2)  # where a script hangs
    os.chdir(request["cwd"])
    sys.argv = [str(script), *request["args"]]
    random.seed(request["seed"]), np.random.seed(request["seed"]), torch.default_generator.manual_seed(request["seed"])
    events: list[list[Any]] = []
    record(events)
    keep_process_groups()
    start = time.perf_counter()
    status = execute(script)
    seconds, final = time.perf_counter() - start, random_state()
    atexit._run_exitfuncs()
    sys.stdout.flush(), sys.stderr.flush()
    files = written(pathlib.Path(request["cwd"]), script)
    trace = {"events": events, "random": final, "files": files, "seconds": seconds}
    (out / "trace.json").write_text(json.dumps(trace))
    return status


def wait(pid: int, timeout: float) -> int | str:
    """The exit status of the child, or "timeout" after killing it."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.005)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return "timeout"


def run_forked(request: Request) -> int | str:
    pid = os.fork()
    if pid:
        return wait(pid, request["timeout"])
    status = 70
    try:
        status = child(request)
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)


def serve() -> None:
    replies = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    torch.set_num_threads(1)
    import pytorch_lightning  # noqa: F401

    try:
        import runtime  # noqa: F401
    except ImportError:
        print("forkserver: no runtime to import yet", file=sys.stderr)
    gc.collect(), gc.freeze()  # the children copy fewer pages
    for finalizer in list(weakref.finalize._registry):  # type: ignore[attr-defined]
        finalizer.atexit = False  # what torch takes apart at its end costs more than most scripts do
    atexit.unregister(torch._dynamo.utils.dump_compile_times)  # so does what it tells then
    replies.write(json.dumps({"status": "ready"}) + "\n")
    for line in sys.stdin:
        replies.write(json.dumps({"status": run_forked(json.loads(line))}) + "\n")


if __name__ == "__main__":
    serve()
