"""A wrapped model whose evaluation iterates over what a call makes of its loader: `logger.log_every(loader)`."""

from __future__ import annotations

from typing import Any

import pytest

from refactorer import convert
from refactorer.result import Converted
from tests.idioms.distributed_runs import run_in_processes
from tests.idioms.test_distributed import EVALUATION, SCRIPT, STEP, changed

LOGGER = """
class Meters:
    def __init__(self):
        self.total, self.count = 0.0, 0

    def update(self, value):
        self.total += value
        self.count += 1

    def synchronize(self):
        t = torch.tensor([self.total, self.count], dtype=torch.float64)
        dist.barrier()
        dist.all_reduce(t)
        self.total, self.count = t.tolist()

    def log_every(self, batches, freq, header):
        i = 0
        print(header, "begins", torch.rand(1).item())
        for batch in batches:
            yield batch
            if i % freq == 0:
                print(header, i, self.total)
            i += 1
        print(header, "ends", self.total)

def evaluate(model, criterion, data_loader, print_freq=2):
    model.eval()
    logger = Meters()
    header = "Test:"
    with torch.no_grad():
        for x, y in logger.log_every(data_loader, print_freq, header):
            out = model(x)
            value = criterion(out, y)
            logger.update(value.item())
    logger.synchronize()
    print(" * ", logger.total / logger.count)
    return logger.total / logger.count

def main():"""
RESULT = '        print("got", evaluate(model, criterion, test_loader))\n'
BASE = changed(SCRIPT, (EVALUATION, RESULT), ("\ndef main():", LOGGER))
UNEQUAL = "    test_loader = DataLoader(TensorDataset(*data[:5 + 9 * rank]), batch_size=3)\n"
LOADER = "    test_loader = DataLoader(data, batch_size=5)\n"
IN_TURNS = """            if epoch == 0:
                loss = criterion(model(x), y)
            else:
                loss = criterion(model(x * 2), y)
"""
GOES = {
    "as_it_is": (),
    "unequal_data": ((LOADER, UNEQUAL),),
    "no_data": (
        (LOADER, "    test_loader = []\n"), ("logger.total / logger.count)", "logger.total)"),
        ("return logger.total / logger.count", "return 0"),
    ),
    "in_one_process": (
        (RESULT, "        if rank == 1:\n    " + RESULT.replace("model,", "model.module,")),
        ("    logger.synchronize()\n", ""),
    ),
    "it_ends_early": (
        ("            logger.update(value.item())\n",
         "            logger.update(value.item())\n            if logger.count == 2:\n                break\n"),
    ),
    "one_call_in_each_branch": ((STEP, IN_TURNS),),
}  # fmt: skip
STAYS = {
    "the_model_makes_the_batches": (
        ("log_every(data_loader, ", "log_every([(model(x), y) for x, y in data_loader], "),
    ),
    "a_call_in_one_branch_and_behind": ((STEP, STEP + IN_TURNS),),
}


def after(*changes: tuple[str, str]) -> str:
    result = convert(changed(BASE, *changes))
    assert isinstance(result, Converted), result.diagnostics
    return result.after


@pytest.mark.parametrize("name", STAYS)
def test_the_wrapper_stays(name: str) -> None:
    assert "strategy" not in after(*STAYS[name])


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[dict[str, Any]]]:
    """What two processes of each script did, before and after."""
    both = {name: changed(BASE, *changes) for name, changes in GOES.items()}
    both |= {f"{name} converted": after(*changes) for name, changes in GOES.items()}
    return run_in_processes(both, tmp_path_factory)


@pytest.mark.parametrize("name", GOES)
def test_two_processes_do_the_same(name: str, runs: dict[str, list[dict[str, Any]]]) -> None:
    text = after(*GOES[name])
    assert "strategy='ddp'" in text and "def val_dataloader(self)" in text
    assert runs[name][0]["losses"] and runs[f"{name} converted"] == runs[name]


def test_a_script_that_wraps_its_model_prints_in_all_processes() -> None:
    made = ('    dist.init_process_group("gloo")\n', "    from utils import begin\n    begin()\n")
    assert "self.print(" not in after(made)
