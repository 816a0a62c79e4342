"""Wrappers in several branches, as in torch's ImageNet example, with checkpoints and evaluations behind them."""

from __future__ import annotations

from typing import Any

import pytest

from refactorer import convert
from refactorer.result import Converted
from tests.fixtures_harness import FIXTURES, read
from tests.idioms.distributed_runs import run_in_processes
from tests.idioms.test_distributed import changed

SCRIPT = read(FIXTURES / "ddp_many_branches.in.py").replace("checkpoint.pth.tar", "checkpoint")
LOADED = "model.load_state_dict(checkpoint"
FILE = """    first = nn.ModuleDict({"module": Net()})
    if rank == 0:
        momentum = torch.optim.SGD(first.parameters(), lr=0.1, momentum=0.9).state_dict()
        torch.save({"state_dict": first.state_dict(), "epoch": 1, "optimizer": momentum}, "start")
    if args.distributed:
        dist.barrier()
"""
WRITES = changed(SCRIPT, ("    model = Net()\n", FILE + "    model = Net()\n"))
CALL = "    main_worker(args.gpu, args)\n"
OTHERWISE = "        else:\n            model = nn.parallel.DistributedDataParallel(model)\n"
STAYS = {
    "a_part_is_bound_again": (("    if args.evaluate:\n", "    args.gpu = 3\n    if args.evaluate:\n"),),
    "the_condition_changes_in_a_loop": (
        (CALL, "    for _ in range(1):\n    " + CALL + "        args.distributed = False\n"),
    ),
    "the_condition_changes_behind": (
        ("def train(", "def unset(args):\n    args.distributed = False\n\n\ndef train("),
        ("        right = validate(", "        unset(args)\n        right = validate("),
    ),
    "three_branches": ((OTHERWISE, OTHERWISE.replace("else", "elif rank < 5") + OTHERWISE),),
    "another_file_in_one_branch": ((", map_location=", " + '1', map_location="),),
    "what_is_loaded_changes": (
        ("            " + LOADED, "            checkpoint['state_dict'].popitem()[1].add_(1)\n            " + LOADED),
    ),
    "what_is_loaded_changes_by_another_name": (
        ("            " + LOADED, "            last = checkpoint['state_dict']['module.b.bias'].to('cpu')\n"
         "            last.add_(rank)\n            " + LOADED),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", STAYS)
def test_the_wrapper_stays(name: str) -> None:
    result = convert(changed(SCRIPT, *STAYS[name]))
    assert isinstance(result, Converted), result.diagnostics
    assert "strategy" not in result.after and "N107" in [d.code for d in result.diagnostics]


ARGUMENTS = {
    "trains": [], "resumes": ["--resume", "start"], "evaluates": ["--evaluate"],
    "resumes_and_evaluates": ["--evaluate", "--resume", "start"],
}  # fmt: skip


@pytest.mark.parametrize("name", ARGUMENTS)
def test_two_processes_do_the_same(name: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    converted = convert(WRITES)
    assert isinstance(converted, Converted) and "strategy=strategy" in converted.after
    scripts = {"original": WRITES, "converted": converted.after}
    runs: dict[str, list[dict[str, Any]]] = run_in_processes(scripts, tmp_path_factory, ARGUMENTS[name])
    assert runs["converted"] == runs["original"]
    assert runs["original"][0]["printed"]
