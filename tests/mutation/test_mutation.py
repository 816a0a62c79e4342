"""A sample of the mutation test, which `make mutation` runs as a whole: defects are caught, located and explained."""

from __future__ import annotations

import re
from collections.abc import Iterator

import libcst as cst
import pytest

from refactorer.verify.causes import CATALOGUE
from refactorer.verify.verdict import EQUIVALENT
from tests.fixtures_harness import Runner, first_difference
from tests.mutation import trees
from tests.mutation.bench import Bench, converted, judge, original, reseeded
from tests.mutation.defects_of_output import ALL
from tests.mutation.mutants import expected, mutant
from tests.mutation.score import Result, judge_mutant, seen, summary

SAMPLE = (
    "accumulation: window not divided",
    "accumulation: zero_grad missing 2",
    "batch_scheduler: evaluation mode stays",
    "batch_scheduler: scheduler stepped per epoch",
    "gan: step missing",
    "save_every_epoch: first batch skipped",
    "save_every_epoch: not shuffled",
    "save_every_epoch: saved keys changed",
    "scheduler_before_evaluation: a draw in the evaluation",
    "scheduler_before_evaluation: evaluation missing",
)
UNTOUCHED = ("accumulation", "gan", "mnist_functions", "scheduler_before_evaluation", "single_process_ddp")


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    with Bench() as running:
        yield running


@pytest.mark.parametrize("name", SAMPLE)
def test_a_defect_is_caught_located_and_explained(name: str, bench: Bench) -> None:
    broken = mutant(name)
    verdict = judge(bench.trace(original(broken.fixture)), bench.trace(broken.text))
    result = judge_mutant(broken, seen(name, "mutant", verdict))
    assert result.outcome == "as expected", result
    assert result.cause_right, result
    assert verdict.likely[0].text == verdict.causes[0]


@pytest.mark.parametrize("name", UNTOUCHED)
def test_an_untouched_conversion_raises_no_alarm(name: str, bench: Bench) -> None:
    texts = [reseeded(text, 1) for text in (original(name), converted(name))]
    assert texts[0] != original(name)
    verdict = judge(*(bench.trace(text) for text in texts))
    assert verdict.outcome == EQUIVALENT, verdict.message
    assert not any(channel.differs for channel in verdict.channels)


def test_a_mutant_that_nobody_can_tell_is_shown_to_be_one(bench: Bench, runner: Runner) -> None:
    same = mutant("accumulation: cleared twice")
    assert same.equivalent
    verdict = judge(bench.trace(original("accumulation")), bench.trace(same.text))
    assert judge_mutant(same, seen(same.name, "mutant", verdict)).outcome == "as expected"
    assert first_difference(runner.run(original("accumulation")), runner.run(same.text)) is None


def test_the_list_of_mutants_is_long_enough() -> None:
    changing = [name for name, known in expected().items() if "step" in known]
    assert len(changing) >= 100
    assert len({name.split(": ")[0] for name in changing}) >= 10
    assert all(known.get("step") is not None or known.get("equivalent") for known in expected().values())


def test_every_cause_is_in_the_catalogue() -> None:
    names = {name for name, _ in CATALOGUE}
    wanted = {str(known["cause"]) for known in expected().values() if "cause" in known}
    wanted |= {defect.cause for defect in ALL.values() if defect.cause}
    assert wanted <= names


RESULTS = [Result("a", "mutant", "as expected", True), Result("b", "untouched", "as expected")]


@pytest.mark.parametrize(
    ("more", "good"),
    [
        ([], True),
        ([Result("c", "mutant", "not caught", False)], False),
        ([Result("c", "mutant", "expected at step 2", True)], False),
        ([Result("c", "mutant", "as expected", False)], False),
        ([Result("c", "untouched", "false alarm: x")], False),
        ([Result("c", "proof", "printed line 1")], False),
        ([Result(name, "mutant", "as expected", name != "c") for name in "cdef"], True),
    ],
)
def test_the_score_is_good_only_if_all_is(more: list[Result], good: bool) -> None:
    assert summary(RESULTS + more)[1] is good


SCRIPT = """\
from runtime import Module

class Lit(Module):
    def training_step(self, batch, batch_idx):
        optimizer = self.optimizers()
        optimizer.zero_grad()
        self.manual_backward(loss)
        optimizer.step()
"""


@pytest.mark.parametrize(
    ("scripts", "said"),
    [
        (trees.without(cst.parse_module(SCRIPT), "zero_grad"), "optimizers()\n        pass\n"),
        (trees.swapped(cst.parse_module(SCRIPT), "zero_grad", "step"), "step()\n        self.manual_backward(loss)\n"),
        (trees.hook(cst.parse_module(SCRIPT), "training_step", "", "x"), "batch_idx):\n        x\n"),
        (trees.hook(cst.parse_module(SCRIPT), "on_fit_end", "", "x"), "    def on_fit_end(self):\n        x\n"),
        (trees.call(cst.parse_module(SCRIPT), r"^(\w+)\.step", r"\1.steps"), "optimizer.steps()"),
        (trees.beside(cst.parse_module(SCRIPT), "step", after="y"), "step()\n        y\n"),
    ],
)
def test_edits_change_one_place(scripts: trees.Scripts, said: str) -> None:
    (script,) = [new.code for new in scripts]
    assert said in script
    assert len(re.findall("def training_step", script)) == 1
