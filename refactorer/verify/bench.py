"""Runs versions of a script one after the other, in the same place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from refactorer.verify.execute import DEFAULTS, DETERMINISTIC, Run, Settings, run_traced
from refactorer.verify.measured import Flag
from refactorer.verify.project import Project
from refactorer.verify.scratch import copy_project
from refactorer.verify.verdict import RunSummary


class Progress(Protocol):
    """Is told how far a run is; `total` optimizer steps are expected, None where nobody knows."""

    def __call__(self, run: str, steps: int, total: int | None) -> None: ...


class Bench:
    """Runs versions at the same absolute path, and keeps what each leaves.

    The first run decides what limits count in all of them: steps, or `backwards` of a script without an optimizer.
    """

    def __init__(
        self, project: Project, folder: Path, settings: Settings, progress: Progress | None = None, prefix: str = ""
    ) -> None:
        self.project, self.folder, self.settings, self.progress = project, folder, settings, progress
        self.prefix = prefix
        self.expected: int | None = settings.steps
        self.backwards: bool | None = None

    def run(
        self,
        name: str,
        content: bytes | None = None,
        title: str | None = None,
        env: Mapping[str, str] | None = None,
        **changes: Any,
    ) -> Run:
        """Runs the original, or `content` in its place; the files end up in the folder `name`.

        `title` is what reports call the file, by default the script's name; `env` is added to the environment, and
        `changes` are made to the settings, for this run.

        Raises `TooLarge` or `OSError` when the project cannot be copied or the interpreter cannot be started.
        """
        name = self.prefix + name
        scratch = copy_project(self.project, self.folder / "work", content)
        counted = {} if self.backwards is None else {"REFACTORER_TRACE_BACKWARDS": str(int(self.backwards))}
        settings = replace(self.settings, env={**self.settings.env, **counted, **(env or {})}, **changes)
        if self.progress is not None:
            tell = self.progress
            tell(name, 0, self.expected)
            settings = replace(settings, progress=lambda steps: tell(name, steps, self.expected))
        run = run_traced(
            self.project, scratch, self.folder / f"{name}-records", settings, title or self.project.script.name
        )
        scratch.move(self.folder / name)
        if self.backwards is None and run.trace.count:
            self.backwards = not run.trace.steps
        self.expected = self.expected or run.trace.count or None
        return run

    def of_seed(self, number: int) -> Bench:
        """The same bench with all seeds moved by `number`."""
        settings = replace(self.settings, seed=self.settings.seed + number, reseed=number)
        bench = Bench(self.project, self.folder, settings, self.progress, f"seed-{settings.seed}-" if number else "")
        bench.expected, bench.backwards = self.expected, self.backwards
        return bench


def summary(run: Run) -> RunSummary:
    """What reports tell of a run."""
    end: dict[str, Any] = run.trace.end or {}
    return RunSummary(
        run.status,
        run.seconds,
        run.trace.training_seconds,
        run.trace.count,
        tuple(value.loss for value in run.trace.losses),
        end.get("rss"),
        end.get("gpu"),
        run.error,
        run.stderr_tail,
        run.trace.torch,
        run.trace.threads,
        run.trace.step_seconds,
        run.trace.tracer_seconds,
    )


def flags(settings: Settings, run: Run) -> tuple[Flag, ...]:
    """The settings of the environment that make runs repeatable."""
    env = {**DEFAULTS, **settings.env, **DETERMINISTIC}
    shown = [Flag(name, env[name]) for name in ("OMP_NUM_THREADS", "PYTHONHASHSEED", "CUBLAS_WORKSPACE_CONFIG")]
    shown += [Flag("torch.backends.cudnn.deterministic", "True"), Flag("torch.backends.cudnn.benchmark", "False")]
    if run.trace.threads is not None:
        shown.append(Flag("threads of torch", str(run.trace.threads)))
    return (Flag("interpreter", settings.python), *shown)
