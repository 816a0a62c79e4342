"""Verifies a conversion: runs both versions and compares what they did."""

from __future__ import annotations

import contextlib
import difflib
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from refactorer.result import Converted, Failed, Refused, Unchanged
from refactorer.verify.bench import Bench, Progress
from refactorer.verify.elsewhere import judge_elsewhere, wrong_setting
from refactorer.verify.execute import Settings
from refactorer.verify.judge import Case, judge, verdict_of
from refactorer.verify.project import find_project
from refactorer.verify.scratch import TooLarge
from refactorer.verify.seeds import judge_seeds
from refactorer.verify.verdict import ERROR, NOTHING, REFUSED, Verdict

__all__ = ["Bench", "verdict_of", "verify"]


def verify(
    script: Path | str,
    converted: Path | str | None = None,
    *,
    args: Sequence[str] = (),
    steps: int | None = None,
    epochs: int | None = None,
    seed: int = 0,
    seeds: int = 1,
    timeout: float | None = None,
    target: str = "runtime",
    env: Mapping[str, str] | None = None,
    rtol: float | None = None,
    atol: float | None = None,
    synthetic: int | None = None,
    trainer: Mapping[str, Any] | None = None,
    keep: Path | str | None = None,
    python: str = sys.executable,
    confirm: bool = True,
    progress: Progress | None = None,
) -> Verdict:
    """Trains a script and its conversion in scratch copies and says whether they did the same.

    Without `converted` the script is converted here, for `target`. `args` are the script's arguments; `steps` ends both
    runs after that many optimizer steps, `epochs` where the training data would be iterated once more; `seed` seeds all
    generators before the script does, and `seeds` is under how many seeds both are compared; `timeout` is in seconds
    for each run; `env` is added to the environment. The comparison is bit for bit unless `rtol` or `atol` is given.
    `synthetic` is how many samples take the place of known data sets. `trainer` holds arguments of the Trainer, such as
    `precision`, that the converted version runs with, the original being as it is. `keep` is a folder, empty or new,
    that receives the scratch copies and traces. With `confirm`, a difference is checked against a second run of the
    original, so that a script that does not repeat itself is not blamed on the conversion. `progress` is told how far
    the runs are.

    Every outcome is a value, also a script that cannot be read or does not run; only interruptions are raised.
    """
    path = Path(script)
    report = Verdict(ERROR, "", str(script), args=tuple(args), seed=seed, steps=steps, epochs=epochs,
                     rtol=rtol, atol=atol)  # fmt: skip
    wrong = _wrong_arguments(path, converted, keep) or _wrong_numbers(steps, epochs, seeds, timeout, synthetic)
    wrong = wrong or wrong_setting(trainer or {}, target)
    if wrong:
        return replace(report, message=wrong)
    try:
        if converted is not None:
            content: bytes | None = Path(converted).read_bytes()
            report = replace(report, converted_script=str(converted))
        else:
            content, report = _convert(path, target, report)
        if content is None:
            return report
        report = replace(report, diff=_diff(path, content, report.converted_script))
        settings = Settings(tuple(args), steps, seed, timeout, dict(env or {}), python, epochs, synthetic)
        with _folder(keep) as folder:
            bench = Bench(find_project(path, args), folder, settings, progress)
            case = Case(bench, content, report, Path(converted).name if converted is not None else None)
            if trainer:
                return judge_elsewhere(case, trainer)
            return judge_seeds(case, judge(case, confirm), seeds)
    except (OSError, TooLarge) as error:
        return replace(report, message=f"cannot verify {script}: {error}")


def _wrong_arguments(path: Path, converted: Path | str | None, keep: Path | str | None) -> str | None:
    for file in (path, Path(converted) if converted is not None else path):
        if not file.is_file():
            return f"{file} is not a file" if file.exists() else f"{file} does not exist"
    if keep is not None and Path(keep).exists() and (not Path(keep).is_dir() or any(Path(keep).iterdir())):
        return f"{keep} is not an empty folder; name a new one to keep the runs in"
    return None


def _wrong_numbers(
    steps: int | None, epochs: int | None, seeds: int, timeout: float | None, synthetic: int | None
) -> str | None:
    named = {"steps": steps, "epochs": epochs, "seeds": seeds, "generated samples": synthetic}
    for name, number in named.items():
        if number is not None and number < 1:
            return f"the number of {name} must be at least 1, not {number}"
    if timeout is not None and timeout <= 0:
        return f"the time limit must be positive, not {timeout}"
    return None


def _diff(path: Path, content: bytes, title: str | None) -> str:
    one, two = (data.decode(errors="replace").splitlines(keepends=True) for data in (path.read_bytes(), content))
    lines = difflib.unified_diff(one, two, str(path), title or f"{path} (converted)")
    return "".join(line if line.endswith("\n") else f"{line}\n" for line in lines)


@contextlib.contextmanager
def _folder(keep: Path | str | None) -> Iterator[Path]:
    if keep is not None:
        Path(keep).mkdir(parents=True, exist_ok=True)
        yield Path(keep).resolve()
        return
    with tempfile.TemporaryDirectory(prefix="refactorer-verify-", ignore_cleanup_errors=True) as folder:
        yield Path(folder).resolve()


def _convert(path: Path, target: str, report: Verdict) -> tuple[bytes | None, Verdict]:
    """The content of the converted version, None when there is none, and the report with what was said about it."""
    from refactorer.files import read_source
    from refactorer.options import choose
    from refactorer.project import convert_file, read_others
    from refactorer.source import SourceError

    try:
        source = read_source(str(path))
        others = read_others(source)
        result = convert_file(source.text, path=str(path), options=choose(target), others=others)
        data = source.with_text(result.after).data if isinstance(result, Converted) else None
    except SourceError as error:
        return None, replace(report, message=f"{path} could not be converted", diagnostics=(error.diagnostic,))
    report = replace(report, diagnostics=result.diagnostics)
    if isinstance(result, Refused):
        report = replace(report, outcome=REFUSED, message=f"{path} was not converted")
    elif isinstance(result, Unchanged):
        report = replace(report, outcome=NOTHING, message=f"{path} has no training loop to convert")
    elif isinstance(result, Failed):
        report = replace(report, message=f"{path} could not be converted")
    return data, report
