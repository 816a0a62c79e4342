"""Runs the ways in turn, so that a busy machine slows all of them alike, and compares each to the plain loop."""

from __future__ import annotations

import contextlib
import gc
import os
import random
import statistics
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import ModuleType

import torch

from benchmarks.overhead import ways
from benchmarks.overhead.cases import ACCUMULATION, MODELS, Case


@dataclass(frozen=True)
class Ratio:
    """Time of a step, and its ratio to the plain loop of the same round, over all rounds."""

    microseconds: float
    low: float
    median: float
    high: float


@dataclass(frozen=True)
class Row:
    """One case: a ratio for each way, None where a library has no such feature."""

    case: Case
    ratios: dict[str, Ratio | None]


def available() -> tuple[dict[str, ModuleType], dict[str, str]]:
    """The ways whose library is installed, and the reason for each of the others."""
    found, missing = {}, {}
    for name in ways.NAMES:
        try:
            found[name] = ways.load(name)
        except ImportError as error:
            missing[name] = str(error)
    return found, missing


def compare(case: Case, found: Mapping[str, ModuleType], rounds: int) -> Row:
    """Train in every way, round after round; the first round only warms up.

    Raises:
        AssertionError: ``runtime.Trainer`` trained other parameters than the plain loop.
    """
    present = [name for name in found if case.setting in found[name].SETTINGS]
    seconds: dict[str, list[float]] = {name: [] for name in present}
    for number in range(rounds + 1):
        models = {}
        for name in random.sample(present, len(present)):
            gc.collect()
            with _quiet():
                elapsed, models[name] = found[name].train(case)
            if number:
                seconds[name].append(elapsed)
        if case.device == "cpu":
            _check(case, models)
    return Row(case, {name: _ratio(case, seconds, name) for name in found})


def _check(case: Case, models: Mapping[str, torch.nn.Module]) -> None:
    if case.precision == "fp32" or case.setting != ACCUMULATION:
        pairs = zip(models["raw"].parameters(), models["bundled"].parameters())
        assert all(torch.equal(a, b) for a, b in pairs), f"runtime.Trainer trained other parameters: {case}"


def _ratio(case: Case, seconds: Mapping[str, list[float]], name: str) -> Ratio | None:
    if name not in seconds:
        return None
    ratios = [value / base for value, base in zip(seconds[name], seconds["raw"])]
    low, median, high = statistics.quantiles(ratios, n=4, method="inclusive")
    return Ratio(statistics.median(seconds[name]) / MODELS[case.model].steps * 1e6, low, median, high)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Progress bars are drawn, but nobody needs to see them."""
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere), contextlib.redirect_stderr(nowhere):
        yield
