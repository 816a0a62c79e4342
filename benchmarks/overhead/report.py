"""Tables for the terminal, and the section of RESULTS.md."""

from __future__ import annotations

import datetime
import importlib.metadata
import os
import pathlib
import platform
from collections.abc import Iterable, Mapping, Sequence
from types import ModuleType

import torch
from rich.console import Console
from rich.table import Table

from benchmarks.overhead.footprint import Footprint
from benchmarks.overhead.measure import Ratio, Row

_PACKAGES = ("torch", "pytorch-lightning", "lightning-fabric", "accelerate", "pytorch-accelerated")

Cells = tuple[list[str], list[list[str]]]


def ratio_cells(rows: Iterable[Row], found: Mapping[str, ModuleType]) -> Cells:
    """Head and lines of the table of ratios: median, and quartiles behind it."""
    head = ["model", "setting", "raw, µs/step", *(way.LABEL for name, way in found.items() if name != "raw")]
    lines = []
    for row in rows:
        raw = row.ratios["raw"]
        assert raw is not None
        others = [_cell(ratio) for name, ratio in row.ratios.items() if name != "raw"]
        setting = row.case.setting + ("" if row.case.precision == "fp32" else f", {row.case.precision}")
        lines.append([row.case.model, setting, f"{raw.microseconds:.0f}", *others])
    return head, lines


def _cell(ratio: Ratio | None) -> str:
    return "–" if ratio is None else f"{ratio.median:.3f} ({ratio.low:.3f}–{ratio.high:.3f})"


def footprint_cells(prints: Mapping[str, Footprint], found: Mapping[str, ModuleType]) -> Cells:
    """Head and lines of the table of peak memory and start-up."""
    head = ["way", "start to end of a first epoch, s", "peak memory, MB", "peak memory of the device, MB"]
    lines = [
        [found[name].LABEL, f"{p.seconds:.2f}", f"{p.memory:.0f}", f"{p.device_memory:.0f}" if p.device_memory else "–"]
        for name, p in prints.items()
    ]
    return head, lines


def show(title: str, cells: Cells) -> None:
    """Print one table."""
    head, lines = cells
    table = Table(title=title, title_justify="left")
    for number, name in enumerate(head):
        table.add_column(name, justify="left" if number < 2 else "right")
    for line in lines:
        table.add_row(*line)
    Console(width=None if os.isatty(1) else 200).print(table)


def section(device: str, rounds: int, tables: Sequence[tuple[str, Cells]]) -> str:
    """A section in Markdown: when, on what, with which versions, and the tables."""
    versions = ", ".join(f"{name} {version}" for name in _PACKAGES if (version := _version(name)))
    parts = [
        f"## {datetime.date.today().isoformat()}, {_hardware(device)}",
        f"Python {platform.python_version()}, {versions}. {rounds} rounds; one thread on the CPU.",
    ]
    for title, (head, lines) in tables:
        grid = [head, ["---"] * len(head), *lines]
        parts += [f"### {title}", "\n".join("| " + " | ".join(line) + " |" for line in grid)]
    return "\n\n".join(parts) + "\n"


def write(path: pathlib.Path, text: str) -> None:
    """Put the section in front of the older ones, behind the introduction."""
    old = path.read_text(encoding="utf-8")
    head, mark, rest = old.partition("\n## ")
    path.write_text(head.rstrip() + "\n\n" + text + ("\n## " + rest if mark else ""), encoding="utf-8")


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _hardware(device: str) -> str:
    if device != "cpu":
        return torch.cuda.get_device_name()
    names = [line.split(":")[1].strip() for line in _cpu_info() if line.startswith("model name")]
    return f"{os.cpu_count()} × {names[0] if names else platform.machine()}"


def _cpu_info() -> list[str]:
    path = pathlib.Path("/proc/cpuinfo")
    return path.read_text().splitlines() if path.exists() else []
