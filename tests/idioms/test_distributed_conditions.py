"""DistributedDataParallel under a condition of the script: a strategy under the same condition, or the literal form."""

from __future__ import annotations

from typing import Any

import pytest

from refactorer import convert
from refactorer.result import Converted
from tests.fixtures_harness import FIXTURES, read
from tests.idioms.distributed_runs import run_in_processes
from tests.idioms.test_distributed import changed

SCRIPT = """
import argparse
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

def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--distributed", dest="ddp", action="store_true")
    args = parser.parse_args()
    rank = 0
    if args.ddp:
        dist.init_process_group("gloo")
        rank = dist.get_rank()
    torch.manual_seed(rank)
    data = TensorDataset(torch.arange(92.).view(23, 4) / 46 - 1, torch.arange(23) % 2)
    sampler = DistributedSampler(data) if args.ddp else None
    loader = DataLoader(data, batch_size=3, sampler=sampler)
    test_loader = DataLoader(data, batch_size=5)
    criterion = nn.CrossEntropyLoss()
    model = Net()
    if args.ddp:
        model = DDP(model)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    for epoch in range(2):
        model.train()
        for x, y in loader:
            optimizer.zero_grad()
            loss = criterion(model(x), y)
            loss.backward()
            optimizer.step()
        torch.save(model.state_dict(), f"rank{rank}.{epoch}.pt")
        model.eval()
        total = 0.0
        with torch.no_grad():
            for x, y in test_loader:
                total += criterion(model(x), y).item()
        print("rank", rank, "test", total)
    torch.save(model.state_dict(), f"end{rank}.pt")
    if args.ddp:
        dist.barrier()
        dist.destroy_process_group()

if __name__ == "__main__":
    main()
"""
GUARD = "    if args.ddp:\n        model = DDP(model)\n"
MAKES = "    model = Net()\n" + GUARD
OPTIMIZER = "    optimizer = torch"
EPOCH = '        torch.save(model.state_dict(), f"rank{rank}.{epoch}.pt")\n'
END = '    torch.save(model.state_dict(), f"end{rank}.pt")\n'
CHOSEN = "strategy='ddp' if args.ddp else 'auto')"
PRINT = '        print("rank", rank, "test", total)\n'
SUMMED = """        if args.ddp:
            shared = torch.tensor(total)
            dist.all_reduce(shared)
            total = shared.item()
"""

EVALUATION = SCRIPT[SCRIPT.index("        model.eval()") : SCRIPT.index(PRINT)] + PRINT


def guarded(condition: str, first: str, second: str) -> str:
    return f"""    if {condition}:
        torch.save({first}, 'x.pt')
    else:
        torch.save({second}, 'x.pt')
"""


# changes, and what the result says then
CONVERTS: dict[str, tuple[tuple[tuple[str, str], ...], tuple[str, ...]]] = {
    "alone": ((), (CHOSEN,)),
    "a_name": (
        (("    rank = 0\n", "    rank = 0\n    several = args.ddp\n"), (GUARD, GUARD.replace("args.ddp", "several"))),
        ("strategy='ddp' if several else 'auto')",),
    ),
    "else_moves": (((GUARD, GUARD + "    else:\n        model = model.to('cpu')\n"),), ("strategy=strategy)",)),
    "else_data_parallel": (
        ((GUARD, GUARD + "    else:\n        model = nn.DataParallel(model)\n"),
         (END, END.replace("model.state", "model.module.state"))),
        ("strategy=strategy)", "(model if args.ddp else model.module).state_dict()"),
    ),
    "made_there": (
        ((MAKES, "    if args.ddp:\n        model = DDP(Net())\n    else:\n        model = Net()\n"),),
        ("        model = Net()\n        strategy = 'ddp'\n    else:\n        model = Net()\n",),
    ),
    "more_in_the_branch": (
        ((GUARD, "    if args.ddp:\n        print('a')  # b\n        # c\n        model = DDP(model)  # d\n"),),
        ("    strategy = 'auto'\n    if args.ddp:\n        print('a')  # b\n",
         "        # c\n        strategy = 'ddp'  # d\n"),
    ),
    "behind_else": (
        ((GUARD, "    if not args.ddp:\n        print('one')\n    else:\n        model = DDP(model)\n"),
         (END, guarded("not args.ddp", "model.state_dict()", "model.module.state_dict()"))),
        ("    torch.save(model.state_dict(), 'x.pt')\n    if",),
    ),
    "two_ways": (
        ((GUARD, "    if args.ddp:\n        if rank == 0:\n            model = DDP(model)\n        else:\n"
          "            model = DDP(model, find_unused_parameters=True)\n"),),
        ("strategy = 'ddp'\n        else:\n            strategy = 'ddp_find_unused_parameters_true'\n",),
    ),
    "module_under_the_condition": (
        ((END, guarded("args.ddp", "model.module.state_dict()", "model.state_dict()")),),
        ("    torch.save(model.state_dict(), 'x.pt')\n    if",),
    ),
    "module_in_an_expression": (
        ((END, "    print(list(model.module.state_dict() if args.ddp else model.state_dict()))\n"),),
        ("print(list(model.state_dict()))",),
    ),
    "module_and_rank": (
        ((END, "    if args.ddp and rank == 0:\n        torch.save(model.module.state_dict(), 'x.pt')\n"),),
        ("        torch.save(model.state_dict(), 'x.pt')",),
    ),
    "module_anywhere": (
        ((END, END.replace("model.state", "model.module.state")),),
        ("(model if args.ddp else model.module).state_dict()",),
    ),
    "asked_by_its_class": (
        ((END, END + "    print(isinstance(model, DDP))\n"),), (CHOSEN, "print(bool(args.ddp))"),
    ),
    "asked_once": (
        ((GUARD, GUARD.replace("args.ddp", "dist.is_initialized()")), (EPOCH, "")),
        ("    strategy = 'ddp' if dist.is_initialized() else 'auto'\n", "if strategy != 'auto' else model).state"),
    ),
    "added_up_by_the_script": (((PRINT, SUMMED + PRINT),), (CHOSEN, "self.sum_across_ranks(", "dist.all_reduce(")),
}  # fmt: skip
# the condition for the wrapper is asked in a hook again, where it may say something else
STAYS: dict[str, tuple[tuple[tuple[str, str], ...], str]] = {
    "set_behind": (((OPTIMIZER, "    args.ddp = False\n" + OPTIMIZER),), "know the condition"),
    "set_by_a_function": (
        (("def main", "def tweak(a):\n    a.ddp = False\n\ndef main"), (OPTIMIZER, "    tweak(args)\n" + OPTIMIZER)),
        "know the condition",
    ),
    "set_by_name": (((OPTIMIZER, "    setattr(args, 'ddp', False)\n" + OPTIMIZER),), "know the condition"),
    "handed_out_of_sight": (
        (("import argparse\n", "import argparse\nimport tools\n"), (OPTIMIZER, "    tools.f(args)\n" + OPTIMIZER)),
        "know the condition",
    ),
    "a_name_set_behind": (
        (("    rank = 0\n", "    rank = 0\n    several = args.ddp\n"), (GUARD, GUARD.replace("args.ddp", "several")),
         (OPTIMIZER, "    several = False\n" + OPTIMIZER)),
        "know the condition",
    ),
    "a_list": (
        (("    rank = 0\n", "    rank = 0\n    several = [1]\n"), (GUARD, GUARD.replace("args.ddp", "several"))),
        "know the condition",
    ),
    "a_call": (((GUARD, GUARD.replace("args.ddp", "args.ddp and print() is None")),), "know the condition"),
    "behind_elif": (((GUARD, "    if rank > 5:\n        pass\n    el" + GUARD[4:]),), "know the condition"),
    "twice": (((GUARD, GUARD + "    if rank > 5:\n        model = DDP(model)\n"),), "several places"),
    "twice_in_a_row": (((GUARD, GUARD + "        model = DDP(model)\n"),), "several places"),
    "in_a_loop": (((GUARD, "    for i in range(1):\n        model = DDP(model)\n"),), "under a condition"),
    "tried": (
        ((GUARD, "    try:\n        model = DDP(model)\n    except ValueError:\n        pass\n"),), "under a condition",
    ),
    "in_a_function": (
        ((GUARD, "    model = wrap(model)\n"),
         ("def main", "def wrap(net):\n    net = DDP(net)\n    net.eval()\n    return net\n\ndef main")),
        "more than to return it",
    ),
    "used_in_the_branch": (((GUARD, GUARD + "        print(model.module.a)\n"),), "between"),
    "another_name_for_it": (((GUARD, GUARD + "        inner = model.module\n        print(inner.a)\n"),), "between"),
    "used_by_a_function": (
        (("def main():\n", "def show():\n    print(model.state_dict().keys())\n\ndef main():\n    global model\n"),),
        "not the one model",
    ),
    "does_it_have_one": (((END, "    print(getattr(model, 'module', model))\n"),), "in another way"),
    "own_code_in_the_arguments": (((GUARD, GUARD.replace("DDP(model)", "DDP(model, device_ids=f())")),), "arguments"),
    "evaluated_with_gradients": ((("        with torch.no_grad():\n", "        if True:\n"),), "outside the steps"),
    "evaluated_with_some_gradients": (
        (("        with torch.no_grad():\n            for x, y in test_loader:\n                total +=",
          "        for x, y in test_loader:\n            total +="),),
        "computes gradients",
    ),
}  # fmt: skip


def converted(*changes: tuple[str, str]) -> Converted:
    result = convert(changed(SCRIPT, *changes))
    assert isinstance(result, Converted), result.diagnostics
    return result


@pytest.mark.parametrize("name", CONVERTS)
def test_a_wrapper_becomes_a_strategy(name: str) -> None:
    changes, parts = CONVERTS[name]
    text = converted(*changes).after
    assert "DDP(" not in text and "strategy=" in text
    for part in parts:
        assert part in text, text


@pytest.mark.parametrize("name", STAYS)
def test_a_wrapper_stays(name: str) -> None:
    changes, reason = STAYS[name]
    result = converted(*changes)
    assert "DDP(" in result.after and "strategy" not in result.after
    assert [d.code for d in result.diagnostics if reason in d.message] == ["N107"], result.diagnostics


def test_comments_on_the_condition_stay() -> None:
    commented = "    # a\n    if args.ddp:  # b\n        # c\n        model = DDP(model)  # d\n        # e\n"
    lines = [line.strip() for line in converted((GUARD, commented)).after.splitlines()]
    assert [line for line in lines if line.startswith("# ")] == ["# a", "# b", "# c", "# d", "# e"]


def test_sums_that_the_script_may_add_up_at_any_time_are_left_to_it() -> None:
    always = SUMMED.replace("args.ddp", "dist.is_initialized()")
    assert "sum_across_ranks" not in converted((PRINT, always + PRINT)).after
    assert "sum_across_ranks" in converted().after


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[dict[str, Any]]]:
    """What two processes of each script did, with its flag."""
    never_eval = changed(SCRIPT, ("        model.eval()\n", ""))
    added_up = changed(SCRIPT, (PRINT, SUMMED + PRINT))
    scripts = {"plain": SCRIPT, "training_mode": never_eval, "added_up": added_up}
    scripts["fixture"] = read(FIXTURES / "ddp_behind_a_flag.in.py")
    both = {}
    for name, text in scripts.items():
        result = convert(text)
        assert isinstance(result, Converted) and "strategy='ddp' if args." in result.after
        both |= {name: text, f"{name} converted": result.after}
    return run_in_processes(both, tmp_path_factory, ["--distributed"])


@pytest.mark.parametrize("name", ["plain", "training_mode", "added_up", "fixture"])
def test_two_processes_do_the_same(name: str, runs: dict[str, list[dict[str, Any]]]) -> None:
    first, second = runs[name]
    assert first["losses"] and first["losses"] != second["losses"]
    saved = {f"{part}{rank}.pt" for rank in (0, 1) for part in (f"rank{rank}.", "end")}
    assert name == "fixture" or saved <= set(first["state"])
    assert runs[f"{name} converted"] == runs[name]
