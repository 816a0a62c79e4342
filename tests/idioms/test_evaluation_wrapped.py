"""Models that are wrapped for several devices, or made by other code: who switches their modes."""

from __future__ import annotations

import textwrap

import pytest

from refactorer import convert
from refactorer.result import Converted
from tests.fixtures_harness import Runner, first_difference

SCRIPT = """
import os
import torch
from torch import nn
from torch.nn.parallel.distributed import DistributedDataParallel
from helper import make
torch.manual_seed(0)
rank = int(os.environ.get("LOCAL_RANK", 0))
loader = [(torch.randn(5, 4), torch.randn(5, 1)) for _ in range(3)]
MODEL
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for epoch in range(2):
    model.train()
    for x, y in loader:
        optimizer.zero_grad()
        loss = ((model(x) - y) ** 2).mean()
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        total = 0.0
        for x, y in loader:
            total += ((model(x) - y) ** 2).mean().item()
    print(epoch, rank, total)
    BEHIND
"""
NET = "nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.5), nn.Linear(8, 1))"
BY_THE_TRAINER = {
    "no_wrapper": (f"model = {NET}", ""),
    "data_parallel": (
        f"model = {NET}\nmodel = nn.DataParallel(model)",
        "torch.save(model.module.state_dict(), 'a.pt')",
    ),
    "at_once": (f"model = nn.DataParallel({NET})", "torch.save(model.state_dict(), 'a.pt')"),
    "of_one_process": (f"model = {NET}\nmodel = DistributedDataParallel(model, device_ids=[rank])", "print(rank)"),
    "a_class_of_the_file": (
        f"class Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n        self.net = {NET}\n"
        "    def forward(self, x):\n        return self.net(x)\nmodel = nn.DataParallel(Net())",
        "",
    ),
    "a_part_by_name": ("base = nn.Linear(4, 1)\nmodel = nn.Sequential(base, nn.Dropout(0.5))", ""),
}
BY_THE_SCRIPT = {
    "made_elsewhere": ("model = make()", ""),
    "wrapped_from_elsewhere": ("model = nn.DataParallel(make())", ""),
    "a_part_from_elsewhere": ("model = nn.Sequential(make(), nn.Linear(1, 1))", ""),
    "a_part_by_name_from_elsewhere": ("base = make()\nmodel = nn.Sequential(base, nn.Linear(1, 1))", ""),
    "a_part_in_the_class": (
        "class Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n        self.net = make()\n"
        "    def forward(self, x):\n        return self.net(x)\nmodel = Net()",
        "",
    ),
    "a_base_from_elsewhere": (
        "from helper import Base\nclass Net(Base):\n    def forward(self, x): return self.net(x)\nmodel = Net()",
        "",
    ),
}
HELPER = f"""
from torch import nn
def make():
    return {NET}.eval()
class Base(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = make()
"""


def script(model: str, behind: str) -> str:
    return SCRIPT.replace("MODEL", model).replace("BEHIND", behind)


def after(text: str) -> str:
    result = convert(text)
    assert isinstance(result, Converted), result.diagnostics
    return result.after


@pytest.mark.parametrize("name", BY_THE_TRAINER)
def test_the_trainer_switches(name: str) -> None:
    text = after(script(*BY_THE_TRAINER[name]))
    assert ".train()" not in text and ".eval()" not in text, text


def test_the_number_of_a_process_is_no_part_of_the_model() -> None:
    head, training = script(*BY_THE_TRAINER["of_one_process"]).split("torch.manual_seed(0)\n")
    body = "def main(rank):\n" + textwrap.indent(training.split("\n", 1)[1], "    ")
    text = after(head + body + "if __name__ == '__main__':\n    torch.multiprocessing.spawn(main, nprocs=2)\n")
    assert ".train()" not in text and ".eval()" not in text, text


@pytest.mark.parametrize("name", BY_THE_SCRIPT)
def test_the_script_puts_a_foreign_module_into_training_mode(name: str) -> None:
    assert "self.model.train()" in after(script(*BY_THE_SCRIPT[name]))


def test_a_use_of_what_is_wrapped_keeps_the_switches() -> None:
    text = after(script(f"net = {NET}\nmodel = nn.DataParallel(net)", "print(net(x).sum())"))
    assert "self.model.eval()" in text


@pytest.mark.parametrize("name", ["data_parallel", "wrapped_from_elsewhere", "a_part_in_the_class"])
def test_it_trains_the_same(name: str, runner: Runner) -> None:
    text = script(*{**BY_THE_TRAINER, **BY_THE_SCRIPT}[name]).replace("from helper import make", HELPER_IMPORT)
    assert first_difference(runner.run(text), runner.run(after(text))) is None


# a module of its own that needs no file beside the script
HELPER_IMPORT = f"""
import sys, types
helper = types.ModuleType("helper")
exec({HELPER!r}, helper.__dict__)
sys.modules["helper"] = helper
from helper import make
"""
