"""Random training programs of all families: `program(seed)`, the same for the same seed."""

from __future__ import annotations

import random
from collections.abc import Callable

from tests.fuzz import generator
from tests.fuzz.families import (
    control_flow,
    divided,
    full_batch,
    helper_steps,
    mixed,
    objects,
    phases,
    projects,
    several_optimizers,
    several_sites,
    state,
    step_loops,
    trainer_classes,
)
from tests.fuzz.families.draw import Draw
from tests.fuzz.families.layout import lay_out
from tests.fuzz.families.parts import Parts

FAMILIES: dict[str, Callable[[Draw, int], Parts]] = {
    "full_batch": full_batch.make,
    "several_optimizers": several_optimizers.make,
    "step_loops": step_loops.make,
    "helper_steps": helper_steps.make,
    "trainer_classes": trainer_classes.make,
    "several_sites": several_sites.make,
    "phases": phases.make,
    "control_flow": control_flow.make,
    "state": state.make,
    "divided": divided.make,
    "mixed": mixed.make,
    "objects": objects.make,
    "projects": projects.make,
}
TWO_LOOPS = "two_loops"
NAMES = [TWO_LOOPS, *FAMILIES]
SHARE_OF_TWO_LOOPS = 0.25


def family_of(seed: int) -> str:
    """The family that `program(seed)` belongs to."""
    rng = random.Random(f"family {seed}")
    return TWO_LOOPS if rng.random() < SHARE_OF_TWO_LOOPS else rng.choice(list(FAMILIES))


def program(seed: int, family: str | None = None) -> str:
    """The script number `seed`, of the family given or of one that the number picks."""
    family = family or family_of(seed)
    if family == TWO_LOOPS:
        return generator.program(seed)
    draw = Draw(f"{family} {seed}")
    return lay_out(draw, FAMILIES[family](draw, seed))
