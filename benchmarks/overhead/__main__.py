"""How much a Trainer costs beside the loop that it replaces.

Trains three small models on ready-made batches in several ways (a plain loop, runtime.Trainer, Lightning's Trainer, and
whichever of Fabric, Accelerate and pytorch-accelerated are installed), in turn, round after round, in one process. The
plain loop does no logging, draws no bar and saves nothing. On the CPU processor time is compared, on a GPU wall time.

    make bench [ARGS='--rounds 30 --models "tiny MLP" --settings plain --write']
"""

from __future__ import annotations

import argparse
import logging
import pathlib
import sys
import tempfile
import warnings
from collections.abc import Mapping
from types import ModuleType

import torch

from benchmarks.overhead import footprint, measure, report
from benchmarks.overhead.cases import MODELS, PLAIN, SETTINGS, Case
from benchmarks.overhead.ways import NAMES

_RAW = argparse.RawDescriptionHelpFormatter
RESULTS = pathlib.Path(__file__).parent.parent / "RESULTS.md"


def main() -> None:
    """Measure and print."""
    args = parse()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    found, missing = measure.available()
    for name, reason in missing.items():
        print(f"{name} is left out: {reason} (pip install 'refactorer[bench]')")
    # a library that sets up logging when it is imported must not undo this
    for name in ("pytorch_lightning", "lightning_fabric", "accelerate"):
        logging.getLogger(name).setLevel(logging.ERROR)
    tables = []
    with tempfile.TemporaryDirectory() as folder:
        cases = list_cases(args, pathlib.Path(folder))
        rows = [measured(case, found, args.rounds) for case in cases]
    tables.append(("Time of an epoch, as a ratio to the raw loop: median (quartiles)", report.ratio_cells(rows, found)))
    if args.footprint:
        prints = {name: footprint.measure(name, args.device) for name in found}
        tables.append(("Start-up and peak memory, small transformer", report.footprint_cells(prints, found)))
    for title, cells in tables:
        report.show(title, cells)
    if args.write:
        report.write(RESULTS, report.section(args.device, args.rounds, tables))


def measured(case: Case, found: Mapping[str, ModuleType], rounds: int) -> measure.Row:
    """Measure one case, and say which: all of them take minutes."""
    print(f"{case.model}, {case.setting}, {case.precision} ...", file=sys.stderr, flush=True)
    return measure.compare(case, found, rounds)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser("make bench", description=__doc__, formatter_class=_RAW)
    parser.add_argument("--rounds", type=int, default=21)
    parser.add_argument("--models", nargs="+", choices=list(MODELS), default=list(MODELS))
    parser.add_argument("--settings", nargs="+", choices=SETTINGS, default=SETTINGS)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--precisions", nargs="+", choices=("fp32", "bf16", "fp16"), help="default: all on a GPU")
    parser.add_argument("--footprint", action=argparse.BooleanOptionalAction, default=True, help="start-up, memory")
    parser.add_argument("--write", action="store_true", help=f"also add a section to {RESULTS.name}")
    args = parser.parse_args()
    if args.rounds < 2:
        parser.error("--rounds: at least two rounds have a spread")
    if args.device == "cuda" and not torch.cuda.is_available():
        parser.error("--device cuda: there is no CUDA device that torch can use")
    return args


def list_cases(args: argparse.Namespace, folder: pathlib.Path) -> list[Case]:
    """Every model with every setting in fp32, and the plain setting in the other precisions."""
    precisions = args.precisions or (["fp32"] if args.device == "cpu" else ["fp32", "bf16", "fp16"])
    pairs = [(p, s) for p in precisions for s in args.settings if p == "fp32" or s == PLAIN]
    return [Case(model, s, args.device, p, folder) for model in args.models for p, s in pairs]


if __name__ == "__main__":
    assert NAMES[0] == "raw", "ratios are to the plain loop"
    main()
