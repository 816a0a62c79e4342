"""Names for the roles in templates: from the pools of the two-loop scripts, and for what those don't have."""

from __future__ import annotations

import re

from tests.fuzz.families.draw import Draw
from tests.fuzz.names import NASTY, USUAL

POOLS = {
    "G": ["G", "netG", "generator", "gen"],
    "D": ["D", "netD", "discriminator", "critic_net"],
    "opt_G": ["optimizerG", "opt_g", "g_optimizer", "G_solver"],
    "opt_D": ["optimizerD", "opt_d", "d_optimizer", "D_solver"],
    "train_epoch": ["train_epoch", "train_one_epoch", "run_epoch", "fit_epoch"],
    "train_step": ["train_step", "train_on_batch", "training_step", "update", "optimize"],
    "step": ["step", "iteration", "global_step", "it", "n_iter"],
    "trainer": ["trainer", "t", "runner", "agent", "solver_"],
    "Trainer": ["Trainer", "Runner", "Solver", "Learner", "Agent"],
    "features": ["features", "X", "x_train", "inputs_all"],
    "labels": ["labels", "Y", "y_train", "targets_all"],
    "fit": ["fit", "train", "run", "training", "train_model"],
    "get_batch": ["get_batch", "next_batch", "sample_batch"],
    "hidden": ["hidden", "h", "state"],
    "target_net": ["target_net", "ema", "teacher_net", "slow"],
}


def choose(draw: Draw, text: str, nasty: float) -> dict[str, str]:
    """A different name for each `$role` in the text, none of which the text has already."""
    taken = set(re.findall(r"(?<![$\w])[A-Za-z_]\w*", text))
    chosen: dict[str, str] = {}
    for role in dict.fromkeys(re.findall(r"\$(\w+)", text)):
        base = role.split("__")[0]
        usual = POOLS.get(base) or USUAL.get(base) or [base]
        pool = NASTY[base] if base in NASTY and draw.maybe(nasty) else usual
        free = [n for n in pool if n not in taken] or [n for n in usual if n not in taken]
        chosen[role] = draw.pick(free) if free else unused(base, taken)
        taken.add(chosen[role])
    return chosen


def unused(base: str, taken: set[str]) -> str:
    name = base
    while name in taken:
        name += "_"
    return name
