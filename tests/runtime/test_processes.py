"""Two real processes on the CPU: data divided, parameters equal, sums exact, and nobody waits forever."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
DDP = {"accelerator": "cpu", "devices": 2, "strategy": "ddp"}

pytestmark = pytest.mark.slow

SCRIPT = """
import json, os, sys, zlib
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, SubsetRandomSampler, TensorDataset
import runtime

torch.set_num_threads(1)
torch.manual_seed(0)
MODE, OUT, ARGUMENTS = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])


class Lit(runtime.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model
        self.seen = []
        self.sums = []

    def on_train_epoch_start(self):
        self.trained = []

    def training_step(self, batch, batch_idx):
        number, data, target = batch
        self.trained += number.tolist()
        leave(self.global_rank, self.current_epoch)
        return F.cross_entropy(self.model(data), target)

    def on_validation_epoch_start(self):
        self.total, self.count, self.parts = 0.0, 0, torch.zeros(2, dtype=torch.float64)
        self.batches = []

    def validation_step(self, batch, batch_idx):
        number, data, target = batch
        self.batches.append([batch_idx, number.tolist()])
        output = self.model(data)
        self.total += F.cross_entropy(output, target, reduction="sum").item()
        self.count += output.argmax(1).eq(target).sum().item()
        self.parts[0] += len(target)

    def on_validation_epoch_end(self):
        before = self.parts
        total, count, parts = self.sum_across_ranks(self.total, self.count, self.parts)
        assert type(total) is float and type(count) is int and parts.dtype == torch.float64
        mean = self.sum_across_ranks(len(self.batches)) / len(self.trainer.val_dataloaders)
        self.sums.append([total, count, parts.tolist(), mean])
        self.print("evaluation", total, count)

    def on_train_epoch_end(self):
        checksum = zlib.crc32(b"".join(p.detach().numpy().tobytes() for p in self.model.parameters()))
        self.seen.append([self.trained, self.batches, checksum])

    def configure_optimizers(self):
        return torch.optim.SGD(self.model.parameters(), lr=0.1, momentum=0.9)


def leave(rank, epoch):
    if epoch == 0:
        return
    if MODE == "all leave":
        sys.exit(3)
    if MODE == "first leaves" and rank == 0:
        sys.exit(3)
    if MODE == "second fails" and rank == 1:
        raise RuntimeError("rank 1 fails")


data = TensorDataset(torch.arange(23), torch.randn(23, 4), torch.randint(3, (23,)))
test = TensorDataset(torch.arange(11), torch.randn(11, 4), torch.randint(3, (11,)))


def train(shuffle, evaluation, evaluated):
    model = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Dropout(0.1), nn.Linear(8, 3))
    trainer = runtime.Trainer(max_epochs=3, **ARGUMENTS)
    module = Lit(model)
    trainer.fit(module, DataLoader(data, 4, shuffle=shuffle), evaluation)
    # the whole evaluation set in this process, with the parameters and statistics that were evaluated last
    model.eval()
    with torch.no_grad():
        _, inputs, targets = (torch.stack(column) for column in zip(*(test[i] for i in range(evaluated))))
        outputs = model(inputs)
        total = F.cross_entropy(outputs, targets, reduction="sum").item()
        expected = [total, outputs.argmax(1).eq(targets).sum().item()]
    return {"seen": module.seen, "sums": module.sums, "expected": expected, "lean": trainer.lean_loop_reason}


runs = [train(True, DataLoader(test, 2), 11)]
runs.append(train(False, DataLoader(test, 2, sampler=SubsetRandomSampler(range(9))), 9))
with open(f"{OUT}/rank{torch.distributed.get_rank()}.json", "w") as file:
    json.dump(runs, file)
"""


def launch(
    folder: Path, mode: str, arguments: dict[str, Any] | None = None, outside: dict[str, Any] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the script as its user would; kills everything and fails after two minutes."""
    (folder / "script.py").write_text(SCRIPT)
    environment = {name: value for name, value in os.environ.items() if name not in ("LOCAL_RANK", "MASTER_PORT")}
    environment["PYTHONPATH"] = f"{ROOT}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
    environment["REFACTORER_TRAINER"] = json.dumps(outside or {})
    return subprocess.run(
        [sys.executable, "script.py", mode, str(folder), json.dumps(arguments or {})],
        env=environment,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
    )


def results(folder: Path) -> list[dict[str, Any]]:
    return [json.loads((folder / f"rank{rank}.json").read_text()) for rank in range(2)]


def epochs(result: dict[str, Any]) -> list[list[int]]:
    return [trained for trained, _, _ in result["seen"]]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Any], str]:
    """Two trainings in one run of the script: per training, the results of both processes; and what was printed."""
    folder = tmp_path_factory.mktemp("trained")
    done = launch(folder, "train", outside=DDP)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return list(zip(*results(folder), strict=True)), done.stdout


def test_training_data_are_divided(trained: Any) -> None:
    """Each epoch covers all samples, in a new order, one of them twice to make the parts equal."""
    first, second = trained[0][0]
    assert first["lean"] is second["lean"] is None
    for one, two in zip(epochs(first), epochs(second), strict=True):
        assert len(one) == len(two) == 12
        assert sorted({*one, *two}) == list(range(23))
    assert len({tuple(order) for order in epochs(first)}) == 3


def test_a_loader_that_does_not_shuffle_is_not_shuffled(trained: Any) -> None:
    first, second = trained[0][1]
    assert epochs(first) == [list(range(0, 23, 2))] * 3
    assert epochs(second) == [[*range(1, 23, 2), 0]] * 3


def test_parameters_agree(trained: Any) -> None:
    for first, second in trained[0]:
        assert [checksum for *_, checksum in first["seen"]] == [checksum for *_, checksum in second["seen"]]


def test_each_batch_of_the_evaluation_is_seen_once(trained: Any) -> None:
    """The very batches of a single process, with the numbers that they have there."""
    shared = sorted(batch for result in trained[0][0] for batch in result["seen"][-1][1])
    assert shared == [[i, list(range(2 * i, min(2 * i + 2, 11)))] for i in range(6)]


def test_a_script_s_own_sampler_in_the_evaluation(trained: Any) -> None:
    """What it names is evaluated once, in whatever order."""
    numbers = sorted(n for result in trained[0][1] for _, batch in result["seen"][-1][1] for n in batch)
    assert numbers == list(range(9))


def test_sums_are_exact_on_both_processes(trained: Any) -> None:
    for (first, second), size in zip(trained[0], (11, 9), strict=True):
        assert first["sums"] == second["sums"]
        total, count, parts, mean = first["sums"][-1]
        assert (count, parts, mean) == (first["expected"][1], [size, 0.0], 1.0)
        assert total == pytest.approx(first["expected"][0], rel=1e-6)  # batches of 2 against a single one


def test_only_the_first_process_prints(trained: Any) -> None:
    expected = [f"evaluation {sums[0]} {sums[1]}" for first, _ in trained[0] for sums in first["sums"]]
    assert trained[1].splitlines() == expected


@pytest.mark.parametrize("mode", ["all leave", "first leaves", "second fails"])
def test_nobody_waits_forever(mode: str, tmp_path: Path) -> None:
    done = launch(tmp_path, mode, arguments=DDP)
    assert done.returncode != 0
    if mode != "second fails":
        assert done.returncode == 3, done.stderr
    assert not list(tmp_path.glob("rank*.json"))
