"""Lightning's complaints about hardware, strategies and precisions, in words that say what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any, get_args

import torch
from lightning_fabric.plugins.precision.precision import _PRECISION_INPUT_STR
from pytorch_lightning.accelerators import AcceleratorRegistry
from pytorch_lightning.strategies import StrategyRegistry

#: What an optional package is installed by, and which arguments need it.
_PACKAGES = {
    "torch_xla": ("PyTorch/XLA", "pip install 'refactorer[tpu]'"),
    "deepspeed": ("DeepSpeed", "pip install 'refactorer[deepspeed]'"),
    "transformer_engine": ("NVIDIA's Transformer Engine", "pip install 'transformer_engine[pytorch]'"),
}

_PRECISIONS: tuple[str, ...] = get_args(_PRECISION_INPUT_STR)


def explain(arguments: Mapping[str, Any], error: Exception) -> str | None:
    """Return one line that says which argument cannot be used, why, and what could be done; None for other errors."""
    said = " ".join(str(error).split())
    return _missing_package(arguments, said) or _unknown_name(arguments) or _missing_device(arguments, said)


def refusal(arguments: Mapping[str, Any], trainer: Any) -> str | None:
    """Return why a combination that Lightning accepts would fail in the first step; None for the others."""
    on_cpu = trainer.strategy.root_device.type == "cpu"
    if arguments["sync_batchnorm"] and on_cpu and trainer.world_size > 1:
        return "sync_batchnorm=True: torch's SyncBatchNorm needs GPUs; on the CPU each process has its own statistics"
    return None


def _missing_package(arguments: Mapping[str, Any], said: str) -> str | None:
    for package, (title, command) in _PACKAGES.items():
        wanted = package in said or (package == "deepspeed" and "DeepSpeed installed" in said)
        if wanted and ("not met" in said or "installed" in said or "No module" in said):
            return f"{_asked(arguments, package)} needs {title}, which is not installed: {command}"
    return None


def _asked(arguments: Mapping[str, Any], package: str) -> str:
    """The argument that needs a package."""
    if package == "transformer_engine":
        return f"precision={arguments['precision']!r}"
    if package == "torch_xla" and arguments["accelerator"] == "tpu":
        return "accelerator='tpu'"
    return f"strategy={arguments['strategy']!r}"


def _unknown_name(arguments: Mapping[str, Any]) -> str | None:
    accelerators = ["auto", "gpu", *AcceleratorRegistry.available_accelerators()]
    strategies = [name for name in StrategyRegistry.available_strategies() if "unused_parameters" not in name]
    strategies.append("auto")
    precision = arguments["precision"]
    return (
        _unknown("accelerator", arguments["accelerator"], accelerators)
        or _unknown("strategy", arguments["strategy"], strategies)
        or (None if precision in (32, 64) else _unknown("precision", precision, ["32", "64", *_PRECISIONS]))
    )


def _unknown(argument: str, value: Any, known: Iterable[str]) -> str | None:
    names = list(known)
    if value is None or (isinstance(value, str) and value.lower() in names) or not isinstance(value, (str, int)):
        return None
    similar = difflib.get_close_matches(str(value), names, n=1)
    hint = f"did you mean {similar[0]!r}?" if similar else f"there are {', '.join(names)}"
    return f"{argument}={value!r} is unknown: {hint}"


def _missing_device(arguments: Mapping[str, Any], said: str) -> str | None:
    accelerator, devices = arguments["accelerator"], arguments["devices"]
    name = accelerator if isinstance(accelerator, str) else type(accelerator).__name__
    if "can not run on your system" in said or "No supported gpu backend" in said:
        return f"accelerator={name!r}: there is no such device here ({_why(name)}); accelerator='cpu' is there"
    if "But your machine only has" in said or "only has" in said:
        return f"devices={devices!r}: there are not that many: {said}"
    if "should be an int > 0" in said:
        return f"devices={devices!r}: on the CPU it is the number of processes, 1 or more"
    if "not a valid input" in said or "`devices`" in said:
        return f"devices={devices!r}: pass how many (4; -1 for all), which ([0, 2]), or 'auto'"
    if "requires a GPU accelerator" in said:
        return (
            f"strategy={arguments['strategy']!r} needs accelerator='gpu', or accelerator='cpu' with devices=2 or more"
        )
    return None


def _why(accelerator: str) -> str:
    if accelerator == "mps":
        return "torch finds no Apple GPU"
    if not torch.backends.cuda.is_built():
        return f"torch {torch.__version__} is built without CUDA"
    return "torch finds no CUDA device; see nvidia-smi and CUDA_VISIBLE_DEVICES"
