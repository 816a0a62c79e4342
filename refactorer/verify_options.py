"""The options of `refactorer verify`, and what they mean to `refactorer.verify.verify`. Imports no torch."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from refactorer.verify.bench import Progress

REPORTS = (".html", ".json", ".md", ".xml")
TRAINER = ("accelerator", "devices", "num_nodes", "strategy", "precision")
SAMPLES = 256

Command = TypeVar("Command", bound=Callable[..., Any])

_COUNT = click.IntRange(min=1)
_POSITIVE = click.FloatRange(min=0, min_open=True)
_OPTIONS = (
    click.option("--steps", type=_COUNT, metavar="N", help="End both runs after N optimizer steps."),
    click.option("--epochs", type=_COUNT, metavar="N",
                 help="End both runs after N passes over the training data."),
    click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, metavar="N",
                 help="Seed that every generator starts with."),
    click.option("--seeds", type=_COUNT, default=1, show_default=True, metavar="N",
                 help="Compare under N seeds, those that the script sets moved along."),
    click.option("--timeout", type=_POSITIVE, metavar="SECONDS", help="Time limit for each run."),
    click.option("--rtol", type=_POSITIVE, metavar="X",
                 help="Compare within this relative tolerance, not bit for bit."),
    click.option("--atol", type=_POSITIVE, metavar="X",
                 help="Compare within this absolute tolerance, not bit for bit."),
    click.option("--synthetic", is_flag=True,
                 help="Replace known data sets by small generated samples: no files, no network."),
    click.option("--samples", type=_COUNT, metavar="N",
                 help=f"Generated samples for training, half as many for testing.  [default: {SAMPLES}]"),
    click.option("--accelerator", help="Run the converted version on cpu, gpu, ... The original stays as it is."),
    click.option("--devices", help="Run the converted version on so many (2), or on these (0,1)."),
    click.option("--num-nodes", type=_COUNT, help="Run the converted version on so many machines."),
    click.option("--strategy", help="Run the converted version with ddp, fsdp, ..."),
    click.option("--precision", help="Run the converted version in bf16-mixed, 16-mixed, ..."),
    click.option("--keep", metavar="FOLDER", type=click.Path(file_okay=False), help="Keep runs in this new folder."),
    click.option("--report", "report_files", multiple=True, metavar="FILE", type=click.Path(dir_okay=False),
                 help="Also write a report: .html, .json, .xml (JUnit), .md (for a pull request). Repeatable."),
    click.option("--format", "output_format", type=click.Choice(("text", "json", "line")), default="text",
                 show_default=True, help="How to report."),
)  # fmt: skip


def options(command: Command) -> Command:
    """Adds the options to a command, in their order."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def must_be_reports(files: Sequence[str]) -> None:
    """Raises `UsageError` for a name whose ending is that of no report."""
    for name in files:
        if os.path.splitext(name)[1].lower() not in REPORTS:
            endings = f"{', '.join(REPORTS[:-1])} or {REPORTS[-1]}"
            raise click.UsageError(f"--report {name}: the name must end in {endings}.")


def meaning(given: dict[str, Any]) -> dict[str, Any]:
    """The arguments of the verification: the Trainer's settings together, and the number of generated samples.

    Raises `UsageError` for `--samples` alone.
    """
    trainer = {name: given.pop(name) for name in TRAINER}
    trainer = {name: value for name, value in trainer.items() if value is not None}
    synthetic, samples = given.pop("synthetic"), given.pop("samples")
    if samples is not None and not synthetic:
        raise click.UsageError("--samples says how many samples --synthetic generates; give both.")
    return {**given, "trainer": trainer, "synthetic": (samples or SAMPLES) if synthetic else None}


@contextlib.contextmanager
def progress() -> Iterator[Progress | None]:
    """What shows on standard error how far the runs are; None where nobody looks on."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[done]}"))
    with Progress(*columns, TimeElapsedColumn(), console=Console(stderr=True), transient=True) as bars:
        tasks: dict[str, Any] = {}

        def show(run: str, steps: int, total: int | None) -> None:
            if run not in tasks:
                tasks[run] = bars.add_task(run.replace("-", " "), done="")
            done = f"{steps:,} of {total:,} steps" if total else f"{steps:,} steps"
            bars.update(tasks[run], completed=steps, total=total, done=done)

        yield show
