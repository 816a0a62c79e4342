"""Wrappers under a condition in the function that calls the training, and how else scripts ask whether there is one."""

from __future__ import annotations

from typing import Any

import pytest

from refactorer import convert
from refactorer.result import Converted
from tests.idioms.distributed_runs import run_in_processes
from tests.idioms.test_distributed import changed

SCRIPT = """
import argparse
import os
import torch
import torch.nn as nn
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel as DDP
from torch.utils.data import DataLoader, TensorDataset
from torch.utils.data.distributed import DistributedSampler

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Linear(4, 8)
        self.norm = nn.BatchNorm1d(8)
        self.b = nn.Linear(8, 2)
    def forward(self, x):
        return self.b(torch.relu(self.norm(self.a(x))))

def train(args, model, loader, test_loader, optimizer):
    for epoch in range(args.epochs):
        if args.local_rank != -1:
            loader.sampler.set_epoch(epoch)
        model.train()
        for x, y in loader:
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
        print(args.local_rank, epoch, loss.item())
        if args.local_rank in (-1, 0):
            model.eval()
            with torch.no_grad():
                total = 0.0
                for x, y in test_loader:
                    total += nn.functional.cross_entropy(SAVED(x), y).item()
            print("test", total)
            torch.save(SAVED.state_dict(), "model.pt")

def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int, default=2)
    args = parser.parse_args()
    args.local_rank = int(os.environ.get("LOCAL_RANK", -1))
    if args.local_rank != -1:
        dist.init_process_group("gloo")
    torch.manual_seed(args.local_rank + 5)
    data = TensorDataset(torch.arange(92.).view(23, 4) / 46 - 1, torch.arange(23) % 2)
    model = Net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    if args.local_rank != -1:
        model = DDP(model)
    loader = DataLoader(data, 3, sampler=DistributedSampler(data) if args.local_rank != -1 else None)
    model.zero_grad()
    train(args, model, loader, DataLoader(data, 4), optimizer)
    print(torch.rand(1).item())
    if args.local_rank != -1:
        dist.barrier()
        dist.destroy_process_group()

if __name__ == "__main__":
    main()
"""
WRAPS = "    if args.local_rank != -1:\n        model = DDP(model)\n"
CALL = "    train(args, model, loader, DataLoader(data, 4), optimizer)\n"
EPOCH = "    for epoch in range(args.epochs):\n"
ALWAYS = (WRAPS, "    model = DDP(model)\n")
HAS = '(model.module if hasattr(model, "module") else model)'
CHOSEN = "(model.module if args.local_rank != -1 else model)"
OWN = ("        self.a = nn.Linear(4, 8)\n", "        self.a = nn.Linear(4, 8)\n        self.module = None\n")


def script(saved: str, *changes: tuple[str, str]) -> str:
    return changed(SCRIPT.replace("SAVED", saved), *changes)


GOES = {
    "a_setting": script(CHOSEN),
    "an_attribute": script(HAS),
    "an_attribute_without_a_condition": script(HAS, ALWAYS),
    "a_class": script("(model.module if isinstance(model, DDP) else model)"),
    "its_model": script("model.module", ALWAYS),
    "unwrapped_behind": script(CHOSEN, (CALL, CALL + f"    print({CHOSEN}.norm.running_mean.sum().item())\n")),
}
STAYS = {
    "an_attribute_of_the_model": script(HAS, OWN),
    "an_attribute_of_a_model_out_of_sight": script(HAS, ("    model = Net()\n", "    model = make()\n")),
    "a_setting_that_changes": script(CHOSEN, (EPOCH, EPOCH + "        args.local_rank += 0\n")),
    "a_name_that_is_bound_again": script(CHOSEN, (EPOCH, "    args = argparse.Namespace(**vars(args))\n" + EPOCH)),
    "a_condition_that_is_not_handed_over": script(
        CHOSEN, (WRAPS, "    several = args.local_rank != -1\n    if several:\n        model = DDP(model)\n")
    ),
    "more_under_the_condition": script(CHOSEN, (WRAPS, WRAPS + '        print("wrapped")\n')),
    "asked_behind_the_training": script(CHOSEN, (CALL, CALL + "    print(list(model.state_dict()))\n")),
    "trained_twice": script(CHOSEN, (CALL, f"    for _ in range(2):\n    {CALL}")),
}


@pytest.mark.parametrize("name", GOES)
def test_the_wrapper_goes(name: str) -> None:
    result = convert(GOES[name])
    assert isinstance(result, Converted), result.diagnostics
    assert "N107" not in [note.code for note in result.diagnostics], result.diagnostics
    condition = " if args.local_rank != -1 else 'auto'" if WRAPS in GOES[name] else ""
    assert f"strategy='ddp'{condition})" in result.after
    assert not any(word in result.after for word in ("DDP(", "model.module", "hasattr", "isinstance"))


@pytest.mark.parametrize("name", STAYS)
def test_the_wrapper_stays(name: str) -> None:
    result = convert(STAYS[name])
    assert isinstance(result, Converted), result.diagnostics
    assert "N107" in [note.code for note in result.diagnostics], result.diagnostics
    assert "DDP(" in result.after and "strategy=" not in result.after


def test_settings_of_the_file_may_be_asked_in_a_step() -> None:
    parsed = "    parser = argparse.ArgumentParser()\n"
    block = SCRIPT[SCRIPT.index(parsed) : SCRIPT.index("    if args.local_rank != -1:\n        dist.init")]
    top = block.replace("    ", "")
    repeated = top + "for _ in range(2):\n    args.local_rank += 0\n"
    for lines, place, goes in (
        (top, "\ndef train(", True), (top, "\nif __name__", True), (repeated, "\ndef train(", False),
    ):  # fmt: skip
        result = convert(script(CHOSEN, (block, ""), (place, f"\n{lines}{place}")))
        assert isinstance(result, Converted), result.diagnostics
        assert ("strategy=" in result.after) == goes


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[dict[str, Any]]]:
    """What two processes of each script did."""
    scripts: dict[str, str] = {}
    for name, text in GOES.items():
        converted = convert(text)
        assert isinstance(converted, Converted)
        scripts |= {name: text, f"{name} converted": converted.after}
    return run_in_processes(scripts, tmp_path_factory)


@pytest.mark.parametrize("name", GOES)
def test_two_processes_do_the_same(name: str, runs: dict[str, list[dict[str, Any]]]) -> None:
    first, second = runs[name]
    assert first["losses"] and first["losses"] != second["losses"]
    assert runs[f"{name} converted"] == runs[name]
