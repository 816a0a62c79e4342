"""Converts and trains random scripts: `python -m tests.fuzz.run N [--seed S] [--jobs J] [--keep DIR]`.

A script passes when it is refused with a code, or when its conversion compiles, leaves no name undefined, converts to
nothing more, loses no comment, and trains bit for bit like the script. The scripts that fail are written to DIR.
"""

from __future__ import annotations

import argparse
import collections
import concurrent.futures
import pathlib
import sys
import threading

from refactorer import convert
from refactorer.result import Converted, Refused, Unchanged
from tests.fixtures_harness import Runner, comments, first_difference, undefined_names
from tests.fuzz.generator import program

Outcome = tuple[str, str, str]


def check(text: str, runner: Runner) -> Outcome:
    """(outcome, detail, converted text); outcomes other than "equal" and "refused" are failures."""
    try:
        result = convert(text, path="script.py")
    except Exception as error:  # the converter must never raise
        return "crashed", f"{type(error).__name__}: {error}".splitlines()[0][:200], ""
    if isinstance(result, Refused):
        codes = ",".join(sorted({d.code for d in result.diagnostics}))
        return ("refused", codes, "") if codes else ("silent refusal", "no diagnostic", "")
    if not isinstance(result, Converted):
        return "missed", f"{result.status} {[str(d) for d in result.diagnostics]}", ""
    problem = static_problem(text, result.after)
    if problem:
        return (*problem, result.after)
    before = runner.run(text)
    if before.status not in (0, 3) or not before.steps:  # 3: the script's own sys.exit
        return "bad script", f"{before.status} {before.error.strip()[-300:]}", result.after
    difference = first_difference(before, runner.run(result.after))
    return ("different", difference, result.after) if difference else ("equal", "", result.after)


def static_problem(text: str, after: str) -> tuple[str, str] | None:
    try:
        names = undefined_names(after) - undefined_names(text)
    except SyntaxError as error:
        return "invalid", str(error)
    if names:
        return "undefined names", ", ".join(sorted(names))
    again = convert(after, path="script.py")
    if not isinstance(again, Unchanged):
        return "not idempotent", f"{again.status} {[str(d) for d in again.diagnostics]}"
    lost = comments(text) - comments(after)
    return ("lost comments", ", ".join(lost)) if lost else None


class Pool:
    """One warm process per thread."""

    def __init__(self) -> None:
        self.local, self.runners = threading.local(), list[Runner]()

    def check(self, seed: int) -> tuple[int, Outcome]:
        if not hasattr(self.local, "runner"):
            self.local.runner = Runner().__enter__()
            self.runners.append(self.local.runner)
        return seed, check(program(seed), self.local.runner)

    def close(self) -> None:
        for runner in self.runners:
            runner.__exit__()


def keep(folder: pathlib.Path, seed: int, outcome: Outcome) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{seed}.in.py").write_text(program(seed))
    if outcome[2]:
        (folder / f"{seed}.out.py").write_text(outcome[2])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("n", type=int, nargs="?", default=200, help="how many scripts")
    parser.add_argument("--seed", type=int, default=0, help="the number of the first script")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument(
        "--keep", type=pathlib.Path, default=pathlib.Path("fuzz-failures"), help="folder of the scripts that fail"
    )
    args = parser.parse_args()
    counts: collections.Counter[str] = collections.Counter()
    refusals: collections.Counter[str] = collections.Counter()
    pool = Pool()
    with concurrent.futures.ThreadPoolExecutor(args.jobs) as executor:
        for seed, outcome in executor.map(pool.check, range(args.seed, args.seed + args.n)):
            counts[outcome[0]] += 1
            if outcome[0] == "refused":
                refusals[outcome[1]] += 1
            elif outcome[0] != "equal":
                keep(args.keep, seed, outcome)
                print(f"{seed}: {outcome[0]}: {outcome[1]}", flush=True)
    pool.close()
    print(" ".join(f"{k}={v}" for k, v in counts.most_common()), f"of {args.n}")
    print("refused:", " ".join(f"{k}={v}" for k, v in refusals.most_common()))
    return int(any(k not in ("equal", "refused") for k in counts))


if __name__ == "__main__":
    sys.exit(main())
