"""The command line: parse, call, print. Everything else happens in the modules that this one calls.

Results go to standard output, messages to standard error. The exit statuses are those of `config.ExitStatus`.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import click

from refactorer import examples, verify_options
from refactorer.config import FORMATS, STDIN, TARGETS, VERSION, ExitStatus, debugging, worst

if TYPE_CHECKING:
    from refactorer.batch import FileReport
    from refactorer.discovery import Discovery
    from refactorer.options import Options

_PATHS = click.Path(exists=True, readable=False, allow_dash=True)
_SCRIPT = click.Path(exists=True, dir_okay=False, readable=False)
_paths = click.argument("paths", metavar="PATH...", nargs=-1, required=True, type=_PATHS)
_format = click.option(
    "--format", "output_format", type=click.Choice(FORMATS), default="text", show_default=True, help="How to report."
)
_target = click.option(
    "--target", type=click.Choice(TARGETS), default="runtime", show_default=True, help="What the result imports."
)
_only = click.option(
    "--only", multiple=True, metavar="CODE", help="Apply this idiom and leave out those not named. Repeatable."
)
_skip = click.option(
    "--skip",
    multiple=True,
    metavar="CODE",
    help="Leave out this idiom: the literal form stays. Repeatable.",
)
_jobs = click.option("--jobs", "-j", type=click.IntRange(min=1), help="Processes to use.  [default: one per core]")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    try:
        return int(cli.main(args=argv, prog_name="refactorer", standalone_mode=False) or 0)
    except click.Abort:
        click.echo("Interrupted. Each file is either wholly converted or as it was.", err=True)
        return ExitStatus.INTERRUPTED
    except click.ClickException as error:
        error.show()
        return ExitStatus.FAILED
    except Exception as error:
        from refactorer.batch import internal_error

        if debugging():
            traceback.print_exc()
        click.echo(str(internal_error(error, path="refactorer")), err=True)
        return ExitStatus.FAILED


class ScriptCommand(click.Command):
    """A command whose arguments after `--` belong to the user's script, whatever they look like."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        own, script_args = args, []
        if "--" in args:
            at = args.index("--")
            own, script_args = args[:at], args[at + 1 :]
        ctx.meta["script_args"] = tuple(script_args)
        return super().parse_args(ctx, own)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}, epilog=examples.ALL)
@click.version_option(VERSION, message="%(prog)s %(version)s")
def cli() -> None:
    """Turn hand-written PyTorch training scripts into a structured module and a Trainer that train bit-identically.

    Exit status: 0 done; 1 --check found something to convert, or verify found a difference; 2 bad usage, unreadable
    input or an internal error; 3 a file was refused.
    """


@cli.command(epilog=examples.ANALYZE)
@_paths
@_format
@_jobs
def analyze(paths: tuple[str, ...], output_format: str, jobs: int | None) -> int:
    """Say what is found in each PATH and whether it can be converted. Writes nothing.

    PATH is a file, a folder (searched for *.py, .gitignore respected) or - for standard input.
    """
    from refactorer import batch, output
    from refactorer.discovery import discover
    from refactorer.report import text

    discovery = discover(paths)
    reports = _unlisted(discovery) + batch.analyze_all([file.path for file in discovery.files], jobs=jobs)
    if output_format == "text":
        output.result_lines(text.analysis(reports))
    else:
        output.results(_render(reports, output_format, command="analyze"))
    output.messages(_empty_folders(discovery))
    return _status(reports, check=False)


@cli.command(epilog=examples.CONVERT)
@_paths
@click.option("--in-place", "-i", is_flag=True, help="Rewrite the files, each in one atomic step.")
@click.option("--output", "-o", "destination", metavar="PATH", type=click.Path(), help="Write the result to this file, "
              "or, for several files, the converted ones to this folder.")  # fmt: skip
@click.option("--diff", is_flag=True, help="Print the unified diff and write nothing. This is the default.")
@click.option("--check", is_flag=True, help="Write nothing; exit with 1 when something would be converted.")
@_target
@_only
@_skip
@_format
@_jobs
def convert(
    paths: tuple[str, ...],
    in_place: bool,
    destination: str | None,
    diff: bool,
    check: bool,
    target: str,
    only: tuple[str, ...],
    skip: tuple[str, ...],
    output_format: str,
    jobs: int | None,
) -> int:
    """Convert the training scripts at PATH. Without --in-place or --output, print the diff and write nothing.

    PATH is a file, a folder (searched for *.py, .gitignore respected) or - for standard input, whose result goes to
    standard output. A file that cannot be converted soundly is refused: it stays as it is, with the reason.
    """
    _refuse_contradictions(paths, in_place, destination, diff, check, output_format)
    from refactorer import batch
    from refactorer.discovery import discover

    options = _options(target, only, skip)
    discovery = discover(paths, exclude=destination)
    targets = _destinations(discovery, paths, destination)
    found = [file.path for file in discovery.files]
    reports = batch.convert_all(found, options=options, with_findings=output_format == "json", jobs=jobs)
    if in_place or destination:
        reports = batch.write_back(reports, targets)
    reports = _unlisted(discovery) + reports
    writes = in_place or destination is not None
    _print_conversion(reports, output_format, diff=diff, show=not (writes or check), as_text=paths == (STDIN,))
    _print_messages(reports, discovery, "converted" if writes else "would convert" if check else None)
    return _status(reports, check=check)


@cli.command(cls=ScriptCommand, epilog=examples.VERIFY)
@click.argument("script", type=_SCRIPT)
@click.argument("converted", type=_SCRIPT, required=False)
@_target
@verify_options.options
@click.pass_context
def verify(ctx: click.Context, /, script: str, converted: str | None, report_files: tuple[str, ...], output_format: str,
           **options: Any) -> int:  # fmt: skip
    """Train SCRIPT and its CONVERTED version and compare every loss bit for bit.

    Without CONVERTED, the conversion is made for the occasion. Both run in scratch copies of SCRIPT's folder, with the
    same seed; what follows -- is passed to both. Exit status: 0 equivalent, 1 not equivalent.
    """
    from refactorer.launch import parse_devices

    verify_options.must_be_reports(report_files)
    if options["devices"] is not None:
        options["devices"] = _parsed(parse_devices, options["devices"], "--devices", "a count or a list such as 0,1")
    arguments = verify_options.meaning(options)
    from refactorer import output
    from refactorer.verify import exit_status
    from refactorer.verify import verify as run_both
    from refactorer.verify.report import write_report

    with verify_options.progress() as shown:
        verdict = run_both(script, converted, args=ctx.meta["script_args"], progress=shown, **arguments)
    output.verdict(verdict, output_format)
    try:
        for name in report_files:
            write_report(verdict, name)
    except OSError as error:
        raise click.ClickException(str(error)) from error
    return exit_status(verdict)


@cli.command(cls=ScriptCommand, epilog=examples.RUN)
@click.argument("script", type=_SCRIPT)
@click.option("--accelerator", help="cpu, gpu, tpu, mps, auto.")
@click.option("--devices", help="How many (4; -1 for all), which (0,2), or auto.")
@click.option("--num-nodes", type=click.IntRange(min=1), help="How many machines.")
@click.option("--strategy", help="ddp, fsdp, deepspeed, ...")
@click.option("--precision", help="32-true, 16-mixed, bf16-mixed, ...")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="Any other Trainer argument. Repeatable.")
@click.pass_context
def run(ctx: click.Context, /, script: str, devices: str | None, settings: tuple[str, ...], **options: Any) -> int:
    """Run a converted SCRIPT with Trainer settings from outside, without an edit.

    They override what the script passes to its Trainer. What follows -- is passed to the script. The exit status is
    the script's own.
    """
    from refactorer import launch

    chosen = {name: value for name, value in options.items() if value is not None}
    if devices is not None:
        chosen["devices"] = _parsed(launch.parse_devices, devices, "--devices", "a count, a list such as 0,2, or auto")
    for setting in settings:
        key, value = _parsed(launch.parse_setting, setting, "--set", "KEY=VALUE")
        chosen[key] = value
    _must_use_trainer(script)
    try:
        launch.run_script(script, ctx.meta["script_args"], chosen)
    except ValueError as error:
        raise click.UsageError(f"the environment variable REFACTORER_TRAINER cannot be used: {error}") from error


@cli.command(epilog=examples.EXPLAIN)
@click.argument("code", required=False)
def explain(code: str | None) -> int:
    """Explain a diagnostic CODE: why it appears, an example, and what to do. Without CODE, list them all."""
    from refactorer import output, pages

    if code is None:
        output.result_lines(f"{page.code}  {page.title}" for page in pages.all_pages())
        return ExitStatus.DONE
    page = pages.find(code)
    if page is None:
        similar = pages.similar(code)
        hint = f"Did you mean {' or '.join(similar)}?" if similar else "`refactorer explain` lists all codes."
        raise click.UsageError(f"there is no code {code!r}. {hint}")
    output.page(page.text)
    return ExitStatus.DONE


def _options(target: str, only: Iterable[str], skip: Iterable[str]) -> Options:
    """What `--target`, `--only` and `--skip` ask for; codes may be separated by commas, and written in any case."""
    from refactorer.options import choose

    def codes(given: Iterable[str]) -> list[str]:
        return [code.strip().upper() for text in given for code in text.split(",") if code.strip()]

    try:
        return choose(target, codes(only), codes(skip))
    except ValueError as error:
        raise click.UsageError(f"{error}. `refactorer explain CODE` tells more.") from error


def _refuse_contradictions(
    paths: Sequence[str], in_place: bool, destination: str | None, diff: bool, check: bool, output_format: str
) -> None:
    if destination == "":
        raise click.UsageError("--output needs the name of a file or a folder.")
    chosen = [("--in-place", in_place), ("--output", destination is not None), ("--diff", diff)]
    named = [name for name, is_chosen in chosen if is_chosen]
    if len(named) > 1:
        raise click.UsageError(f"{named[0]} and {named[1]} exclude each other.")
    if check and named and named[0] != "--diff":
        raise click.UsageError(f"--check writes nothing, so {named[0]} cannot be given with it.")
    if in_place and STDIN in paths:
        raise click.UsageError("standard input cannot be rewritten in place; leave --in-place out.")
    if diff and output_format == "sarif":
        raise click.UsageError("SARIF has no place for a diff; use --format json with --diff.")


def _destinations(discovery: Discovery, paths: Sequence[str], destination: str | None) -> dict[str, str]:
    from refactorer.discovery import destinations

    if destination is None:
        return {}
    try:
        return destinations(discovery.files, paths, destination)
    except ValueError as error:
        raise click.UsageError(f"--output: {error}.") from error


def _must_use_trainer(script: str) -> None:
    from refactorer import launch
    from refactorer.source import SourceError

    try:
        converted = launch.uses_trainer(script)
    except SourceError as error:
        raise click.ClickException(str(error)) from error
    if not converted:
        raise click.ClickException(
            f"{script} makes no Trainer, so it is not converted yet and these settings would not reach it.\n"
            f"Convert it first: refactorer convert {script} --in-place"
        )


def _parsed(parse: Any, value: str, option: str, wanted: str) -> Any:
    try:
        return parse(value)
    except ValueError as error:
        raise click.UsageError(f"{option} {value!r}: expected {wanted}.") from error


def _unlisted(discovery: Discovery) -> list[FileReport]:
    """Reports for the folders that could not be listed."""
    from refactorer.batch import FileReport
    from refactorer.result import Failed

    return [FileReport(Failed(problem.path, (problem,))) for problem in discovery.problems]


def _empty_folders(discovery: Discovery) -> list[str]:
    return [f"{folder}: no Python files here" for folder in discovery.empty]


def _render(reports: Sequence[FileReport], output_format: str, **options: Any) -> str:
    from importlib import import_module

    rendered: str = import_module(f"refactorer.report.{output_format}").render(reports, **options)
    return rendered


def _print_conversion(
    reports: Sequence[FileReport], output_format: str, *, diff: bool, show: bool, as_text: bool
) -> None:
    """The results. `show` is set when neither a file nor only a status was asked for, `as_text` for `convert -`."""
    from refactorer import output

    if output_format != "text":
        with_diff = diff or (show and output_format == "json")
        output.results(_render(reports, output_format, command="convert", with_diff=with_diff))
    elif show and as_text and not diff:
        output.text_of(reports[0])
    elif show or diff:
        output.diffs(reports)


def _print_messages(reports: Sequence[FileReport], discovery: Discovery, done: str | None) -> None:
    from refactorer import output
    from refactorer.report import text

    lines = text.messages(reports, done) + _empty_folders(discovery)
    output.messages([*lines, text.summary(reports, written=done == "converted")])


def _status(reports: Sequence[FileReport], *, check: bool) -> ExitStatus:
    meaning = {"error": ExitStatus.FAILED, "refused": ExitStatus.REFUSED}
    if check:
        meaning["converted"] = ExitStatus.DIFFERENT
    return worst(meaning.get(report.result.status, ExitStatus.DONE) for report in reports)


if __name__ == "__main__":
    sys.exit(main())
