"""Runs a script as if on a GPU: `python -m tests.pretended SCRIPT ARGS...`."""

from __future__ import annotations

import os
import random
import runpy
import sys

import numpy as np
import torch

from tests.pretended.device import PretendedGpu
from tests.pretended.library import install


def main() -> None:
    script = sys.argv[1]
    sys.argv = sys.argv[1:]
    sys.path[0] = os.path.dirname(os.path.abspath(script))
    gpu = PretendedGpu()
    install(gpu)
    seed = int(os.environ.get("PRETENDED_SEED", "5"))
    torch.manual_seed(seed)
    np.random.seed(seed)
    random.seed(seed)
    with gpu:
        runpy.run_path(script, run_name="__main__")


main()
