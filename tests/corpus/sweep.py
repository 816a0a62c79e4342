"""Converts every script below some folders: `python -m tests.corpus.sweep DIR... [--jobs N] [--report FILE.json]`.

A script is a Python file with `.backward(` in it. Nothing is executed. Each must be converted, unchanged or refused
(unless it is not Python 3), and each result must compile, must use no name that nothing defines and the original did
not use so, must convert to nothing more, and must have all comments. The exit status is 1 when a script does not.
"""

from __future__ import annotations

import argparse
import collections
import dataclasses
import json
import pathlib
import sys
from collections.abc import Iterable, Sequence

from tests.corpus.check import Checked, check_file
from tests.corpus.workers import Workers

MARK = b".backward("
SLOWEST = 5


def scripts(folders: Iterable[pathlib.Path]) -> list[str]:
    """The Python files below the folders that contain MARK, each once, by name within each folder.

    Raises FileNotFoundError when a folder is not there.
    """
    found: dict[str, None] = {}
    for folder in folders:
        if not folder.is_dir():
            raise FileNotFoundError(f"{folder} is not a folder")
        for path in sorted(folder.rglob("*.py")):
            if path.is_file() and not path.is_symlink() and MARK in path.read_bytes():
                found[str(path)] = None
    return list(found)


def summary(outcomes: Sequence[Checked]) -> str:
    """Counts by status, of files by code, and the slowest files."""
    statuses = collections.Counter(o.status for o in outcomes)
    codes = collections.Counter(code for o in outcomes for code in {s.code for s in o.said})
    lines = [f"{len(outcomes)} scripts: " + ", ".join(f"{n} {status}" for status, n in statuses.most_common())]
    lines += [f"  {code}  {n}" for code, n in sorted(codes.items(), key=lambda item: (-item[1], item[0]))]
    total, parsing = sum(o.seconds for o in outcomes), sum(o.parse_seconds for o in outcomes)
    lines.append(f"{total:.1f} s for conversion; reading and writing alone takes {parsing:.1f} s")
    for o in sorted(outcomes, key=lambda o: -o.seconds)[:SLOWEST]:
        lines.append(f"  {o.seconds:6.2f} s  ({o.parse_seconds:.2f} s)  {o.path}")
    return "\n".join(lines)


def listing(outcomes: Iterable[Checked], wanted: str) -> list[str]:
    """A line for each diagnostic with the code `wanted`, or for each file with that status."""
    lines = []
    for o in outcomes:
        if o.status == wanted:
            lines.append(o.path)
        lines += [f"{o.path}:{s.line}: {s.code} {s.message}" for s in o.said if s.code == wanted]
    return lines


def sweep(folders: Iterable[pathlib.Path], *, jobs: int, limit: float) -> list[Checked]:
    """Checks every script below the folders; `limit` is in seconds for each file."""
    with Workers(check_file, jobs=jobs, limit=limit) as workers:
        return list(workers.run(scripts(folders)))


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", metavar="DIR", type=pathlib.Path, nargs="+")
    parser.add_argument("--jobs", type=int, default=1, help="how many processes")
    parser.add_argument("--limit", type=float, default=60.0, help="seconds for one file (default: 60)")
    parser.add_argument("--report", type=pathlib.Path, help="a JSON file to write, with one object for each script")
    parser.add_argument("--list", metavar="CODE", help="name the scripts with this code or status")
    args = parser.parse_args(arguments)
    try:
        outcomes = sweep(args.folders, jobs=args.jobs, limit=args.limit)
    except OSError as error:
        parser.error(str(error))
    if args.report:
        args.report.write_text(json.dumps([dataclasses.asdict(o) for o in outcomes], indent=1) + "\n")
    print(*listing(outcomes, args.list) if args.list else (), summary(outcomes), sep="\n")
    violations = [f"{o.path}: {violation}" for o in outcomes for violation in o.violations]
    print(f"{len(violations)} violations", *violations, sep="\n")
    return int(bool(violations))


if __name__ == "__main__":
    sys.exit(main())
