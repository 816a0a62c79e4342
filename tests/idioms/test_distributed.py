"""DistributedDataParallel and the Trainer's strategy: what is taken out, what stays, and that both train the same."""

from __future__ import annotations

from typing import Any

import pytest

from refactorer import convert
from refactorer.result import Converted
from tests.idioms.distributed_runs import run_in_processes

SCRIPT = """
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
        self.drop = nn.Dropout(0.3)
        self.b = nn.Linear(8, 2)
    def forward(self, x):
        return self.b(self.drop(torch.relu(self.norm(self.a(x)))))

def score(model, batches):
    model.eval()
    with torch.no_grad():
        for x, y in batches:
            print("at last", nn.functional.cross_entropy(model(x), y).item())

def main():
    dist.init_process_group("gloo")
    rank = dist.get_rank()
    torch.manual_seed(rank)
    data = TensorDataset(torch.arange(92.).view(23, 4) / 46 - 1, torch.arange(23) % 2)
    sampler = DistributedSampler(data)
    loader = DataLoader(data, batch_size=3, sampler=sampler)
    test_loader = DataLoader(data, batch_size=5)
    criterion = nn.CrossEntropyLoss()
    model = Net()
    model = DDP(model)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    for epoch in range(2):
        model.train()
        sampler.set_epoch(epoch)
        for x, y in loader:
            optimizer.zero_grad()
            loss = criterion(model(x), y)
            loss.backward()
            optimizer.step()
        print("rank", rank, "epoch", epoch, "loss", loss.item())
        model.eval()
        total, right = 0.0, 0
        with torch.no_grad():
            for x, y in test_loader:
                out = model(x)
                total += criterion(out, y).item()
                right += (out.argmax(1) == y).sum().item()
        print("rank", rank, "test", total, right)
        if rank == 0:
            torch.save(model.module.state_dict(), "model.pt")
            torch.save(model.state_dict(), "wrapped.pt")
    score(model, test_loader)
    dist.barrier()  # a process that ends early can break the group for the others
    dist.destroy_process_group()

if __name__ == "__main__":
    main()
"""


def changed(text: str, *changes: tuple[str, str]) -> str:
    for old, new in changes:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return text


def indented(text: str) -> str:
    return "".join(f"    {line}\n" for line in text.splitlines())


CALL = "    model = DDP(model)\n"
WRAP = "    model = Net()\n" + CALL
STEPS = """        for x, y in loader:
            optimizer.zero_grad()
            loss = criterion(model(x), y)
            loss.backward()
            optimizer.step()
"""
STEP = "            loss = criterion(model(x), y)\n"
SAVE = "model.module.state_dict()"
OPTIMIZER = "    optimizer = torch"
END = "    dist.destroy_process_group()\n"
EVALUATION = SCRIPT[SCRIPT.index("        model.eval()") : SCRIPT.index("        if rank == 0")]
TEST = "    score(model, test_loader)\n"
WITHOUT_EVALUATION = SCRIPT.replace(EVALUATION, "").replace(TEST, "")
TRAIN = """
def train(net, batches, optimizer, criterion):
    for x, y in batches:
        optimizer.zero_grad()
        loss = criterion(net(x), y)
        loss.backward()
        optimizer.step()
    return loss

def main"""


def after(text: str, **options: Any) -> str:
    result = convert(text, **options)
    assert isinstance(result, Converted), result.diagnostics
    return result.after


SCALED = (
    (OPTIMIZER, "    scaler = torch.amp.GradScaler('cpu')\n" + OPTIMIZER),
    (STEP, "            with torch.autocast('cpu'):\n                loss = criterion(model(x), y)\n"),
    ("            loss.backward()\n            optimizer.step()\n",
     "            scaler.scale(loss).backward()\n            scaler.step(optimizer)\n            scaler.update()\n"),
)  # fmt: skip
# each process sees the same order in every epoch, in training as in the evaluation
SAMPLED = (
    ("DistributedSampler(data)\n", "DistributedSampler(data, drop_last=True)\n"),
    ("        sampler.set_epoch(epoch)\n", ""),
    (
        "DataLoader(data, batch_size=5)",
        "DataLoader(data, batch_size=5, sampler=DistributedSampler(data, shuffle=True))",
    ),
    (STEP, STEP + "            print(x[:, 0].tolist())\n"),
)
SAMPLED_LATER = (
    ("        sampler.set_epoch(epoch)\n", "        sampler.set_epoch(epoch + 1)\n"),
    ("DataLoader(data, batch_size=5)", "DataLoader(data, batch_size=5, sampler=sampler)"),
    (STEP, STEP + "            print(x[:, 0].tolist())\n"),
)
DEVICES = "    model = Net().to(rank)\n    model = DDP(model, device_ids=[rank], output_device=rank)\n"
GRADIENTS = EVALUATION[EVALUATION.index("        with torch.no_grad()") : EVALUATION.index("        print(")]
WITHOUT_GRADIENTS = (
    GRADIENTS,
    """        for x, y in test_loader:
            with torch.no_grad():
                out = model(x)
            total += criterion(out, y).item()
            right += (out.argmax(1) == y).sum().item()
""",
)
ONE_LOOP = """    for x, y in loader:
        optimizer.zero_grad()
        loss = criterion(model(x.to("cpu")), y)
        loss.backward()
        optimizer.step()
        print(loss.item())
    torch.save(model.module.state_dict(), f"end{rank}.pt")
    torch.save(model.state_dict(), f"wrapped{rank}.pt")
"""
WHOLE = "    x, y = data[rank::2]\n" + ONE_LOOP.replace("x, y in loader", "epoch in range(4)")
EPOCHS = SCRIPT[SCRIPT.index("    for epoch") : SCRIPT.index("    score(")]
AGAIN = "    for again in range(2):\n"
SINGLE = {name: changed(SCRIPT, (EPOCHS, text), (TEST, "")) for name, text in (("steps", ONE_LOOP), ("whole", WHOLE))}
VARIANTS = SINGLE | {
    "evaluated_without_gradients": changed(SCRIPT, WITHOUT_GRADIENTS),
    "scaled": changed(SCRIPT, *SCALED),
    "sampled": changed(SCRIPT, *SAMPLED),
    "sampled_later": changed(SCRIPT, *SAMPLED_LATER),
}
TAKEN_OUT = {
    "bound_again": SCRIPT,
    "at_once": changed(SCRIPT, (WRAP, "    model = DDP(Net())\n")),
    "device_ids": changed(SCRIPT, (WRAP, DEVICES)),
    "another_name_of_the_class": changed(
        SCRIPT,
        ("DDP(model)", "nn.parallel.DistributedDataParallel(model)"),
        ("from torch.nn.parallel import DistributedDataParallel as DDP\n", ""),
    ),
    "evaluated_without_gradients": changed(SCRIPT, WITHOUT_GRADIENTS),
    "moved_in_the_call": changed(SCRIPT, (STEP, STEP.replace("model(x)", "model(x.to('cpu'))"))),
    "mixed_precision": changed(SCRIPT, *SCALED),
    "in_a_function": changed(
        SCRIPT, (STEPS, "        loss = train(model, loader, optimizer, criterion)\n"), ("\ndef main", TRAIN)
    ),
}
STAYS: dict[str, tuple[tuple[tuple[str, str], ...], str]] = {
    "a_second_name": ((("    model = DDP(model)\n", "    net = model\n    model = DDP(net)\n"),), "another name"),
    "other_arguments": ((("DDP(model)", "DDP(model, mixed_precision=1)"),), "arguments"),
    "several_devices": ((("DDP(model)", "DDP(model, device_ids=[0, 1])"),), "several devices"),
    "the_names_of_the_wrapper": (((END, "    print(model.named_parameters())\n" + END),), "in another way"),
    "loaded_in_the_step": (((STEP, STEP + "            model.load_state_dict({})\n"),), "in another way"),
    "printed": (((END, "    print(model)\n" + END),), "in another way"),
    "called_twice": (((STEP, STEP.replace(", y)", ", y) + model(-x).sum()")),), "once"),
    "called_by_parts": (((STEP, STEP.replace("model(x)", "model.module.b(model.module.a(x))")),), "in another way"),
    "called_without_gradients": (((STEP, STEP + "            with torch.no_grad(): model(x)\n"),), "outside the steps"),
    "called_in_an_unknown_context": (
        ((STEP, "            with open(os.devnull):\n    " + STEP),), "outside the steps",
    ),
    "called_behind": (((END, "    print(model(data[0][0][None]))\n" + END),), "outside the steps"),
    "looked_at_before": (((OPTIMIZER, "    print(model.module.a.weight)\n" + OPTIMIZER),), "between"),
    "loaded_before": (((OPTIMIZER, "    model.module.load_state_dict(data[rank])\n" + OPTIMIZER),), "between"),
    "its_class_is_asked_for": (((END, "    print(isinstance(3, DDP))\n" + END),), "asks for the class"),
    "no_sync": (((STEP, STEP + "            print(model.no_sync)\n"),), "no_sync"),
    "its_own_buffers": (
        (("        self.drop =", "        self.register_buffer('n', torch.zeros(1))\n        self.drop ="),),
        "register_buffer",
    ),
    "a_part_of_the_model": (
        ((WRAP, "    a = nn.Linear(4, 2)\n    model = DDP(nn.Sequential(a, nn.ReLU()))\n"),
         (STEP, STEP.replace(", y)", ", y) + a(x).sum()"))),
        "a is a part of the model, and used by itself",
    ),
    "more_of_torch_distributed": ((("get_rank()", "get_rank(dist.new_group([0, 1]))"),), "torch.distributed"),
    "trained_in_a_loop": (
        ((EPOCHS.replace(EVALUATION, ""), AGAIN + indented(EPOCHS.replace(EVALUATION, ""))),), "several times",
    ),
    "called_in_a_loop": (
        ((STEP, "            for _ in range(1):\n    " + STEP.replace("(x)", "(x.to('cpu'))")),), "outside the steps",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", TAKEN_OUT)
def test_the_wrapper_goes(name: str) -> None:
    text = after(TAKEN_OUT[name])
    assert "DDP" not in text and "DistributedDataParallel" not in text, text
    assert "strategy='ddp')" in text
    assert ".module" not in text and text.count("torch.nn.ModuleDict({'module': self.model}).state_dict()") == 1
    assert "trainer.test(" in text


@pytest.mark.parametrize("name", STAYS)
def test_the_wrapper_stays(name: str) -> None:
    changes, reason = STAYS[name]
    result = convert(changed(WITHOUT_EVALUATION, *changes))
    assert isinstance(result, Converted), result.diagnostics
    assert "DDP(" in result.after and "strategy" not in result.after
    assert [d.code for d in result.diagnostics if reason in d.message] == ["N107"], result.diagnostics


def test_modes_that_the_script_switches_itself_do_not_keep_the_wrapper() -> None:
    text = after(changed(SCRIPT, ("        model.train()\n", ""), (TEST, "")))
    assert "DDP(" not in text and "self.automatic_modes = False" in text and "self.model.eval()" in text


def test_unused_parameters_have_a_strategy_of_their_own() -> None:
    text = after(changed(SCRIPT, ("DDP(model)", "DDP(model, find_unused_parameters=True)")))
    assert "strategy='ddp_find_unused_parameters_true'" in text


def test_what_the_script_adds_up_is_not_added_up_twice() -> None:
    added = (
        '        print("rank", rank, "test"',
        '        right = torch.tensor(right)\n        dist.all_reduce(right)\n        print("rank", rank, "test"',
    )
    text = after(changed(SCRIPT, added, (STEP, STEP + "            print(model.no_sync)\n"), (TEST, "")))
    assert "DDP(" in text and "validation_step" in text and "sum_across_ranks" not in text


@pytest.mark.parametrize("name", SINGLE)
def test_a_single_loop_is_a_training_too(name: str) -> None:
    text = after(SINGLE[name])
    assert "DDP(" not in text and "strategy='ddp')" in text and ".module" not in text


def test_it_can_be_left_out() -> None:
    assert "model = DDP(model)" in after(SCRIPT, skip=["N107"])


def test_every_rank_prints_what_it_printed() -> None:
    assert "self.print" not in after(SCRIPT)
    group = '    dist.init_process_group("gloo")\n    rank = dist.get_rank()'
    out_of_sight = changed(SCRIPT, (group, "    rank = 0"))
    assert "self.print" not in after(out_of_sight)
    assert "self.print" in after(changed(out_of_sight, (CALL, "")))


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[dict[str, Any]]]:
    """What two processes of each script did: the losses and the printed lines of both, and the saved state."""
    scripts = {
        "original": SCRIPT,
        "converted": after(SCRIPT),
        "literal": after(SCRIPT, skip=["N107"]),
    }
    for name, text in VARIANTS.items():
        scripts |= {name: text, f"{name} converted": after(text)}
    return run_in_processes(scripts, tmp_path_factory)


@pytest.mark.parametrize("name", ["converted", "literal"])
def test_two_processes_do_the_same(name: str, runs: dict[str, list[dict[str, Any]]]) -> None:
    assert runs[name] == runs["original"]


@pytest.mark.parametrize("name", VARIANTS)
def test_two_processes_of_a_variant_do_the_same(name: str, runs: dict[str, list[dict[str, Any]]]) -> None:
    first, second = runs[name]
    assert first["losses"] and first["losses"] != second["losses"]
    assert runs[f"{name} converted"] == runs[name]


def test_the_ranks_differ(runs: dict[str, list[dict[str, Any]]]) -> None:
    first, second = runs["original"]
    assert len(first["losses"]) == 8 and first["losses"] != second["losses"]
    assert first["printed"].startswith("rank 0") and second["printed"].startswith("rank 1")
