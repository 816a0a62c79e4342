"""Guards for the first process, in the hooks of a training in several processes."""

from __future__ import annotations

from typing import Any

import pytest

from refactorer import convert
from refactorer.result import Converted
from tests.idioms.distributed_runs import run_in_processes

SCRIPT = """
import os
import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader, DistributedSampler, TensorDataset


{functions}
def main({parameters}):
    {group}
    torch.manual_seed(3)
    data = TensorDataset(torch.randn(16, 4), torch.randn(16, 1))
    loader = DataLoader(data, batch_size=2, sampler=DistributedSampler(data))
    model = DistributedDataParallel(nn.Linear(4, 1))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for epoch in range(2):
        for x, y in loader:
            optimizer.zero_grad()
            loss = nn.functional.mse_loss(model(x), y)
            loss.backward()
            optimizer.step()
        if {guard}:
            print(epoch, loss.item())


{call}
"""
NUMBER = 'int(os.environ["RANK"])'
GROUP = 'dist.init_process_group("gloo")'
HANDED = f'dist.init_process_group("gloo", rank=rank, world_size={NUMBER.replace("RANK", "WORLD_SIZE")})'
RANK = GROUP + "\n    rank = dist.get_rank()"
SETUP = f"def setup(number):\n    {HANDED.replace('rank=rank', 'rank=number')}\n\n\n"
PAIR = f"def setup():\n    {GROUP}\n    return dist.get_rank(), dist.get_world_size()\n\n\n"
MINE = 'class Place:\n    rank = int(os.environ["RANK"])\n\n\n'


def script(guard: str, group: str = RANK, functions: str = "", parameters: str = "", call: str = "main()") -> str:
    return SCRIPT.format(guard=guard, group=group, functions=functions, parameters=parameters, call=call)


ASKS = {
    "the group": script("dist.get_rank() == 0", GROUP),
    "a variable": script("rank == 0"),
    "the other way round": script("not 0 != rank"),
    "not": script("not rank"),
    "and more": script("epoch and (rank == 0)"),
    "another": script("rank != 0"),
    "handed to the group": script("rank == 0", HANDED, parameters="rank", call=f"main({NUMBER})"),
    "handed to a function that makes the group": script(
        "rank == 0", "setup(rank)", SETUP, parameters="rank", call=f"main({NUMBER})"),
    "out of a function": script("rank == 0", "rank, world_size = setup()", PAIR),
}  # fmt: skip
TRAINED = ("the group", "another", "handed to a function that makes the group", "out of a function")
KEEPS = {
    "another number": script("rank == 1"),
    "less": script("rank < 1"),
    "the environment": script("rank == 0", GROUP + "\n    rank = " + NUMBER),
    "of the machine": script('os.environ["LOCAL_RANK"] == "0"'),
    "changed later": script("rank == 0", RANK + "\n    rank = (rank + 1) % 2"),
    "of another group": script("dist.get_rank(None) == 0"),
    "an attribute": script("Place.rank == 0", GROUP, MINE),
}


def converted(text: str) -> str:
    result = convert(text)
    assert isinstance(result, Converted) and "strategy='ddp')" in result.after
    return result.after


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[dict[str, Any]]]:
    before = {f"{name} before": ASKS[name] for name in TRAINED}
    after = {f"{name} after": converted(ASKS[name]) for name in TRAINED}
    return run_in_processes({**before, **after}, tmp_path_factory)


@pytest.mark.parametrize("name", ASKS)
def test_the_trainer_is_asked(name: str) -> None:
    after = converted(ASKS[name])
    hooks = after[after.index("def on_train_epoch_end") : after.index("def configure_optimizers")]
    assert "self.trainer.is_global_zero" in hooks and "rank" not in hooks


@pytest.mark.parametrize("name", TRAINED)
def test_it_trains_the_same(name: str, runs: dict[str, list[dict[str, Any]]]) -> None:
    assert runs[f"{name} before"] == runs[f"{name} after"]


@pytest.mark.parametrize("name", KEEPS)
def test_the_script_asks(name: str) -> None:
    assert "is_global_zero" not in converted(KEEPS[name])
