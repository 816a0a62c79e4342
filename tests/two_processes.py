"""Runs scripts in two processes each, on the CPU, as `torchrun --nproc-per-node 2` would start them.

`python -m tests.two_processes` reads a JSON list of folders from standard input, imports torch and the runtime once,
and runs `train.py` of each folder in two forks. Each rank writes what it did into `rank0.json` and `rank1.json` there:
the value of every `backward`, the printed text, the next random number and the exit status. Its own arguments are those
of the scripts.
"""

from __future__ import annotations

import contextlib
import faulthandler
import io
import json
import os
import runpy
import sys
import traceback
from pathlib import Path

import torch
import torch.distributed
from lightning_utilities.core.rank_zero import rank_zero_only

import runtime  # noqa: F401  (every fork has it then)
from tests.ports import free_port
from tests.process_groups import keep_process_groups

RANKS = (0, 1)
SECONDS = 60  # a rank that waits longer waits for ever: it says where, and ends


def main() -> None:
    """Run every script, one after the other."""
    torch.set_num_threads(1)
    for folder in json.load(sys.stdin):
        port = free_port()
        children = [_fork(Path(folder), rank, port) for rank in RANKS]
        for child in children:
            os.waitpid(child, 0)


def _fork(folder: Path, rank: int, port: int) -> int:
    child = os.fork()
    if child == 0:
        try:
            _run(folder, rank, port)
        finally:
            os._exit(0)
    return child


def _run(folder: Path, rank: int, port: int) -> None:
    os.chdir(folder)
    faulthandler.dump_traceback_later(SECONDS, exit=True)
    keep_process_groups()
    os.environ.update(
        RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE="2", LOCAL_WORLD_SIZE="2",
        MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port),
    )  # fmt: skip
    rank_zero_only.rank = rank  # what an import under torchrun finds
    losses: list[str] = []
    backward = torch.Tensor.backward

    def recorded(self: torch.Tensor, *args: object, **kwargs: object) -> None:
        losses.append(self.item().hex())
        backward(self, *args, **kwargs)

    torch.Tensor.backward = recorded  # type: ignore[assignment]
    out, errors, status = io.StringIO(), "", 0
    sys.argv = ["train.py", *sys.argv[1:]]
    with contextlib.redirect_stdout(out):
        try:
            runpy.run_path("train.py", run_name="__main__")
        except BaseException:
            errors, status = traceback.format_exc(), 1
    did = {"losses": losses, "printed": out.getvalue(), "random": torch.rand(1).item(), "status": status}
    Path(f"rank{rank}.json").write_text(json.dumps({**did, "errors": errors}))


if __name__ == "__main__":
    main()
