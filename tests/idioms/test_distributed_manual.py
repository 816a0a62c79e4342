"""DistributedDataParallel where the step is not optimized automatically, and where batches are skipped."""

from __future__ import annotations

from typing import Any

import pytest

from refactorer import convert
from refactorer.result import Converted
from tests.idioms.distributed_runs import run_in_processes
from tests.idioms.test_distributed import EVALUATION, OPTIMIZER, SCRIPT, STEP, STEPS, TEST, changed, indented

BACKWARD = "            loss.backward()\n"
BOTH = BACKWARD + "            optimizer.step()\n"
SCALED = """            if scaler is not None:
                scaler.scale(loss).backward()
                scaler.step(optimizer)
                scaler.update()
            else:
                loss.backward()
                optimizer.step()
"""
ADDED = """        for i, (x, y) in enumerate(loader):
            loss = criterion(model(x), y) / 2
            loss.backward()
            if (i + 1) % 2 == 0 or loss.item() > 9:
                print(sum(p.grad.abs().sum().item() for p in model.parameters()))
                optimizer.step()
                optimizer.zero_grad()
"""
TWO = (
    (OPTIMIZER, "    other = torch.optim.Adam(model.parameters(), lr=1e-3)\n" + OPTIMIZER),
    (BOTH, BOTH + "            other.step()\n"),
)
MANUAL = changed(SCRIPT, (TEST, ""), ("range(2)", "range(3)"))
SKIPS = "            if x.shape[0] < 3:\n                continue\n"
IN_TURNS = (
    "            if epoch % 2:\n                loss.backward()\n            else:\n                loss.backward()\n"
)
MIDDLE = STEPS.replace("for x, y in loader", "for i, (x, y) in enumerate(loader)") + (
    "            if i % 2 == 1:\n" + indented(indented(EVALUATION)) + "                model.train()\n"
)
GOES = {
    "in_branches": ((BACKWARD, IN_TURNS),),
    "a_scaler_or_none": (
        (OPTIMIZER, "    scaler = torch.amp.GradScaler('cpu') if rank < 0 else None\n" + OPTIMIZER), (BOTH, SCALED),
    ),
    "gradients_that_add_up": ((STEPS, ADDED),),
    "two_optimizers": TWO,
    "skipped_batches": ((STEP, STEP + SKIPS),),
    "skipped_batches_by_hand": (*TWO, (STEP, STEP + SKIPS)),
    "its_buffers_stay_apart": (("DDP(model)", "DDP(model, broadcast_buffers=False)"), (BACKWARD, IN_TURNS)),
    "unused_parameters_in_branches": (
        (BACKWARD, IN_TURNS), ("DDP(model)", "DDP(model, find_unused_parameters=True)"),
    ),
    "evaluated_behind_branches": (
        (EVALUATION, ""), (BOTH, IN_TURNS + "            optimizer.step()\n" + indented(EVALUATION)),
    ),
    "not_in_each_branch": ((BACKWARD, "            if epoch % 2:\n                loss.backward()\n"),),
    "evaluated_in_the_middle": ((EVALUATION, ""), (STEPS, MIDDLE)),
    "another_training_that_nothing_calls": (
        (BACKWARD, IN_TURNS), ("\ndef main", "\ndef unused(net, x):\n    net(x).sum().backward()\n\ndef main"),
    ),
}  # fmt: skip
STAYS = {
    "twice": ((BOTH, BACKWARD.replace("()", "(retain_graph=True)") + BOTH),),
    "in_a_loop": ((BACKWARD, "            for part in [loss]:\n                part.backward()\n"), TWO[0]),
    "in_a_function": (
        ("\ndef main", "\ndef penalty(net):\n    net.norm.weight.sum().backward()\n\ndef main"),
        (BACKWARD, BACKWARD + "            [penalty(net) for net in []]\n"),
    ),
    "unused_parameters": (*TWO, ("DDP(model)", "DDP(model, find_unused_parameters=True)")),
    "evaluated_in_the_step": (
        (EVALUATION, ""), TWO[0], (BOTH, BOTH + "            other.step()\n" + indented(EVALUATION)),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", GOES)
def test_the_wrapper_goes(name: str) -> None:
    result = convert(changed(MANUAL, *GOES[name]))
    assert isinstance(result, Converted), result.diagnostics
    assert "DDP(" not in result.after and "strategy=" in result.after


@pytest.mark.parametrize("name", STAYS)
def test_the_wrapper_stays(name: str) -> None:
    result = convert(changed(MANUAL, *STAYS[name]))
    assert isinstance(result, Converted), result.diagnostics
    assert "DDP(" in result.after and "strategy=" not in result.after
    assert "N107" in [d.code for d in result.diagnostics], result.diagnostics


def test_the_wrapper_stays_where_processes_may_end_with_different_parameters() -> None:
    result = convert(changed(SCRIPT, *TWO))
    assert isinstance(result, Converted), result.diagnostics
    assert "DDP(" in result.after and "trainer.test(" in result.after


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[dict[str, Any]]]:
    """What two processes of each script did."""
    scripts = {}
    for name, changes in GOES.items():
        text = changed(MANUAL, *changes)
        converted = convert(text)
        assert isinstance(converted, Converted)
        scripts |= {name: text, f"{name} converted": converted.after}
    return run_in_processes(scripts, tmp_path_factory)


@pytest.mark.parametrize("name", GOES)
def test_two_processes_do_the_same(name: str, runs: dict[str, list[dict[str, Any]]]) -> None:
    first, second = runs[name]
    assert first["losses"] and first["losses"] != second["losses"]
    assert runs[f"{name} converted"] == runs[name]
