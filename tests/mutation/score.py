"""Scores the verifier: how many seeded defects it catches, locates and explains, and how often it is wrongly alarmed.

    python -m tests.mutation.score [--jobs N] [--only REGEX] [--seeds N] [--fresh] [--verbose]

Results are kept in build/mutation until the code of the verifier or a mutant changes, so that a run that was stopped
goes on where it was. The exit status is 1 unless all is judged as expected (of the causes, four in five).
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import re
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import cache, partial
from itertools import groupby
from typing import TypeVar

from refactorer.verify.verdict import EQUIVALENT, Verdict
from tests.fixtures_harness import FIXTURES, ROOT, Runner, first_difference
from tests.mutation.bench import Bench, converted, judge, original, reseeded
from tests.mutation.mutants import Mutant, mutants

RESULTS = ROOT / "build" / "mutation" / "results.jsonl"
CAUSES_RIGHT = 0.8
AnyRunner = TypeVar("AnyRunner", bound=Runner)
AS_EXPECTED = "as expected"
ARGUMENTS = {"digits": ["--epochs", "1"]}


@dataclass(frozen=True)
class Seen:
    """What the verifier said of one pair of versions; `kind` is "mutant", "untouched" or "proof"."""

    name: str
    kind: str
    same: bool
    message: str
    step: int | None = None
    channel: str = ""
    causes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Result:
    """How that was judged; `outcome` is "as expected" where nothing is wrong."""

    name: str
    kind: str
    outcome: str
    cause_right: bool | None = None
    detail: str = ""


def seen(name: str, kind: str, verdict: Verdict) -> Seen:
    first = verdict.first
    where = (first.step, first.channel) if first else (None, "")
    same = verdict.outcome == EQUIVALENT
    return Seen(name, kind, same, verdict.message, *where, tuple(cause.name for cause in verdict.likely))


def judge_mutant(mutant: Mutant, found: Seen) -> Result:
    """Compares what was said with what is expected of the mutant."""
    causes = ", ".join(found.causes) or "no cause"
    detail = "no difference" if found.same else f"step {found.step}, {found.channel}: {causes}"
    if mutant.equivalent:
        return Result(
            mutant.name, "equivalent", AS_EXPECTED if found.same else "expected to be equivalent", None, detail
        )
    if mutant.step is None:
        return Result(mutant.name, "mutant", "nothing is expected of it yet", None, detail)
    if found.same:
        return Result(mutant.name, "mutant", "not caught", False, detail)
    outcome = AS_EXPECTED if found.step == mutant.step else f"expected at step {mutant.step}"
    right = found.causes[:1] == (mutant.cause,)
    return Result(mutant.name, "mutant", outcome, right, f"{detail}; expected {mutant.cause}")


def judge_other(found: Seen) -> Result:
    """Untouched versions must be called the same, and so must equivalent mutants by the other recorder."""
    return Result(found.name, found.kind, AS_EXPECTED if found.same else f"called different: {found.message}")


# --- what is run -----------------------------------------------------------------------------------------------------


class Warm:
    """The processes that run scripts: one of each kind for every thread, started when it is needed first."""

    def __init__(self) -> None:
        self.mine, self.open = threading.local(), contextlib.ExitStack()

    def get(self, kind: type[AnyRunner]) -> AnyRunner:
        if not hasattr(self.mine, kind.__name__):
            setattr(self.mine, kind.__name__, self.open.enter_context(kind()))
        running: AnyRunner = getattr(self.mine, kind.__name__)
        return running


def run_mutants(warm: Warm, group: Sequence[Mutant]) -> list[Seen]:
    """Traces the mutants of one fixture against one run of its original."""
    found, bench = [], warm.get(Bench)
    before = bench.trace(original(group[0].fixture))
    for mutant in group:
        after = bench.trace(mutant.text)
        found.append(seen(mutant.name, "mutant", judge(before, after)))
        bench.forget(after)
    return found


def run_proofs(warm: Warm, group: Sequence[Mutant]) -> list[Seen]:
    """Runs mutants that nobody can tell from the original under a recorder that shares no code with the tracer."""
    runner = warm.get(Runner)
    before = runner.run(original(group[0].fixture))
    texts = [(mutant.name, first_difference(before, runner.run(mutant.text))) for mutant in group]
    return [Seen(f"{name} (other recorder)", "proof", text is None, text or "") for name, text in texts]


def run_untouched(warm: Warm, name: str, seeds: int) -> list[Seen]:
    """Traces an untouched conversion with several seeds."""
    found, bench = [], warm.get(Bench)
    for seed in range(seeds):
        texts = [reseeded(text, seed) for text in (original(name), converted(name))]
        before, after = (bench.trace(text, ARGUMENTS.get(name, ()), seed=seed) for text in texts)
        found.append(seen(f"{name}, seed {seed}", "untouched", judge(before, after)))
        bench.forget(before), bench.forget(after)
    return found


Task = tuple[str, Callable[[Warm], list[Seen]]]


def tasks(only: str, seeds: int) -> list[Task]:
    """What is to be run, each with a key that changes with everything that is seen in it."""
    found: list[Task] = []
    for fixture, same in groupby(mutants(), key=lambda mutant: mutant.fixture):
        group = [mutant for mutant in same if re.search(only, mutant.name)]
        quiet = [mutant for mutant in group if mutant.equivalent]
        for work, part in ((run_mutants, group), (run_proofs, quiet)):
            if part:
                texts = [f"{mutant.name} {mutant.text}" for mutant in part]
                found.append((_key(work.__name__, original(fixture), *texts), partial(work, group=part)))
    for name in sorted(path.name.removesuffix(".in.py") for path in FIXTURES.glob("*.in.py")):
        if seeds and re.search(only, f"{name}, untouched"):
            key = _key(name, original(name), converted(name), str(seeds))
            found.append((key, partial(run_untouched, name=name, seeds=seeds)))
    return found


def _key(*parts: str) -> str:
    return hashlib.sha1("\n".join([code(), *parts]).encode()).hexdigest()


@cache
def code() -> str:
    """A digest of everything that is run, besides the scripts."""
    files = [*ROOT.glob("refactorer/verify/**/*.py"), *ROOT.glob("runtime/**/*.py"), *ROOT.glob("tests/*.py")]
    files += [ROOT / "tests" / "mutation" / name for name in ("bench.py", "server.py")]
    found = hashlib.sha1()
    for path in sorted(files):
        found.update(path.read_bytes())
    return found.hexdigest()


def run(todo: Sequence[Task], jobs: int, fresh: bool) -> Iterator[Seen]:
    """What is seen in all tasks, in their order, those that were run before included."""
    if fresh:
        RESULTS.unlink(missing_ok=True)
    known = {}
    if RESULTS.exists():
        known = {entry["key"]: entry["seen"] for entry in map(json.loads, RESULTS.read_text().splitlines())}
    RESULTS.parent.mkdir(parents=True, exist_ok=True)

    def do(task: Task) -> list[Seen]:
        key, work = task
        if key in known:
            return [Seen(**{**fields, "causes": tuple(fields["causes"])}) for fields in known[key]]
        found = work(warm)
        with open(RESULTS, "a") as file:
            file.write(json.dumps({"key": key, "seen": [asdict(one) for one in found]}) + "\n")
        return found

    warm = Warm()
    with warm.open, ThreadPoolExecutor(jobs) as pool:
        for found in pool.map(do, todo):
            yield from found


def summary(results: Sequence[Result]) -> tuple[str, bool]:
    """The score in words, and whether it is good enough."""
    of = {kind: [r for r in results if r.kind == kind] for kind in ("mutant", "equivalent", "proof", "untouched")}
    right = Counter({kind: sum(r.outcome == AS_EXPECTED for r in group) for kind, group in of.items()})
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

    by_name = {mutant.name: mutant for mutant in mutants()}
    results = []
    for found in run(tasks(chosen.only, chosen.seeds), chosen.jobs, chosen.fresh):
        result = judge_mutant(by_name[found.name], found) if found.kind == "mutant" else judge_other(found)
        results.append(result)
        if chosen.verbose or result.outcome != AS_EXPECTED or result.cause_right is False:
            print(f"{result.name}: {result.outcome} ({result.detail})", flush=True)
    text, good = summary(results)
    print(text)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
