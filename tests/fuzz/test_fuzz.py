"""A share of the random scripts in the test suite; `make fuzz N=...` runs as many as wanted."""

from __future__ import annotations

import pytest

from tests.fixtures_harness import Runner, first_difference
from tests.fuzz.generator import LAYOUTS, Generator, program
from tests.fuzz.run import check

SEEDS = range(30)
BLOCK = 10


def test_the_same_number_gives_the_same_script() -> None:
    assert [program(seed) for seed in range(20)] == [program(seed) for seed in range(20)]


def test_every_layout_occurs() -> None:
    assert {Generator(seed).layout for seed in SEEDS} == set(LAYOUTS)


def test_scripts_are_valid_python() -> None:
    for seed in range(1000):
        compile(program(seed), f"<script {seed}>", "exec")


@pytest.mark.parametrize("start", SEEDS[::BLOCK])
def test_random_scripts_train_the_same(start: int, runner: Runner) -> None:
    outcomes = {seed: check(program(seed), runner)[:2] for seed in range(start, start + BLOCK)}
    assert not {seed: outcome for seed, outcome in outcomes.items() if outcome[0] not in ("equal", "refused")}
    assert any(outcome[0] == "equal" for outcome in outcomes.values())


@pytest.mark.parametrize("seed", [3, 8, 21])
def test_a_changed_script_is_noticed(seed: int, runner: Runner) -> None:
    """The oracle is not blind: without a bias it is another training."""
    text = program(seed)
    other = text.replace("nn.Linear(4, width)", "nn.Linear(4, width, bias=False)")
    assert first_difference(runner.run(text), runner.run(other)) is not None
