"""Evaluations that one process runs while the others go on: it evaluates alone, whoever made the processes."""

from __future__ import annotations

import textwrap
from typing import Any

import pytest

from refactorer import convert
from refactorer.converter import convert_text
from refactorer.options import Options
from refactorer.result import Converted
from tests.fixtures_harness import Runner, first_difference
from tests.idioms.distributed_runs import run_in_processes
from tests.idioms.test_distributed import EVALUATION, SCRIPT, TEST, changed

HEAD = """
import argparse, random, torch
from torch import nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset
parser = argparse.ArgumentParser()
parser.add_argument('--local_rank', type=int, default=-1)
args = parser.parse_args()
torch.manual_seed(3)
x = torch.randn(39, 5); y = (x.sum(1) > 0).long()
def is_main_process():
    return args.local_rank in (-1, 0)
def evaluate(model, loader):
    model.eval()
    correct = total = 0
    with torch.no_grad():
        for a, b in loader:
            correct += (model(a).argmax(1) == b).sum().item()
            total += len(b)
    return correct / total
def main():
    train_loader = DataLoader(TensorDataset(x[:24], y[:24]), batch_size=6, shuffle=True)
{loader}
    model = nn.Sequential(nn.Linear(5, 8), nn.ReLU(), nn.Dropout(0.3), nn.BatchNorm1d(8), nn.Linear(8, 2))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    rank, best = max(args.local_rank, 0), -1.0
    for epoch in range(3):
        model.train()
        for i, (inputs, labels) in enumerate(train_loader):
            optimizer.zero_grad()
            loss = F.cross_entropy(model(inputs), labels)
            loss.backward()
            optimizer.step()
{step}
        print('loss', epoch, loss.item(), torch.rand(1).item())
{end}
    print(best, model.training, torch.rand(1).item(), random.random())
main()
"""
LOADER = "val_loader = DataLoader(TensorDataset(x[24:], y[24:]), batch_size=5, shuffle=True)"
RANKS = ((), ("--local_rank=0",), ("--local_rank=1",))


def under(condition: str, body: str = "best = evaluate(model, val_loader)\nprint(best)") -> str:
    return f"{condition}:\n{textwrap.indent(body, '    ')}\n"


def script(end: str = "", step: str = "", loader: str = LOADER) -> str:
    parts = {"end": (end, 8), "step": (step, 12), "loader": (loader, 4)}
    text = HEAD
    for name, (lines, depth) in parts.items():
        text = text.replace(f"{{{name}}}\n", textwrap.indent(lines.rstrip() + "\n", " " * depth) if lines else "")
    return text


def check(text: str, runner: Runner) -> Converted:
    result = convert(text)
    assert isinstance(result, Converted), result.diagnostics
    for arguments in RANKS:
        assert first_difference(runner.run(text, arguments), runner.run(result.after, arguments)) is None
    assert not [note.message for note in result.diagnostics if note.code == "N102"]
    return result


ALONE = {
    "the first process": script(under("if rank == 0")),
    "with another condition": script(under("if epoch % 2 == 0 and args.local_rank in [-1, 0]")),
    "by a function": script(under("if is_main_process()")),
    "in the other branch": script(under("if rank != 0", "pass") + under("else")),
    "not in the others": script(under("if args.local_rank != -1", "print('many')") + under("else")),
    "behind a line that leaves": script(under("if rank > 0", "continue") + under("if epoch % 2 == 0")),
    "a loader of its own": script(under("if rank == 0"), loader=under("if rank == 0", LOADER)),
    "in a step": script(step=under("if i % 2 == 1 and rank == 0") + "model.train()\n"),
    "in a branch of a step": script(step=under("if i % 2 == 1", under("if rank == 0")) + "model.train()\n"),
}
TOGETHER = {
    "in one process alone": script(under("if args.local_rank == -1")),
    "in one process at last": script(under("if is_main_process() and epoch", under("if args.local_rank == -1"))),
    "now and then": script(under("if epoch % 2 == 0")),
    "behind a line of one process": script(under("if rank == 0", "print('first')") + under("if epoch % 2 == 0")),
}


@pytest.mark.parametrize("name", ALONE)
def test_one_process_evaluates_alone(name: str, runner: Runner) -> None:
    after = check(ALONE[name], runner).after
    assert "self.validate(alone=True)" in after
    assert "sum_across_ranks" not in after, "there is nobody to add up with"


@pytest.mark.parametrize("name", TOGETHER)
def test_all_processes_evaluate(name: str, runner: Runner) -> None:
    after = check(TOGETHER[name], runner).after
    assert "self.validate()" in after and "sum_across_ranks" in after


def test_a_loader_that_was_never_made_is_missed_as_before(runner: Runner) -> None:
    text = script(under("if epoch"), loader=under("if args.local_rank == 0", LOADER))
    result = convert(text)
    assert isinstance(result, Converted) and "self.validate()" in result.after
    before, after = (runner.run(one, RANKS[0]) for one in (text, result.after))
    assert before.status == after.status == 1 and before.events == after.events
    assert "UnboundLocalError" in before.error and "validate() has no data" in after.error


OF_THE_FIRST = "        if rank == 0:\n" + textwrap.indent(EVALUATION, "    ").replace("model(", "model.module(")
WRAPPED = changed(SCRIPT, (EVALUATION, OF_THE_FIRST), (TEST, ""))
WAYS = {"trainers_wrapper": frozenset[str](), "scripts_wrapper": frozenset({"N107"})}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[dict[str, Any]]]:
    """What two processes of the script did, and those of its conversions."""
    scripts = {"script": WRAPPED}
    for name, without in WAYS.items():
        result = convert_text(WRAPPED, options=Options(skipped=without))
        assert isinstance(result, Converted) and "self.validate(alone=True)" in result.after
        assert ("strategy='ddp'" in result.after) is (not without)
        scripts[name] = result.after
    return run_in_processes(scripts, tmp_path_factory)


@pytest.mark.parametrize("name", WAYS)
def test_two_processes_do_the_same(name: str, runs: dict[str, list[dict[str, Any]]]) -> None:
    first, second = runs["script"]
    assert first["losses"] != second["losses"] and first["state"]
    assert runs[name] == runs["script"]
