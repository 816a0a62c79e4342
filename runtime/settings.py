"""Arguments of the Trainer: the faithful defaults, ``device=``, and the settings that come from outside.

Later entries win: defaults, what the script passes, the environment variable ``REFACTORER_TRAINER`` (a JSON object).
"""

from __future__ import annotations

import inspect
import json
import os
import sys
from collections.abc import Mapping
from typing import Any, NoReturn

import pytorch_lightning as pl
import torch
import torch.distributed as dist

from runtime import spellings
from runtime.groups import joins, with_group

ENVIRONMENT_VARIABLE = "REFACTORER_TRAINER"

#: Every argument of Lightning's Trainer. All of them are passed on explicitly, because Lightning fills an argument
#: that was left out from ``PL_TRAINER_*`` variables, which the script knows nothing about.
LIGHTNING_DEFAULTS: dict[str, Any] = {
    name: parameter.default
    for name, parameter in inspect.signature(pl.Trainer.__init__).parameters.items()
    if name != "self"
}

#: Arguments that Lightning's Trainer does not have.
OWN_DEFAULTS: dict[str, Any] = {"ckpt_path": None, "stop_on_nan": False}

#: Where Lightning's own defaults would print, write files, draw random numbers or change global flags.
FAITHFUL_DEFAULTS: dict[str, Any] = {
    "logger": False,
    "enable_checkpointing": False,
    "enable_progress_bar": False,
    "enable_model_summary": False,
    "num_sanity_val_steps": 0,
    "inference_mode": False,
    "deterministic": None,
    "benchmark": None,
}

_HARDWARE = ("accelerator", "devices", "strategy")
_OLD_HARDWARE = ("num_nodes", "num_processes", "gpus", "tpu_cores", "distributed_backend")
_NO_CHOICE = {"strategy": "auto"}  # as if it had not been given; the others ask for the best that is there
_ACCELERATORS = {"cpu": "cpu", "cuda": "cuda", "mps": "mps", "xla": "tpu"}


class SettingsError(SystemExit):
    """Settings that cannot be used: ends the program with status 2 and one line on stderr, without a traceback."""

    def __init__(self, message: str) -> None:
        super().__init__(2)
        self.message = message

    def __str__(self) -> str:
        return self.message


def fail(message: str) -> NoReturn:
    """Say what is wrong on stderr and raise SettingsError."""
    print(f"error: {message}", file=sys.stderr)
    raise SettingsError(message)


def resolve(arguments: Mapping[str, Any], device: torch.device | str | None) -> dict[str, Any]:
    """Return every argument for ``pytorch_lightning.Trainer``, and those in ``OWN_DEFAULTS``.

    Raises:
        TypeError: ``arguments`` holds a name that no Trainer ever had, or old spellings that cannot be translated.
        SettingsError: the environment variable, or ``device``, cannot be used.
    """
    arguments = spellings.translate(arguments)
    unknown = _unknown(arguments)
    if unknown:
        raise TypeError(f"Trainer() got an unexpected keyword argument {unknown[0]!r}")
    outside = from_environment()
    given = {**arguments, **outside}
    if "callbacks" in outside:
        # an old spelling may be a callback today
        given["callbacks"] = [*arguments.get("callbacks", []), *outside["callbacks"]]
    joined = joins(arguments)
    if joined:
        _refuse_other_number(outside)
        given = with_group(given)
    return {
        **LIGHTNING_DEFAULTS,
        **OWN_DEFAULTS,
        **FAITHFUL_DEFAULTS,
        **_implied(given),
        **(_one_device(outside, device) if joined else _hardware(arguments, outside, device)),
        **given,
    }


def names_hardware(arguments: Mapping[str, Any]) -> bool:
    """Whether arguments, or the settings from outside, say what to train on."""
    given = {**arguments, **_read_environment()}
    return any(name in given and given[name] != _NO_CHOICE.get(name) for name in (*_HARDWARE, *_OLD_HARDWARE))


def from_environment() -> dict[str, Any]:
    """Read the Trainer arguments in ``REFACTORER_TRAINER``; an empty or unset variable holds none.

    Raises:
        SettingsError: not a JSON object, a name that no Trainer ever had, or an old spelling without translation.
    """
    settings = _read_environment()
    try:
        settings = spellings.translate(settings)
    except TypeError as error:
        fail(f"{ENVIRONMENT_VARIABLE}: {error}")
    unknown = _unknown(settings)
    if unknown:
        fail(f"{ENVIRONMENT_VARIABLE}: the Trainer has no argument {unknown[0]!r}")
    return settings


def _unknown(arguments: Mapping[str, Any]) -> list[str]:
    return sorted(set(arguments) - set(LIGHTNING_DEFAULTS) - set(OWN_DEFAULTS))


def _read_environment() -> dict[str, Any]:
    text = os.environ.get(ENVIRONMENT_VARIABLE, "").strip()
    if not text:
        return {}
    try:
        settings = json.loads(text)
    except json.JSONDecodeError as error:
        fail(f"{ENVIRONMENT_VARIABLE} is not valid JSON: {error.msg} at column {error.colno}: {text}")
    if not isinstance(settings, dict):
        fail(f'{ENVIRONMENT_VARIABLE} must be a JSON object such as {{"devices": 2}}, not {text}')
    return settings


def blame_environment(reason: str) -> None:
    """Turn a complaint about the arguments into one line, when some of them came from outside.

    Raises:
        SettingsError: the environment variable is set.
    """
    settings = _read_environment()
    if settings:
        fail(f"{ENVIRONMENT_VARIABLE}={json.dumps(settings)} cannot be used here: {reason}")


def with_checkpoint(arguments: Mapping[str, Any], setting: Any) -> dict[str, Any]:
    """The arguments of ``fit`` with the checkpoint that the Trainer was told to resume from.

    Raises:
        TypeError: the script names two different ones.
    """
    own = arguments.get("ckpt_path")
    if setting is None:
        return dict(arguments)
    if own is not None and str(own) != str(setting) and "ckpt_path" not in _read_environment():
        raise TypeError(f"Trainer(ckpt_path={setting!r}) and fit(ckpt_path={own!r}) contradict each other")
    return {**arguments, "ckpt_path": setting}


def _implied(given: Mapping[str, Any]) -> dict[str, Any]:
    """A callback that the script passes switches its own feature on, as the default None does in Lightning."""
    callbacks = given.get("callbacks", [])
    return {
        "enable_checkpointing": any(isinstance(callback, pl.callbacks.Checkpoint) for callback in callbacks),
        # statistics of the devices are of no use without a logger
        "logger": any(isinstance(callback, pl.callbacks.DeviceStatsMonitor) for callback in callbacks),
        "enable_progress_bar": any(isinstance(callback, pl.callbacks.ProgressBar) for callback in callbacks),
    }


def _hardware(
    arguments: Mapping[str, Any], outside: Mapping[str, Any], device: torch.device | str | None
) -> dict[str, Any]:
    """Choose accelerator and devices where they were not given.

    Nothing given stays on one CPU. ``device`` names the kind of accelerator and which one of them; as soon as the
    settings from outside speak about hardware, only the kind is kept.
    """
    asked_outside = any(name in outside for name in _HARDWARE)
    if device is not None:
        chosen = _from_device(device)
        if asked_outside:
            del chosen["devices"]
        return chosen
    if asked_outside or any(name in arguments and arguments[name] != _NO_CHOICE.get(name) for name in _HARDWARE):
        return {}
    return {"accelerator": "cpu", "devices": 1}


def _refuse_other_number(outside: Mapping[str, Any]) -> None:
    """Processes that the script has started cannot become more or fewer.

    Raises:
        SettingsError: the settings from outside ask for a number of devices or nodes.
    """
    for name in ("devices", "num_nodes"):
        if outside.get(name, 1) not in (1, "1", "auto"):
            fail(
                f"{ENVIRONMENT_VARIABLE}: the script makes its process group itself, of {dist.get_world_size()}; "
                f"start it with that many processes (torchrun --nproc-per-node) instead of {name}={outside[name]!r}"
            )


def _one_device(outside: Mapping[str, Any], device: torch.device | str | None) -> dict[str, Any]:
    """One device for each process of the script's group: the one that the script chose, else the CPU."""
    if device is None or "accelerator" in outside:
        return {"accelerator": "cpu", "devices": 1}
    return _from_device(device)


def _from_device(device: torch.device | str) -> dict[str, Any]:
    try:
        place = torch.device(device)
    except RuntimeError:
        fail(f"Trainer(device={str(device)!r}): not a device that torch knows")
    if place.type not in _ACCELERATORS:
        fail(f"Trainer(device={str(device)!r}): devices of type {place.type!r} are not supported; pass accelerator=...")
    devices: Any = 1
    if place.type == "cuda":
        devices = [_cuda_index(place)]
    return {"accelerator": _ACCELERATORS[place.type], "devices": devices}


def _cuda_index(place: torch.device) -> int:
    index: int | None = place.index
    if index is not None:
        return index
    # asking for the current device would initialise CUDA; before that it can only be the first one
    return torch.cuda.current_device() if torch.cuda.is_initialized() else 0
