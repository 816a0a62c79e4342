"""Scores the verifier: how many seeded defects it catches, locates and explains, and how often it is wrongly alarmed.

    python -m tests.mutation.score [--jobs N] [--only REGEX] [--seeds N] [--fresh] [--verbose]

Results are kept in build/mutation until the code of the verifier or a mutant changes, so that a run that was stopped
goes on where it was. The exit status is 1 unless all is judged as expected (of the causes, four in five).
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import cache
from itertools import groupby

from refactorer.verify.verdict import EQUIVALENT, Verdict
from tests.fixtures_harness import FIXTURES, ROOT, Runner, first_difference
from tests.mutation.bench import Bench, converted, judge, original, reseeded
from tests.mutation.mutants import Mutant, mutants

RESULTS = ROOT / "build" / "mutation" / "results.jsonl"
CAUSES_RIGHT = 0.8
ARGUMENTS = {"digits": ["--epochs", "1"]}


@dataclass(frozen=True)
class Result:
    """How one pair of versions was judged; `outcome` is "as expected" where nothing is wrong."""

    name: str
    kind: str
    outcome: str
    cause_right: bool | None = None
    detail: str = ""


@cache
def code() -> str:
    """A digest of everything that a result rests on, besides the scripts."""
    files = [*ROOT.glob("refactorer/verify/**/*.py"), *ROOT.glob("runtime/**/*.py"), *ROOT.glob("tests/mutation/*")]
    found = hashlib.sha1()
    for path in sorted(path for path in files if path.is_file()):
        found.update(path.read_bytes())
    return found.hexdigest()


def judge_mutant(mutant: Mutant, verdict: Verdict) -> Result:
    """Compares a verdict with what is expected of the mutant."""
    first, names = verdict.first, [cause.name for cause in verdict.likely]
    step = first.step if first else None
    detail = f"step {step}, {first.channel if first else 'no divergence'}, {', '.join(names) or 'no cause'}"
    if mutant.equivalent:
        outcome = "as expected" if verdict.outcome == EQUIVALENT else "expected to be equivalent"
        return Result(mutant.name, "equivalent", outcome, None, detail)
    if mutant.step is None:
        return Result(mutant.name, "mutant", "nothing is expected of it yet", None, detail)
    if first is None:
        return Result(mutant.name, "mutant", "not caught", False, detail)
    right = bool(names) and names[0] == mutant.cause
    outcome = "as expected" if step == mutant.step else f"expected at step {mutant.step}"
    return Result(mutant.name, "mutant", outcome, right, f"{detail}; expected {mutant.cause}")


def score_mutants(group: Sequence[Mutant]) -> list[Result]:
    """Judges the mutants of one fixture against one run of its original."""
    found = []
    with Bench() as bench:
        before = bench.trace(original(group[0].fixture))
        for mutant in group:
            after = bench.trace(mutant.text)
            found.append(judge_mutant(mutant, judge(before, after)))
            bench.forget(after)
    return found + prove_equivalent([mutant for mutant in group if mutant.equivalent])


def prove_equivalent(group: Sequence[Mutant]) -> list[Result]:
    """Runs mutants that nobody can tell from the original under a recorder that shares no code with the tracer."""
    if not group:
        return []
    with Runner() as runner:
        before = runner.run(original(group[0].fixture))
        different = [(mutant, first_difference(before, runner.run(mutant.text))) for mutant in group]
    return [
        Result(f"{mutant.name} (other recorder)", "proof", text or "as expected", None, mutant.equivalent)
        for mutant, text in different
    ]


def score_fixture(name: str, seeds: int) -> list[Result]:
    """Judges an untouched conversion with several seeds."""
    found = []
    with Bench() as bench:
        for seed in range(seeds):
            texts = [reseeded(text, seed) for text in (original(name), converted(name))]
            before, after = (bench.trace(text, ARGUMENTS.get(name, ()), seed=seed) for text in texts)
            verdict = judge(before, after)
            outcome = "as expected" if verdict.outcome == EQUIVALENT else f"false alarm: {verdict.message}"
            found.append(Result(f"{name}, seed {seed}", "untouched", outcome))
            bench.forget(before), bench.forget(after)
    return found


# --- all of it, with results that are kept ---------------------------------------------------------------------------


Task = tuple[str, Callable[[], list[Result]]]


def tasks(only: str, seeds: int) -> list[Task]:
    """What is to be run, each with a key that changes with everything that its results rest on."""
    found: list[Task] = []
    for fixture, same in groupby(mutants(), key=lambda mutant: mutant.fixture):
        group = [mutant for mutant in same if re.search(only, mutant.name)]
        if group:
            found.append((_key(fixture, *map(repr, group)), lambda group=group: score_mutants(group)))  # type: ignore[misc]
    names = sorted(path.name.removesuffix(".in.py") for path in FIXTURES.glob("*.in.py"))
    for name in names:
        if re.search(only, f"{name}, untouched") and seeds:
            key = _key(name, original(name), converted(name), str(seeds))
            found.append((key, lambda name=name: score_fixture(name, seeds)))  # type: ignore[misc]
    return found


def _key(*parts: str) -> str:
    return hashlib.sha1("\n".join([code(), *parts]).encode()).hexdigest()


def run(todo: Iterable[Task], jobs: int, fresh: bool, show: Callable[[Result], None]) -> list[Result]:
    """The results of all tasks, those that are known already included."""
    if fresh:
        RESULTS.unlink(missing_ok=True)
    known = {}
    if RESULTS.exists():
        known = {entry["key"]: entry["results"] for entry in map(json.loads, RESULTS.read_text().splitlines())}
    RESULTS.parent.mkdir(parents=True, exist_ok=True)

    def do(task: Task) -> list[Result]:
        key, work = task
        if key in known:
            return [Result(**fields) for fields in known[key]]
        results = work()
        with open(RESULTS, "a") as file:
            file.write(json.dumps({"key": key, "results": [asdict(result) for result in results]}) + "\n")
        return results

    found = []
    with ThreadPoolExecutor(jobs) as pool:
        for results in pool.map(do, todo):
            for result in results:
                show(result)
            found += results
    return found


def summary(results: Sequence[Result]) -> tuple[str, bool]:
    """The score in words, and whether it is good enough."""
    of = {kind: [r for r in results if r.kind == kind] for kind in ("mutant", "equivalent", "proof", "untouched")}
    right = Counter({kind: sum(r.outcome == "as expected" for r in group) for kind, group in of.items()})
    total = {kind: len(group) for kind, group in of.items()}
    caught = sum(r.outcome != "not caught" for r in of["mutant"])
    causes = sum(bool(r.cause_right) for r in of["mutant"])
    lines = [
        f"caught            {caught} of {total['mutant']} mutants that change the training or its output",
        f"first divergence  right for {right['mutant']}",
        f"cause             right for {causes}"
        + (f" ({100 * causes / total['mutant']:.0f} %)" if of["mutant"] else ""),
        f"equivalent        {right['equivalent']} of {total['equivalent']} called so, "
        f"{right['proof']} shown by the other recorder",
        f"false alarms      {total['untouched'] - right['untouched']} in {total['untouched']} untouched pairs",
    ]
    good = all(right[kind] == total[kind] for kind in of) and causes >= CAUSES_RIGHT * total["mutant"]
    return "\n".join(lines), good


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--jobs", type=int, default=1, help="runs at the same time")
    parser.add_argument("--only", default="", help="a regular expression for names: 'gan:', 'zero_grad', 'untouched'")
    parser.add_argument("--seeds", type=int, default=5, help="seeds for each untouched fixture; 0 leaves them out")
    parser.add_argument("--fresh", action="store_true", help="forget the results of earlier runs")
    parser.add_argument("--verbose", action="store_true", help="show every result, not only what is wrong")
    chosen = parser.parse_args(arguments)

    def show(result: Result) -> None:
        if chosen.verbose or result.outcome != "as expected" or result.cause_right is False:
            print(f"{result.name}: {result.outcome} ({result.detail})", flush=True)

    text, good = summary(run(tasks(chosen.only, chosen.seeds), chosen.jobs, chosen.fresh, show))
    print(text)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
