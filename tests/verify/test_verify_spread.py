"""What cannot agree bit for bit: scripts that do not repeat themselves, other precisions, several processes."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from refactorer.verify import Verdict, verify
from refactorer.verify.bench import Bench
from refactorer.verify.elsewhere import judge_elsewhere, wrong_setting
from refactorer.verify.execute import Run, Settings
from refactorer.verify.judge import Case, judge
from refactorer.verify.project import Project
from refactorer.verify.rounding import UNITS, largest_so_far
from refactorer.verify.scratch import Scratch
from refactorer.verify.statistics import compare_losses, student_limit, telling
from refactorer.verify.trace import Step, Trace, Value
from refactorer.verify.verdict import ERROR
from tests.verify.verify_harness import QUICK


@pytest.mark.parametrize(
    ("chance", "degrees", "limit"),
    [(0.05, 8, 2.306), (0.001, 8, 5.041), (0.01, 2, 9.925), (0.05, 1, 12.706), (0.05, 1000, 1.962)],
)
def test_limits_are_those_of_the_tables(chance: float, degrees: int, limit: float) -> None:
    assert student_limit(chance, degrees) == pytest.approx(limit, abs=6e-4)


def runs(seed: int, mean: float, spread: float = 1.0, size: int = 50) -> list[list[float]]:
    drawn = random.Random(seed)
    return [[drawn.gauss(mean, spread) for _ in range(size)] for _ in range(5)]


def test_runs_of_one_kind_are_alike_and_others_are_not() -> None:
    alarms = [not all(part.agrees for part in compare_losses(runs(k, 1.0), runs(k + 1000, 1.0))) for k in range(200)]
    assert sum(alarms) <= 8
    wide = [compare_losses(runs(k, 1.0), runs(k + 1000, 100.0, spread=100.0)) for k in range(20)]
    assert all(any(not part.agrees for part in parts) for parts in wide)
    assert [part.steps for part in wide[0]] == [(1, 10), (11, 20), (21, 30), (31, 40), (41, 50)]
    assert not any(map(telling, wide[0]))
    assert all(map(telling, compare_losses(runs(1, 10.0, spread=0.1), runs(2, 10.0, spread=0.1))))


def test_runs_without_spread_and_without_numbers() -> None:
    assert compare_losses([[1.0]] * 5, [[1.0]] * 5)[0].agrees
    assert not compare_losses([[1.0]] * 5, [[1.0000001]] * 5)[0].agrees
    assert compare_losses([[math.nan]] * 5, [[math.nan]] * 5)[0].agrees
    assert not compare_losses([[1.0]] * 5, [[math.nan]] * 5)[0].agrees


Losses = Callable[[int, dict[str, str]], list[float]]
HERE = Path("/nowhere")


class Told(Bench):
    """Gives runs with losses from a function of the seed and the environment, instead of running anything."""

    def __init__(self, original: Losses, converted: Losses, seed: int = 0) -> None:
        super().__init__(Project(HERE, (HERE,), HERE / "train.py", HERE), HERE, Settings(seed=seed))
        self.versions = (original, converted)
        self.calls = 0
        self.names: list[str] = []

    def run(self, name: str, content: Any = None, title: Any = None, env: Any = None, **changes: Any) -> Run:
        self.calls += 1
        self.names.append(name)
        losses = self.versions[content is not None](self.settings.seed * 100 + self.calls, dict(env or {}))
        trace = Trace(started=True, end={"r": {}, "cut": False, "error": None})
        for i, loss in enumerate(losses, 1):
            trace.losses.append(Value(i, loss, "float32", (), None, {}, None))
            trace.steps.append(Step(i, "SGD", 0, 0.0, 0.0, (0.1,), {}, None, None, 0.0, 0.0))
        return Run(0, 1.0, b"", b"", trace, Scratch(HERE, HERE / "train.py", HERE), title or "train.py")

    def of_seed(self, number: int) -> Bench:
        return Told(*self.versions, seed=number)


def noisy(size: float, times: float = 1.0) -> Losses:
    """Falling losses whose noise is another at every run."""

    def losses(seed: int, env: dict[str, str]) -> list[float]:
        drawn = random.Random(seed)
        return [times * (2.0 - 0.05 * i) * drawn.gauss(1.0, size) for i in range(20)]

    return losses


def case(original: Losses, converted: Losses) -> Case:
    return Case(Told(original, converted), b"", Verdict(ERROR, "", "train.py"))


def test_an_original_that_does_not_repeat_itself_is_compared_by_its_spread() -> None:
    same = judge(case(noisy(0.02), noisy(0.02)))
    assert same.outcome == "statistically equivalent", same.message
    assert "does not repeat itself: run twice with the same seed, its losses differ first at step 1" in same.repeats
    assert "of the mean would have shown, and 25% is the most" in same.message
    assert not any(channel.decisive for channel in same.channels)
    other = judge(case(noisy(0.02), noisy(0.02, times=1.5)))
    assert other.outcome == "not equivalent"
    assert "is above the limit" in other.message
    vague = judge(case(noisy(1.5), noisy(1.5)))
    assert vague.outcome == "error"
    assert "cannot tell" in vague.message


def test_a_converted_version_that_spreads_widely_is_not_excused() -> None:
    assert judge(case(noisy(0.02), noisy(2.0, times=1000))).outcome == "not equivalent"


def test_several_processes_are_compared_under_several_seeds() -> None:
    trainer = {"devices": 2, "strategy": "ddp"}
    good = judge_elsewhere(case(noisy(0.02), noisy(0.02)), trainer)
    assert good.outcome == "statistically equivalent", good.message
    assert good.message.endswith("with devices=2, strategy=ddp")
    assert "the original ran with batches 2 times as large" in " ".join(good.notes)
    assert judge_elsewhere(case(noisy(0.02), noisy(0.02, times=2)), trainer).outcome == "not equivalent"


def steady(times: float = 1.0, noise: float = 0.0) -> Losses:
    """The same losses at every run, but for the noise that the environment asks for."""

    def losses(seed: int, env: dict[str, str]) -> list[float]:
        drawn = random.Random(seed)
        unit = UNITS.get(env.get("REFACTORER_TRACE_NOISE", ""), noise)
        return [times * (2.0 - 0.05 * i) * (1 + unit * drawn.uniform(-1, 1)) for i in range(20)]

    return losses


def test_another_precision_is_compared_within_what_rounding_does() -> None:
    trainer = {"precision": "bf16-mixed"}
    good = judge_elsewhere(case(steady(), steady(noise=2**-8)), trainer)
    assert good.outcome == "equivalent", good.message
    assert good.derived is not None
    assert "bfloat16 (unit roundoff 0.0039)" in good.derived.derived
    bad = judge_elsewhere(case(steady(), steady(times=1.05, noise=2**-8)), trainer)
    assert (bad.outcome, bad.first and bad.first.step) == ("not equivalent", 1)
    assert "was allowed" in bad.message
    finer = judge_elsewhere(case(steady(), steady(noise=2**-5)), {"precision": "16-mixed"})
    assert finer.outcome == "not equivalent"
    short = judge_elsewhere(case(steady(), lambda seed, env: steady()(seed, env)[:-1]), trainer)
    assert (short.outcome, short.first and short.first.step) == ("not equivalent", 20)


def test_a_setting_that_the_machine_lacks_is_no_difference() -> None:
    said = b'warning\nerror: REFACTORER_TRAINER={"accelerator": "gpu"} cannot be used here: there is no such device\n'

    class Lacking(Told):
        def run(self, name: str, content: Any = None, *args: Any, **kwargs: Any) -> Run:
            run = super().run(name, content, *args, **kwargs)
            if content is None:
                return run
            return replace(run, status=2, stderr=said, trace=Trace(started=True))

        def of_seed(self, number: int) -> Bench:
            return self

    lacking = Case(Lacking(steady(), steady()), b"", Verdict(ERROR, "", "train.py"))
    for trainer in ({"accelerator": "gpu"}, {"precision": "16-mixed"}):
        verdict = judge_elsewhere(lacking, trainer)
        assert verdict.outcome == "error"
        assert verdict.message == "this setting cannot be verified here: there is no such device"


def test_without_layers_no_tolerance_can_be_derived() -> None:
    fixed = judge_elsewhere(case(lambda seed, env: [1.0], steady()), {"precision": "bf16-mixed"})
    assert fixed.outcome == "error"
    assert "give --rtol or --atol" in fixed.message


# Stands for both versions of a script: what the converted one does with the Trainer's settings is all that matters.
DEEP = """\
import json, os, torch

settings = json.loads(os.environ.get("REFACTORER_TRAINER", "{}"))
torch.manual_seed(1)
model = torch.nn.Sequential(torch.nn.Linear(4, 16), torch.nn.Tanh(), torch.nn.Linear(16, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for step in range(12):
    x = torch.randn(8, 4)
    optimizer.zero_grad()
    with torch.autocast("cpu", enabled="precision" in settings, dtype=torch.bfloat16):
        loss = (model(x) - 1).pow(2).mean()
    loss.backward()
    optimizer.step()
"""


def test_bfloat16_stays_within_the_tolerances(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(DEEP)
    both = (tmp_path / "train.py", tmp_path / "train.py")
    good = verify(*both, env=QUICK, trainer={"precision": "bf16-mixed"})
    assert good.outcome == "equivalent", good.message
    assert good.original is not None
    assert good.converted is not None
    assert good.original.losses != good.converted.losses
    assert good.derived is not None
    assert list(good.derived.allowed) == sorted(good.derived.allowed)


def test_settings_that_cannot_be_compared() -> None:
    assert wrong_setting({}, "lightning") is None
    assert wrong_setting({"precision": "bf16-mixed"}, "runtime") is None
    assert "runtime only" in str(wrong_setting({"devices": 2}, "lightning"))
    assert "number of devices" in str(wrong_setting({"devices": "auto"}, "runtime"))
    assert "'8-mixed'" in str(wrong_setting({"precision": "8-mixed"}, "runtime"))


def test_distances_only_grow() -> None:
    assert largest_so_far([1.0, 2.0, 3.0], [[1.5, 2.0, 3.0], [1.0, 2.0, 2.0]]) == [0.5, 0.5, 1.0]
    assert largest_so_far([1.0, 2.0], [[1.0]]) == [0.0, math.inf]
