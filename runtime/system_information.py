"""On what hardware and with what software a run was made."""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch

#: The packages that results depend on.
PACKAGES = ("torch", "pytorch-lightning", "torchmetrics", "numpy", "torchvision", "triton")


def system_information() -> dict[str, Any]:
    """Return the hardware and the software of this machine, in values that JSON knows.

    Memory is in bytes. Accelerators are those that this process can see; asking for them initialises CUDA.
    """
    return {"hardware": _hardware(), "software": _software()}


class SystemInformation(pl.Callback):
    """Saves :func:`system_information` with the run: in a file when training begins, and in each checkpoint.

    Args:
        path: The file; by default ``system.json`` in the folder of the first logger, or in ``default_root_dir``.

    Attributes:
        path: Where the file was written.
    """

    def __init__(self, path: str | os.PathLike[str] | None = None) -> None:
        self.path = None if path is None else Path(path)
        self._information: dict[str, Any] = {}

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write the file."""
        self._information = system_information()
        folder = trainer.log_dir or trainer.default_root_dir  # every process has to ask: the answer is broadcast
        self.path = self.path or Path(folder, "system.json")
        if trainer.is_global_zero:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.path.write_text(json.dumps(self._information, indent=2) + "\n", encoding="utf-8")

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Put the information into the checkpoint, as ``checkpoint["system"]``."""
        checkpoint["system"] = self._information or system_information()


def _hardware() -> dict[str, Any]:
    return {
        "machine": platform.machine(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory": _memory(),
        "accelerators": list(_accelerators()),
    }


def _software() -> dict[str, Any]:
    return {
        "system": platform.platform(),
        "python": platform.python_version(),
        "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version() if torch.cuda.is_available() else None,
        "threads": torch.get_num_threads(),
        "packages": {name: found for name in PACKAGES if (found := _version(name)) is not None},
        "command": list(sys.argv),
    }


def _processor() -> str:
    if os.path.exists("/proc/cpuinfo"):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor()


def _memory() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # not on this system
        return None


def _accelerators() -> Iterator[dict[str, Any]]:
    for index in range(torch.cuda.device_count()):
        device = torch.cuda.get_device_properties(index)
        yield {"name": device.name, "memory": device.total_memory, "capability": f"{device.major}.{device.minor}"}
    if torch.backends.mps.is_available():
        yield {"name": "mps"}


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
