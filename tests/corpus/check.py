"""Converts one file and says what is wrong with the outcome, without running the file."""

from __future__ import annotations

import ast
import pathlib
import time
import warnings
from dataclasses import dataclass, field

import libcst
from pyflakes import checker, messages

from refactorer import convert
from refactorer.result import Converted, Failed, Refused, Unchanged
from refactorer.source import SourceError, decode, syntax_problem
from tests.fixtures_harness import ROOT, lost_comments

NOT_PYTHON = "not Python 3"
CRASHED = "crashed"

_UNRESOLVED = (messages.UndefinedName, messages.UndefinedLocal, messages.UndefinedExport, messages.ImportStarUsage)


@dataclass(frozen=True)
class Said:
    """A diagnostic, in plain values that travel between processes."""

    code: str
    line: int
    message: str


@dataclass
class Checked:
    """What became of one file. `status` is a status of `refactorer.result`, NOT_PYTHON, CRASHED, or the way in which
    a worker process ended. `seconds` is the conversion alone, `parse_seconds` what libcst takes to read the file and
    write it again. `violations` should be empty."""

    path: str
    status: str
    said: list[Said] = field(default_factory=list)
    seconds: float = 0.0
    parse_seconds: float = 0.0
    violations: list[str] = field(default_factory=list)


def check_file(path: str) -> Checked:
    """Converts the file at `path`, in memory. Raises OSError when it cannot be read, and nothing else."""
    data = pathlib.Path(path).read_bytes()
    try:
        text = decode(data, path=path).text
    except SourceError as error:
        return Checked(path, NOT_PYTHON, [Said(error.diagnostic.code, error.diagnostic.line, error.diagnostic.message)])
    return check_text(text, path)


def check_text(text: str, path: str) -> Checked:
    """Converts `text` and looks at the result. Never raises."""
    valid = syntax_problem(text, path=path) is None
    start = time.perf_counter()
    try:
        result = convert(text, path=path)
    except Exception as error:  # the converter must never raise
        return Checked(path, CRASHED, violations=[f"raised {_shown(error)}"])
    checked = Checked(path, result.status if valid else NOT_PYTHON, seconds=time.perf_counter() - start)
    checked.said = [Said(d.code, d.line, d.message) for d in result.diagnostics]
    checked.violations = _unexplained(checked.said, text)
    if isinstance(result, Converted):
        checked.violations += _wrong(text, result.after, path)
    elif isinstance(result, Refused) and not result.diagnostics:
        checked.violations.append("refused without a reason")
    elif isinstance(result, Failed) and valid:
        checked.violations.append(f"failed, and the file is valid Python: {checked.said}")
    if valid:
        checked.parse_seconds = _parse_seconds(text)
    return checked


def _unexplained(said: list[Said], text: str) -> list[str]:
    lines = len(text.splitlines()) + 1
    pages = [f"{s.code} has no page" for s in said if not (ROOT / "refactorer" / "explain" / f"{s.code}.md").exists()]
    return pages + [f"{s.code} names line {s.line} of {lines}" for s in said if not 0 <= s.line <= lines]


def _wrong(before: str, after: str, path: str) -> list[str]:
    """What is wrong with a converted text."""
    if syntax_problem(after, path=path) is not None:
        return [f"the result does not compile: {syntax_problem(after, path=path)}"]
    found = []
    names = unresolved_names(after) - unresolved_names(before)
    if names:
        found.append(f"undefined in the result: {', '.join(sorted(names))}")
    try:
        again = convert(after, path=path)
    except Exception as error:
        return [*found, f"conversion of the result raised {_shown(error)}"]
    if not isinstance(again, Unchanged):
        found.append(f"conversion of the result is {again.status}: {', '.join(map(str, again.diagnostics))}")
    lost = lost_comments(before, after)
    if lost:
        found.append(f"lost comments: {', '.join(sorted(lost))}")
    return found


def unresolved_names(text: str) -> set[str]:
    """Names that nothing in a valid text surely defines: undefined ones, and those that only `import *` may bring."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tree = compile(text, "<text>", "exec", ast.PyCF_ONLY_AST, dont_inherit=True)
    assert isinstance(tree, ast.Module)
    return {str(m.message_args[0]) for m in checker.Checker(tree).messages if isinstance(m, _UNRESOLVED)}


def _parse_seconds(text: str) -> float:
    start = time.perf_counter()
    try:
        _ = libcst.parse_module(text).code
    except libcst.ParserSyntaxError:
        return 0.0
    return time.perf_counter() - start


def _shown(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0][:300]
