"""A model that a trainer class wraps in its constructor: `self.model = DistributedDataParallel(model)`."""

from __future__ import annotations

from typing import Any

import pytest

from refactorer import convert
from refactorer.result import Converted
from tests.idioms.distributed_runs import run_in_processes

Changes = tuple[tuple[str, str], ...]
SCRIPT = """
import os
import torch
import torch.nn.functional as F
from torch import nn
from torch.distributed import destroy_process_group, init_process_group
from torch.nn.parallel import DistributedDataParallel as DDP
from torch.utils.data import DataLoader, TensorDataset
from torch.utils.data.distributed import DistributedSampler


class Trainer:
    def __init__(self, model, train_data, test_data, optimizer, snapshot_path):
        self.rank = int(os.environ["RANK"])
        self.model = model.to("cpu")
        self.train_data = train_data
        self.test_data = test_data
        self.optimizer = optimizer
        self.epochs_run = 0
        self.snapshot_path = snapshot_path
        if os.path.exists(snapshot_path):
            self._load_snapshot()
        self.model = DDP(self.model)

    def _load_snapshot(self):
        snapshot = torch.load(self.snapshot_path)
        self.model.load_state_dict(snapshot["MODEL_STATE"])
        self.epochs_run = snapshot["EPOCHS_RUN"]

    def _run_batch(self, source, targets):
        self.optimizer.zero_grad()
        output = self.model(source)
        loss = F.mse_loss(output, targets)
        loss.backward()
        self.optimizer.step()

    def _run_epoch(self, epoch):
        print(f"[{self.rank}] Epoch {epoch} | Batch size: {len(next(iter(self.train_data))[0])}")
        self.train_data.sampler.set_epoch(epoch)
        for source, targets in self.train_data:
            self._run_batch(source, targets)

    def _evaluate(self):
        self.model.eval()
        total = 0
        with torch.no_grad():
            for source, targets in self.test_data:
                total += F.mse_loss(self.model(source), targets).item()
        print(f"[{self.rank}] Test {total!r}")
        self.model.train()

    def _save_snapshot(self, epoch):
        torch.save(self.model.module.state_dict(), f"{self.snapshot_path}{epoch}.pt")

    def train(self, max_epochs):
        for epoch in range(self.epochs_run, max_epochs):
            self._run_epoch(epoch)
            self._evaluate()
            if self.rank == 0:
                self._save_snapshot(epoch)


def main(total_epochs=2):
    init_process_group(backend="gloo")
    x = torch.rand(32, 8, generator=torch.Generator().manual_seed(1))
    dataset = TensorDataset(x, x[:, :1] * 2)
    torch.manual_seed(int(os.environ["RANK"]) + 5)
    model = nn.Sequential(nn.Linear(8, 4), nn.BatchNorm1d(4), nn.Dropout(0.1), nn.Linear(4, 1))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    train_data = DataLoader(dataset, batch_size=8, sampler=DistributedSampler(dataset))
    test_data = DataLoader(dataset, batch_size=16)
    trainer = Trainer(model, train_data, test_data, optimizer, "snapshot")
    trainer.train(total_epochs)
    print(repr(sum(p.double().sum().item() for p in model.parameters())), [b.tolist() for b in model.buffers()])
    destroy_process_group()


if __name__ == "__main__":
    main()
"""
MADE = '    trainer = Trainer(model, train_data, test_data, optimizer, "snapshot")\n'
TRAINED = "    trainer.train(total_epochs)\n"
LOADED = '        self.model.load_state_dict(snapshot["MODEL_STATE"])\n'
BY_NAME = "        self.model = DDP(model)\n"
AT_ONCE = MADE.replace("trainer = ", "").rstrip() + ".train(total_epochs)\n"
FIRST = '        self.model = model.to("cpu")\n'
WRAPPED = "        self.model = DDP(self.model)\n"
CALLED = "        output = self.model(source)\n"
LOOP = "        for epoch in range(self.epochs_run"
NORM = "print(repr(sum(p.sum().item() for p in {}.parameters())))\n"
CLIPPED = "        print(repr(torch.nn.utils.clip_grad_norm_(self.model.parameters(), 0.1).item()))\n"
BOUND = "        self.optimizer = optimizer\n"
OPTIMIZER = "        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=0.01)\n"
STEP = "        self.optimizer.step()\n"

MAKES = "    def _made(self, model):\n        self.net = model\n        return model\n\n"
GIVEN = "def __init__(self, model, train_data, test_data, optimizer, snapshot_path"
LOSS = "        loss = F.mse_loss(output, targets)\n"
CRITERION = (
    (GIVEN, GIVEN + ", criterion"), (BOUND, BOUND + "        self.criterion = criterion\n"),
    (LOSS, LOSS.replace("F.mse_loss(", "self.criterion(")),
)  # fmt: skip
ANOTHER = (
    (GIVEN, GIVEN + ", criterion"), (BOUND, BOUND + "        self.again = criterion\n"),
    (LOSS, LOSS.replace("(output", "(output + self.again(source)")),
    (MADE, "    first = model\n    again = first\n" + MADE.replace(")\n", ", again)\n")),
)  # fmt: skip

# what is changed, and what the result says then
GOES: dict[str, tuple[Changes, str]] = {
    "as it is": ((), "            self._load_snapshot()\n\n    def _load"),
    "the parameter": (((FIRST, ""), (LOADED, ""), (WRAPPED, BY_NAME)), "        self.model = model\n"),
    "the parameter again": (((WRAPPED, BY_NAME),), "self._load_snapshot()\n\n    def _load"),
    "a setting": (((WRAPPED, "        self.model = DDP(self.model, broadcast_buffers=False)\n"),),
                  "strategy=DDPStrategy(broadcast_buffers=False)"),
    "looked at behind the training": (((TRAINED, TRAINED + "    " + NORM.format("trainer.model")),), "strategy='ddp'"),
    "an optimizer of the object's own": (((BOUND, ""), (WRAPPED, WRAPPED + OPTIMIZER)), "strategy='ddp'"),
    "a criterion": ((*CRITERION, (MADE, MADE.replace(")\n", ", nn.MSELoss())\n"))), "self.owner.criterion(output"),
    "a criterion by name": (
        (*CRITERION, (MADE, "    judge = nn.MSELoss()\n" + MADE.replace(")\n", ", judge)\n"))),
        "self.owner.criterion(output, targets)",
    ),
    "clipped": (((STEP, CLIPPED + STEP),), "strategy='ddp'"),
    "trained at once": (((MADE, ""), (TRAINED, AT_ONCE)), "strategy='ddp'"),
    "a quiet line in between": (((TRAINED, "    print('begin')\n" + TRAINED),), "strategy='ddp'"),
}  # fmt: skip

# what is changed, and the reason that the note gives
STAYS: dict[str, tuple[Changes, str]] = {
    "called twice": (((CALLED, "        self.model(source)\n" + CALLED),), "call the model once"),
    "its module is called": (((CALLED, CALLED.replace("model(", "model.module(")),), "in another way"),
    "a part is used": (((CALLED, CALLED + "        output = output + self.model.module[0](source).mean()\n"),),
                       "in another way"),
    "set elsewhere": ((("    def _load", "    def swap(self, model):\n        self.model = model\n\n    def _load"),),
                      "sets it elsewhere"),
    "under a condition": (((WRAPPED, "        if self.rank >= 0:\n    " + WRAPPED),), "under a condition"),
    "looked at before": (((TRAINED, "    " + NORM.format("model") + TRAINED),), "train at once"),
    "evaluated before": (((TRAINED, "    trainer._evaluate()\n" + TRAINED),), "train at once"),
    "evaluated in front of the epochs": (((LOOP, "        self._evaluate()\n" + LOOP),), "between the wrapper"),
    "looked at in front of the epochs": (((LOOP, "        " + NORM.format("self.model") + LOOP),), "between"),
    "looked at in the constructor": (((WRAPPED, WRAPPED + "        " + NORM.format("self.model")),), "between the"),
    "another name": (((FIRST, FIRST + "        self.net = model\n"),), "another name"),
    "given another name": (ANOTHER, "another name"),
    "two names at once": (((FIRST, FIRST.replace("self.model", "self.net = self.model")),), "another name"),
    "an attribute has it": (((FIRST, "        self.net = model\n        self.model = self.net\n"),), "another name"),
    "a method makes it": (
        (
            (FIRST, "        self.model = self._made(model)\n"),
            ("    def _load", MAKES + "    def _load"),
        ),
        "another name",
    ),
    "handed out": (((WRAPPED, "        self.parts = list(self.model)\n" + WRAPPED),), "another name"),
    "the object is handed out": (((TRAINED, TRAINED + "    print(len(vars(trainer)))\n"),), "train at once"),
    "two objects": (((TRAINED, MADE.replace("trainer = ", "") + TRAINED),), "train at once"),
    "trained again": (((TRAINED, TRAINED * 2),), "train at once"),
    "evaluated behind": (((TRAINED, TRAINED + "    trainer._evaluate()\n"),), "in another way"),
    "the wrapper's own state": ((("self.model.module.state_dict()", "self.model.state_dict()"),), "in another way"),
    "another network": (((BOUND, BOUND + "        self.head = nn.Linear(1, 1)\n"),
                         (CALLED, "        output = self.head(self.model(source))\n")), "a module too"),
    "inherited": ((("class Trainer:", "class Base:\n    pass\n\n\nclass Trainer(Base):"),), "no plain one"),
    "looked up by a method of its own": ((("    def _load", "    def __getattr__(self, name):\n        return 1\n\n"
                                           "    def _load"),), "no plain one"),
}  # fmt: skip


def changed(changes: Changes) -> str:
    text = SCRIPT
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new, 1)
    return text


def converted(text: str) -> Converted:
    result = convert(text)
    assert isinstance(result, Converted)
    return result


@pytest.mark.parametrize("name", GOES)
def test_the_trainer_wraps_the_model(name: str) -> None:
    changes, part = GOES[name]
    result = converted(changed(changes))
    assert part in result.after
    assert "strategy=" in result.after and "DDP(" not in result.after and "self.model = owner.model\n" in result.after
    assert "torch.save(self.model.state_dict(), " in result.after
    assert not [note for note in result.diagnostics if note.code == "N107"]


@pytest.mark.parametrize("name", STAYS)
def test_the_script_wraps_the_model(name: str) -> None:
    changes, reason = STAYS[name]
    result = converted(changed(changes))
    assert "DDP(" in result.after and "strategy=" not in result.after
    assert next(reason in note.message for note in result.diagnostics if note.code == "N107")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[dict[str, Any]]]:
    both: dict[str, str] = {}
    for name, (changes, _) in GOES.items():
        text = changed(changes)
        both |= {f"{name} before": text, f"{name} after": converted(text).after}
    return run_in_processes(both, tmp_path_factory)


@pytest.mark.parametrize("name", GOES)
def test_both_processes_train_the_same(name: str, runs: dict[str, list[dict[str, Any]]]) -> None:
    before, after = runs[f"{name} before"], runs[f"{name} after"]
    assert before == after
    assert len(before[0]["losses"]) == 4 and before[0]["losses"] != before[1]["losses"]
