"""Converts and trains random scripts: `python -m tests.fuzz.run N [--family F] [--seed S] [--jobs J] [--keep DIR]
[--target T]`.

A script passes when it is refused with a code, or when its conversion compiles, leaves no name undefined, converts to
nothing more, loses no comment, and trains bit for bit like the script. The scripts that fail are written to DIR. The
last lines are the outcomes by family and the refusals by code. `--originals` runs each script twice, unconverted.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import pathlib
import sys
import threading
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from refactorer import convert
from refactorer.config import TARGETS
from refactorer.diagnostics import Diagnostic
from refactorer.result import Converted, Refused, Unchanged
from tests.fixtures_harness import Run, Runner, first_difference, lost_comments, undefined_names
from tests.fuzz.programs import NAMES, family_of, program

Outcome = tuple[str, str, str]
PASSES = ("equal", "refused")


def check(text: str, runner: Runner, target: str = "runtime") -> Outcome:
    """(outcome, detail, converted text); outcomes other than "equal" and "refused" are failures."""
    try:
        result = convert(text, path="script.py", target=target)
    except Exception as error:  # the converter must never raise
        return "crashed", f"{type(error).__name__}: {error}".splitlines()[0][:200], ""
    if isinstance(result, Refused):
        codes = ",".join(sorted({_code(d) for d in result.diagnostics}))
        if not codes or "R900" in codes or "E900" in codes:
            return "defect", codes or "no diagnostic", ""
        return "refused", codes, ""
    if not isinstance(result, Converted):
        return "missed", f"{result.status} {[str(d) for d in result.diagnostics]}", ""
    problem = static_problem(text, result.after, target)
    if problem:
        return (*problem, result.after)
    before = runner.run(text)
    difference = first_difference(before, runner.run(result.after))
    if difference and "local variable" not in ended(before) and "is not defined" not in ended(before):
        return "different", difference, result.after  # a script that fails has to fail at the same place
    return ("equal", "", result.after) if trains(before) else ("bad script", ended(before), result.after)


def _code(diagnostic: Diagnostic) -> str:
    """The code, and the name of the trap where there is one."""
    trap = diagnostic.message.split(":")[0] if diagnostic.code == "R501" else ""
    return f"{diagnostic.code} {trap}".strip()


def trains(run: Run) -> bool:
    """Whether a script did what generated scripts do: it did something, and ended by itself or by its sys.exit(3)."""
    return run.status in (0, 3) and bool(run.events or run.lines)


def ended(run: Run) -> str:
    return f"{run.status} {(run.error.strip().splitlines() or [''])[-1]}"


def check_original(text: str, runner: Runner) -> Outcome:
    """Like `check`, of the script and itself: whether it trains, and twice the same."""
    before = runner.run(text)
    if not trains(before):
        return "bad script", ended(before), ""
    difference = first_difference(before, runner.run(text))
    return ("not deterministic", difference, "") if difference else ("equal", "", "")


def static_problem(text: str, after: str, target: str = "runtime") -> tuple[str, str] | None:
    try:
        names = undefined_names(after) - undefined_names(text)
    except SyntaxError as error:
        return "invalid", str(error)
    if names:
        return "undefined names", ", ".join(sorted(names))
    again = convert(after, path="script.py", target=target)
    if not isinstance(again, Unchanged):
        return "not idempotent", f"{again.status} {[str(d) for d in again.diagnostics]}"
    lost = lost_comments(text, after)
    return ("lost comments", ", ".join(lost)) if lost else None


class Pool:
    """One warm process per thread."""

    def __init__(self, family: str | None, checked: Callable[[str, Runner], Outcome]) -> None:
        self.family, self.checked = family, checked
        self.local, self.runners = threading.local(), list[Runner]()

    def check(self, seed: int) -> tuple[int, str, Outcome]:
        """The family of the script and how it fared."""
        if not hasattr(self.local, "runner"):
            self.local.runner = Runner().__enter__()
            self.runners.append(self.local.runner)
        family = self.family or family_of(seed)
        try:
            return seed, family, self.checked(program(seed, family), self.local.runner)
        except Exception as error:  # one bad script must not end the hunt
            return seed, family, ("harness", f"{type(error).__name__}: {error}", "")

    def close(self) -> None:
        for runner in self.runners:
            runner.__exit__()


@dataclass
class Tally:
    """The outcomes so far, by family and by code of refusal."""

    families: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    codes: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))

    def add(self, family: str, outcome: Outcome) -> None:
        self.families[family][outcome[0]] += 1
        if outcome[0] == "refused":
            self.codes[outcome[1]][family] += 1

    def total(self) -> Counter[str]:
        return sum(self.families.values(), Counter())

    def lines(self) -> list[str]:
        rows = [f"{name:<18} {shown(counts)}" for name, counts in sorted(self.families.items())]
        codes = sorted(self.codes.items(), key=lambda item: -item[1].total())
        rows += [f"{code:<18} {counts.total():>5}  {shown(counts)}" for code, counts in codes]
        return [*rows, f"{shown(self.total())} of {self.total().total()}"]


def shown(counts: Counter[str]) -> str:
    return " ".join(f"{name}={count}" for name, count in counts.most_common())


def keep(folder: pathlib.Path, name: str, text: str, outcome: Outcome) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.in.py").write_text(text)
    if outcome[2]:
        (folder / f"{name}.out.py").write_text(outcome[2])


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("n", type=int, nargs="?", default=200, help="how many scripts")
    parser.add_argument("--family", choices=NAMES, help="of one family; default: a mixture")
    parser.add_argument("--seed", type=int, default=0, help="the number of the first script")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--target", choices=TARGETS, default="runtime", help="what the conversions import")
    parser.add_argument(
        "--originals", action="store_true", help="do not convert: does each script run, twice the same?"
    )
    parser.add_argument(
        "--keep", type=pathlib.Path, default=pathlib.Path("fuzz-failures"), help="folder of the scripts that fail"
    )
    return parser.parse_args()


def main() -> int:
    args = arguments()
    tally = Tally()
    pool = Pool(args.family, check_original if args.originals else partial(check, target=args.target))
    with concurrent.futures.ThreadPoolExecutor(args.jobs) as executor:
        for seed, family, outcome in executor.map(pool.check, range(args.seed, args.seed + args.n)):
            tally.add(family, outcome)
            if outcome[0] not in PASSES:
                keep(args.keep, f"{family}-{seed}", program(seed, family), outcome)
                print(f"--family {family} --seed {seed}: {outcome[0]}: {outcome[1]}", flush=True)
    pool.close()
    print("\n".join(tally.lines()))
    return int(any(name not in PASSES for name in tally.total()))


if __name__ == "__main__":
    sys.exit(main())
