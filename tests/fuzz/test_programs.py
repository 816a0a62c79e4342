"""A share of the random scripts of every family in the test suite; `make fuzz N=...` runs as many as wanted."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.fixtures_harness import ROOT, Runner
from tests.fuzz.families.draw import Draw
from tests.fuzz.families.scope import loaded, stored
from tests.fuzz.programs import FAMILIES, NAMES, TWO_LOOPS, family_of, program
from tests.fuzz.run import PASSES, check, check_original

SAMPLE = range(2)  # of each family, run as they are
CONVERTED = range(1000, 1005)  # of each family, converted


def test_the_same_number_gives_the_same_script_in_every_process() -> None:
    code = "from tests.fuzz.programs import program\nprint(*(program(seed) for seed in range(60)))"
    texts = set()
    for hashing in ("1", "2"):
        env = {**os.environ, "PYTHONHASHSEED": hashing, "PYTHONPATH": str(ROOT)}
        texts.add(subprocess.run([sys.executable, "-c", code], env=env, check=True, capture_output=True).stdout)
    assert len(texts) == 1


def test_every_family_occurs() -> None:
    families = [family_of(seed) for seed in range(400)]
    assert set(families) == set(NAMES)
    assert families.count(TWO_LOOPS) > 60


@pytest.mark.parametrize("family", FAMILIES)
def test_scripts_are_valid_python_and_differ(family: str) -> None:
    texts = [program(seed, family) for seed in range(150)]
    for seed, text in enumerate(texts):
        compile(text, f"<{family} {seed}>", "exec")
        assert not any(mark in text for mark in ("$", "<<", "FREE", "OUTER")), f"{family} {seed} is not filled in"
    assert len(set(texts)) == len(texts)


@pytest.mark.parametrize("family", FAMILIES)
def test_originals_train_twice_the_same(family: str, runner: Runner) -> None:
    outcomes = {seed: check_original(program(seed, family), runner)[:2] for seed in SAMPLE}
    assert not {seed: outcome for seed, outcome in outcomes.items() if outcome[0] != "equal"}


@pytest.mark.parametrize("family", FAMILIES)
def test_random_scripts_train_the_same(family: str, runner: Runner) -> None:
    outcomes = {seed: check(program(seed, family), runner)[:2] for seed in CONVERTED}
    assert not {seed: outcome for seed, outcome in outcomes.items() if outcome[0] not in PASSES}
    assert any(outcome[0] == "equal" for outcome in outcomes.values())


def test_a_script_that_is_not_deterministic_is_noticed(runner: Runner) -> None:
    assert check_original("import time\nprint(time.perf_counter_ns())\n", runner)[0] == "not deterministic"
    assert check_original("raise SystemExit(1)\n", runner)[0] == "bad script"


class TestTemplates:
    def test_choices_optional_lines_and_blocks(self) -> None:
        text = "for $i in range(<<2|2>>):\n    ?0 if never:\n        print('never')\n    ?100 @inner\n$done = $i"
        made = Draw(0).text(text, inner=["print($i)\nif $i:\n    pass"] * 2)
        assert made == "for $i in range(2):\n    print($i)\n    if $i:\n        pass\n$done = $i"

    def test_roles_bound_and_read(self) -> None:
        text = "$a, $b = 1, $c\nfor $i in $d:\n    $a += [$x for $x in $e]\ndef $f($p):\n    return $g + $p"
        assert stored(text) == {"a", "b", "i", "f"}
        assert {"c", "d", "e", "g"} <= loaded(text)
