"""The mutants: every defect at every place where it fits, in the conversions of a choice of fixtures."""

from __future__ import annotations

import ast
import pathlib
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import libcst as cst

from tests.mutation.bench import converted
from tests.mutation.defects import Defect
from tests.mutation.defects_of_output import ALL

try:
    import tomllib
except ModuleNotFoundError:  # Python 3.10
    import tomli as tomllib

MOST = 2  # places for one defect in one script
EACH = 4  # mutants of one defect; a defect that fits everywhere is spread over the scripts
CHOSEN = (
    "accumulation", "amp_grad_scaler", "average_meters", "batch_scheduler", "char_rnn_helper", "final_test", "gan",
    "learning_rate_by_hand", "mnist_functions", "module_level_eval_each_epoch", "running_loss_every_few",
    "save_every_epoch", "scheduler_before_evaluation", "train_step_helper", "two_optimizers", "variational",
    "wgan_clipping",
)  # fmt: skip
EXPECTED = pathlib.Path(__file__).with_name("expected.toml")


@dataclass(frozen=True)
class Mutant:
    """One broken conversion. `step` is where it first shows; `equivalent` says why it never does."""

    name: str
    fixture: str
    text: str
    step: int | None
    cause: str
    equivalent: str = ""


def generate(fixture: str, defects: Iterable[Defect] = ALL.values()) -> Iterator[tuple[str, str, str]]:
    """Name, text and usual cause of all mutants of one fixture, or of those with some defects."""
    tree = cst.parse_module(converted(fixture))
    for defect in defects:
        texts = dict.fromkeys(new.code for new in defect.mutate(tree))
        fitting = [text for text in texts if text != tree.code and compiles(text)]
        for index, text in enumerate(fitting[:MOST], 1):
            yield f"{fixture}: {defect.name}" + (f" {index}" if index > 1 else ""), text, defect.cause


def compiles(text: str) -> bool:
    try:
        ast.parse(text)
    except SyntaxError:
        return False
    return True


@cache
def expected() -> dict[str, dict[str, object]]:
    """What is expected of each mutant, by name."""
    return tomllib.loads(EXPECTED.read_text()) if EXPECTED.exists() else {}


def mutant(name: str) -> Mutant:
    """One mutant by its name. Raises `StopIteration` when there is none."""
    fixture = name.split(": ")[0]
    return next(_mutant(fixture, *parts) for parts in generate(fixture, [ALL[_defect(name)]]) if parts[0] == name)


def _defect(name: str) -> str:
    return name.split(": ")[1].removesuffix(" 2")


def _mutant(fixture: str, name: str, text: str, cause: str) -> Mutant:
    known: Any = expected().get(name, {})
    why = known.get("equivalent", "")
    return Mutant(name, fixture, text, known.get("step"), known.get("cause", cause), why)


@cache
def mutants() -> tuple[Mutant, ...]:
    """All mutants with what is expected of them, fixture by fixture."""
    found: dict[str, list[Mutant]] = {}
    for fixture in CHOSEN:
        for parts in generate(fixture):
            found.setdefault(_defect(parts[0]), []).append(_mutant(fixture, *parts))
    kept = [m for same in found.values() for m in sorted(same, key=lambda m: zlib.crc32(m.name.encode()))[:EACH]]
    return tuple(sorted(kept, key=lambda mutant: mutant.name))
