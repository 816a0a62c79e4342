"""Two processes on the CPU against a single one with the same global batches: samples, random numbers, parameters."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

import runtime
from tests.runtime.scenario_modules import network
from tests.runtime.scenarios import CLIP, MATCHED

ROOT = Path(__file__).resolve().parents[2]

#: Parameters of the network after 4 steps in float64. An entry of a gradient is a sum of 8 products of values below
#: 8 that are themselves sums of up to 9 terms: less than 100 roundings of 2^-53, twice (two orders of adding), in each
#: step, each carried on by a factor near 1. 4 * 200 * 1.1e-16 is 9e-14; twice that for what the factors add.
NETWORK = 2e-13

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All scenarios, run once."""
    folder = tmp_path_factory.mktemp("scenarios")
    done = subprocess.run(
        [sys.executable, "-m", "tests.runtime.scenarios", str(folder)],
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"},
        cwd=ROOT, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (folder / "statuses").write_text(done.stdout)
    (folder / "errors").write_text(done.stderr)
    return folder


def results(folder: Path, name: str) -> list[dict[str, Any]]:
    """Of process 0, process 1, and the single process where there is one."""
    who = ("0", "1", "alone") if name in MATCHED else ("0", "1")
    ended = f"{name} {[0] * len(who)}" in (folder / "statuses").read_text().splitlines()
    assert ended, (folder / "errors").read_text()
    return [pickle.loads((folder / f"{name}.{one}.pickle").read_bytes()) for one in who]


EXACT = [name for name in MATCHED if name not in ("network", "fsdp_network", "fsdp_clipped", "uneven")]


@pytest.mark.parametrize("name", EXACT)
def test_parameters_are_those_of_a_single_process(folder: Path, name: str) -> None:
    """To the last bit: these models compute without rounding, in whatever order sums are taken."""
    first, second, alone = results(folder, name)
    assert first["parameters"] == second["parameters"] == alone["parameters"]
    assert any(parameter.any() for parameter in alone["values"])


@pytest.mark.parametrize("name", ["network", "fsdp_network", "fsdp_clipped"])
def test_parameters_of_a_network(folder: Path, name: str) -> None:
    first, second, alone = results(folder, name)
    assert first["parameters"] == second["parameters"]
    for here, there, start in zip(first["values"], alone["values"], network().parameters(), strict=True):
        assert here.dtype == there.dtype
        coarser = torch.finfo(here.dtype).eps / torch.finfo(torch.float64).eps
        torch.testing.assert_close(here, there, rtol=0, atol=NETWORK * coarser)
        assert (here - start).abs().max() > 5e-3, "trained"


def test_clipping_under_fsdp_makes_a_difference(folder: Path) -> None:
    """The norm is that of all gradients, whichever process has them, and no step is longer than clipped."""
    clipped, free = results(folder, "fsdp_clipped")[0], results(folder, "fsdp_network")[0]
    pairs = zip(clipped["values"], free["values"], strict=True)
    assert max(float((a - b).abs().max()) for a, b in pairs) > 5e-3
    moved = [(a - b).norm() for a, b in zip(clipped["values"], network().float().parameters(), strict=True)]
    assert torch.stack(moved).norm() <= 4 * 2**-4 * CLIP * (1 + 1e-5)


@pytest.mark.parametrize("name", [name for name in EXACT if not name.startswith("lightnings")])
def test_batches_together_are_those_of_a_single_process(folder: Path, name: str) -> None:
    first, second, alone = results(folder, name)
    together = [sorted(a + b) for a, b in zip(first["seen"], second["seen"], strict=True)]
    assert together == [sorted(batch) for batch in alone["seen"]]
    assert [a[0] for a in first["seen"]] == [batch[0] for batch in alone["seen"]]
    assert [b[0] for b in second["seen"]] == [batch[1] for batch in alone["seen"]]


@pytest.mark.parametrize("name", MATCHED)
def test_random_numbers_are_those_of_a_single_process(folder: Path, name: str) -> None:
    """The injected samplers draw what the script's own draw, so what is drawn in the steps agrees as well."""
    first, second, alone = results(folder, name)
    assert first["drawn"] == second["drawn"] == alone["drawn"]
    assert torch.equal(first["random"], alone["random"])
    assert torch.equal(second["random"], alone["random"])
    if name == "own_generator":
        assert torch.equal(first["generator"], alone["generator"])


@pytest.mark.parametrize(("name", "shuffled"), [("in_order", False), ("lightnings_loop", False),
                                                ("shuffled", True), ("lightnings_loop_shuffled", True)])  # fmt: skip
def test_what_is_not_shuffled_stays_in_order(folder: Path, name: str, shuffled: bool) -> None:
    first, second, _ = results(folder, name)
    assert ("lightnings" in name) == bool(first["lean"])
    epochs = [first["seen"][:2], first["seen"][2:]]
    in_order = [[0, 2, 4, 6], [8, 10, 12, 14]]
    assert (epochs == [in_order, in_order]) != shuffled
    assert (epochs[0] != epochs[1]) == shuffled
    assert sorted(number for batch in first["seen"][:2] + second["seen"][:2] for number in batch) == list(range(16))


def test_uneven_parts_are_filled_up(folder: Path) -> None:
    """23 samples: as many steps in both processes, and the first sample once more."""
    first, second, _ = results(folder, "uneven")
    assert [len(batch) for batch in first["seen"]] == [len(batch) for batch in second["seen"]] == [4, 4, 4]
    assert sorted(number for batch in first["seen"] + second["seen"] for number in batch) == [0, *range(23)]


@pytest.mark.parametrize("name", ["validated", "in_bars"])
def test_evaluation_batches_are_those_of_a_single_process(folder: Path, name: str) -> None:
    first, second, alone = results(folder, name)
    assert sorted(first["evaluated"] + second["evaluated"]) == sorted(alone["evaluated"])
    assert (len(first["evaluated"]), len(second["evaluated"])) == (6, 4)


def test_a_process_without_batches_adds_numbers_of_the_others_kind(folder: Path) -> None:
    for one in results(folder, "few_batches")[:2]:
        count, loss, parts = one["sums"]
        assert (count, loss, parts.tolist()) == (3, 0.5, [1.0, 2.0])


@pytest.mark.parametrize("name", ["kept", "kept_in_lightnings_loop"])
def test_what_nobody_adds_up_every_process_finds_in_all_of_the_data(folder: Path, name: str) -> None:
    first, second, alone = results(folder, name)
    assert first["evaluated"] == second["evaluated"] == alone["evaluated"]


@pytest.mark.parametrize(
    ("name", "environment"),
    [
        ("own_generator", "TorchElasticEnvironment"),
        ("in_order", "SLURMEnvironment"),
        ("shuffled", "LightningEnvironment"),
    ],
)
def test_clusters(folder: Path, name: str, environment: str) -> None:
    """torchrun, SLURM and plain variables: found, with the right numbers."""
    first, second, alone = results(folder, name)
    assert [one["environment"] for one in (first, second)] == [environment] * 2
    assert [(one["rank"], one["world"]) for one in (first, second, alone)] == [(0, 2), (1, 2), (0, 1)]


def test_fsdp_says_what_it_cannot_do(folder: Path) -> None:
    for result in results(folder, "fsdp_guards"):
        saving, optimizer, by_hand = result["said"]
        assert saving.startswith("Sequential.state_dict() under FSDP")
        assert "each process has a part of it only" in optimizer
        assert "optimizes by hand" in by_hand
        assert result["saved"] == {f"model.{name}": shape for name, shape in result["shapes"].items()}
        assert set(result["shapes"].values()) == {(8, 3), (8,), (1, 8), (1,)}


def test_a_checkpoint_within_fsdp_is_whole(folder: Path) -> None:
    shapes = [(8, 3), (8,), (1, 8), (1,)]
    for result in results(folder, "fsdp_checkpoints"):
        assert result["saved"] == result["whole"] == result["rest"]
        assert result["state"] == result["shapes"] == shapes
        assert result["steps"] == (6, 4)


def test_fsdp_leaves_a_plain_model_behind(folder: Path) -> None:
    first, second = results(folder, "fsdp_twice")
    assert first["parameters"] == second["parameters"]
    assert [tuple(parameter.shape) for parameter in first["values"]] == [(8, 3), (8,), (1, 8), (1,)]


def test_a_callback_watches_a_sum_that_the_module_holds(folder: Path) -> None:
    assert results(folder, "watched") == [{"epochs": 3, "best": sum(range(10))}] * 2


def test_one_process_evaluates_all_of_the_data(folder: Path) -> None:
    first, second = results(folder, "alone")
    assert (first["totals"], second["totals"]) == ([sum(range(10))] * 2, [])
    assert first["parameters"] == second["parameters"]
    assert first["said"] == []


def test_one_process_cannot_evaluate_in_lightnings_own_loop(folder: Path) -> None:
    first, second = results(folder, "alone_in_lightnings_loop")
    assert first["said"] == ["validate(alone=True) cannot leave the other processes out: a profiler is used."] * 2
    assert first["parameters"] == second["parameters"]


def test_batches_that_are_evaluated_twice_are_announced(folder: Path) -> None:
    first, _ = results(folder, "fsdp_uneven_evaluation")
    assert any("1 will be evaluated twice" in note for note in first["noted"])


def test_hooks_that_find_parts_of_gradients_are_announced(folder: Path) -> None:
    first, _ = results(folder, "fsdp_uneven_evaluation")
    assert any("LooksAtGradients.on_before_optimizer_step runs while" in note for note in first["looks"])
    assert not any("a part of the gradients" in note for note in first["noted"])


def test_precisions(folder: Path) -> None:
    first, second = results(folder, "precisions")
    expected = {
        "64-true": (torch.float64, torch.float64),
        "32-true": (torch.float32, torch.float32),
        "bf16-mixed": (torch.bfloat16, torch.float32),
        "bf16-true": (torch.bfloat16, torch.bfloat16),
        "16-true": (torch.float16, torch.float16),
    }
    assert {name: dtypes for name, (dtypes, _) in first.items()} == {name: {pair} for name, pair in expected.items()}
    assert {name: bits for name, (_, bits) in first.items()} == {name: bits for name, (_, bits) in second.items()}


def test_what_a_strategy_was_told_is_not_overruled(folder: Path) -> None:
    for result in results(folder, "told_not_to_look"):
        assert "parameters that were not used in producing the loss" in result["said"]


def test_one_process_s_nan_stops_both(folder: Path) -> None:
    first, second = results(folder, "nan_on_one")
    assert first["said"].startswith("the loss is not finite on another process in epoch 0, batch 1 (step 1)")
    assert second["said"].startswith("the loss is nan in epoch 0, batch 1 (step 1)")
    assert first["finite"] and second["finite"]


def test_a_worker_of_the_loader_dies(folder: Path) -> None:
    for result in results(folder, "worker_dies"):
        assert result["said"].startswith("DataLoader worker (pid")


SPAWNED = """
import sys
import torch
import runtime
from tests.runtime.scenarios import Lit, integers, linear

def main():
    module = Lit(linear())
    torch.manual_seed(11)
    loader = torch.utils.data.DataLoader(integers(16), 4, shuffle=True)
    runtime.Trainer(max_epochs=2, accelerator="cpu", devices=2, strategy=sys.argv[1]).fit(module, loader)
    print([p.tolist() for p in module.parameters()], module.seen, sys.stdin is None)

if __name__ == "__main__":
    main()
"""


@pytest.mark.parametrize("strategy", ["ddp_spawn", "ddp_notebook"])
def test_processes_that_only_train(folder: Path, tmp_path: Path, strategy: str) -> None:
    """Spawned or forked for the time of ``fit``: the weights come back, and what is noted in attributes does not."""
    (tmp_path / "script.py").write_text(SPAWNED)
    done = subprocess.run(
        [sys.executable, "script.py", strategy],
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    alone = results(folder, "shuffled")[2]
    assert done.stdout == f"{[p.tolist() for p in alone['values']]} [] False\n"


@pytest.mark.parametrize("precision", ["transformer-engine", "transformer-engine-float16"])
def test_names_of_transformer_engine_reach_lightning(precision: str) -> None:
    """It needs a GPU, so this ends where the package is missing."""
    with pytest.raises(Exception, match=f"precision='{precision}' needs NVIDIA's Transformer Engine"):
        runtime.Trainer(max_epochs=1, precision=precision)
