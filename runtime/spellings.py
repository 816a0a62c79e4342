"""Old spellings of the Trainer's arguments, and what they are called today.

Lightning renamed and removed arguments from version 0.1 to 2.0; ``ARGUMENTS`` holds each of them that the Trainer of
some release had and today's has not, ``VALUES`` the values of today's arguments that mean something else by now. A
translation gives today's arguments and a note, or raises ``TypeError`` where nothing today means the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from lightning_utilities.core.rank_zero import rank_zero_warn
from pytorch_lightning import callbacks
from pytorch_lightning.loggers import Logger

from runtime.gradient_norms import GradientNorms

Today = tuple[dict[str, Any], str]
"""Today's arguments, and the note that tells of them; an empty note where nothing was asked for."""

Translation = Callable[[Any], Today]

NOTHING: Today = ({}, "")


def _today(**arguments: Any) -> Today:
    """Arguments whose values can be shown as they are."""
    shown = ", ".join(f"{name}={value!r}" for name, value in arguments.items())
    return arguments, f"use Trainer({shown})"


def _renamed(name: str, convert: Callable[[Any], Any] = lambda value: value, *, nothing: Any = None) -> Translation:
    """Another name; None and the value ``nothing`` asked for nothing."""
    return lambda value: NOTHING if value is None or value is nothing else _today(**{name: convert(value)})


def _dropped(note: str) -> Translation:
    """It has no effect any more."""
    return lambda value: ({}, note) if value else NOTHING


def _refused(note: str, *harmless: Any) -> Translation:
    """Nothing today means the same, except for the values that asked for nothing."""

    def refuse(value: Any) -> Today:
        if value is None or any(value is one for one in harmless):
            return NOTHING
        raise TypeError(note)

    return refuse


# ---- devices


def _gpus(value: Any) -> Today:
    if value in (None, 0, "0", "", [], ()):
        return NOTHING
    if isinstance(value, str):
        parts = [int(part) for part in value.split(",") if part.strip()]
        value = parts if "," in value else parts[0]
    return _today(accelerator="gpu", devices=list(value) if isinstance(value, tuple) else value)


def _tpu_cores(value: Any) -> Today:
    if not value:
        return NOTHING
    if isinstance(value, (list, tuple)):
        value = [index - 1 for index in value]  # they were counted from one
    return _today(accelerator="tpu", devices=int(value) if isinstance(value, str) else value)


def _num_processes(value: Any) -> Today:
    return NOTHING if value in (None, 1) else _today(accelerator="cpu", devices=value)


# ---- strategies

_BATCHES = "each process takes batches of its own, so divide the loader's batch_size by their number"

_SHARDED = "use strategy='fsdp', or 'deepspeed_stage_2', and compare the results"

_STRATEGIES: dict[str, dict[str, Any] | str] = {
    "ddp_cpu": {"accelerator": "cpu", "strategy": "ddp_spawn"},
    "fsdp_native": {"strategy": "fsdp"},
    "fsdp_native_full_shard_offload": {"strategy": "fsdp_cpu_offload"},
    "ddp_fully_sharded": {"strategy": "fsdp"},
    "tpu_spawn": {"accelerator": "tpu", "strategy": "xla"},
    "tpu_spawn_debug": {"accelerator": "tpu", "strategy": "xla_debug"},
    "single_tpu": {"accelerator": "tpu", "strategy": "single_xla"},
    "dp": f"it divided each batch among the devices; use strategy='ddp', where {_BATCHES}",
    "ddp2": f"it divided each batch among the devices of a machine; use strategy='ddp', where {_BATCHES}",
    "ddp_sharded": _SHARDED,
    "ddp_sharded_spawn": _SHARDED,
    "ddp_sharded_find_unused_parameters_false": _SHARDED,
    "horovod": "use strategy='ddp'",
    "bagua": "use strategy='ddp'",
    "collaborative": "use strategy='ddp'",
    "hivemind": "use strategy='ddp'",
}


def _strategy(argument: str, value: Any) -> Today:
    """A strategy under its old name; TypeError for one that is gone."""
    known = _STRATEGIES.get(value) if isinstance(value, str) else None
    if isinstance(known, str):
        raise TypeError(f"this strategy is gone: {known}")
    if known is not None:
        return _today(**known)
    if value is None:
        return NOTHING
    return _today(strategy=value) if argument != "strategy" else ({"strategy": value}, "")


def _accelerator(value: Any) -> Today:
    """Up to version 1.4 this argument took strategies."""
    if isinstance(value, str) and (value in _STRATEGIES or value.startswith(("ddp", "deepspeed", "fsdp"))):
        return _strategy("accelerator", value)
    return NOTHING if value is None else ({"accelerator": value}, "")


def _plugins(value: Any) -> Today:
    """Up to version 1.5 the plugins could be names of strategies."""
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, (list, tuple)) or not any(isinstance(name, str) for name in names):
        return {"plugins": value}, ""
    if len(names) > 1:
        raise TypeError("a strategy is not a plugin any more; pass its name as strategy=...")
    return _strategy("plugins", names[0])


# ---- precision

_PRECISIONS = {16: "16-mixed", "16": "16-mixed", "bf16": "bf16-mixed"}
_APEX = "NVIDIA's apex is not supported any more: mixed precision is torch's own, use Trainer(precision='16-mixed')"


def _precision(value: Any) -> Today:
    new = _PRECISIONS.get(value) if isinstance(value, (int, str)) else None
    return ({"precision": value}, "") if new is None else _today(precision=new)


# ---- callbacks and what is shown


def _either(switch: str, kind: type, keyword: str = "callbacks") -> Translation:
    """A switch that also took the object itself."""

    def translate(value: Any) -> Today:
        if isinstance(value, kind):
            return {keyword: [value]}, f"use Trainer({keyword}=[...])"
        return NOTHING if value is None else _today(**{switch: bool(value)})

    return translate


def _early_stopping(value: Any) -> Today:
    if isinstance(value, callbacks.Callback):
        return {"callbacks": [value]}, "use Trainer(callbacks=[...])"
    if not value:
        return NOTHING
    return {"callbacks": [callbacks.EarlyStopping("val_loss")]}, "use Trainer(callbacks=[EarlyStopping('val_loss')])"


def _checkpoints_in(value: Any) -> Today:
    if value is None:
        return NOTHING
    return {"callbacks": [callbacks.ModelCheckpoint(dirpath=value)]}, "use callbacks=[ModelCheckpoint(dirpath=...)]"


def _bar(name: str) -> Translation:
    """A property of the progress bar; one bar gets them all."""

    def translate(value: Any) -> Today:
        if value is None or (name == "process_position" and not value):
            return NOTHING
        if not value:
            return _today(enable_progress_bar=False)
        return {"bar": {name: value}}, f"use Trainer(callbacks=[TQDMProgressBar({name}={value!r})])"

    return translate


def _summary(value: Any) -> Today:
    if value is None:
        return _today(enable_model_summary=False)
    depth = {"top": 1, "full": -1}.get(value)
    if depth is None:
        raise TypeError("it was 'top', 'full' or None; use Trainer(callbacks=[ModelSummary(max_depth=...)])")
    shown = f"use Trainer(callbacks=[ModelSummary(max_depth={depth})])"
    return {"callbacks": [callbacks.ModelSummary(max_depth=depth)]}, shown


def _lr_finder(value: Any) -> Today:
    if not value:
        return NOTHING
    name = value if isinstance(value, str) else ""
    shown = f"attr_name={name!r}" if name else ""
    note = f"use Trainer(callbacks=[LearningRateFinder({shown})])"
    return {"callbacks": [callbacks.LearningRateFinder(attr_name=name)]}, note


def _batch_size_finder(value: Any) -> Today:
    if not value:
        return NOTHING
    mode = value if isinstance(value, str) else "power"
    return {"callbacks": [callbacks.BatchSizeFinder(mode)]}, f"use Trainer(callbacks=[BatchSizeFinder({mode!r})])"


def _gradient_norm(value: Any) -> Today:
    if value in (None, -1):
        return NOTHING
    return {"callbacks": [GradientNorms(value)]}, f"use Trainer(callbacks=[runtime.GradientNorms({value!r})])"


def _device_stats(value: Any) -> Today:
    if not value:
        return NOTHING
    return {"callbacks": [callbacks.DeviceStatsMonitor()]}, "use Trainer(logger=True, callbacks=[DeviceStatsMonitor()])"


def _experiment(value: Any) -> Today:
    if value is not None and not isinstance(value, Logger):
        raise TypeError("pass one of pytorch_lightning.loggers as logger=...")
    return NOTHING if value is None else ({"logger": value}, "use Trainer(logger=...)")


def _schedule_of_accumulation(value: Any) -> Today:
    if isinstance(value, dict):
        shown = f"use Trainer(callbacks=[GradientAccumulationScheduler({value!r})])"
        return {"callbacks": [callbacks.GradientAccumulationScheduler(value)]}, shown
    return NOTHING if value is None or value is False else ({"accumulate_grad_batches": value}, "")


_LOGGERS_OWN = "how often logs reach the disk is the logger's own setting: CSVLogger(flush_logs_every_n_steps=...)"
_PART = "use Trainer(detect_anomaly=True), which names the operation, or stop_on_nan=True"

#: Every argument that the Trainer of some release from 0.1 to 1.9 had and today's has not.
ARGUMENTS: dict[str, Translation] = {
    # devices and processes
    "gpus": _gpus,
    "tpu_cores": _tpu_cores,
    "num_tpu_cores": _tpu_cores,
    "num_processes": _num_processes,
    "ipus": _refused("Lightning has no support for IPUs any more"),
    "on_gpu": lambda value: _today(accelerator="gpu", devices=1) if value else NOTHING,
    "current_gpu_name": _dropped("which GPU is chosen by devices=[...]"),
    "auto_select_gpus": _dropped("choose with devices=[...] or CUDA_VISIBLE_DEVICES; devices=4 takes the first four"),
    "nb_gpu_nodes": _renamed("num_nodes"),
    "cluster": _refused("use the cluster's own launcher; SLURM, LSF, MPI and torchrun are recognised"),
    "cluster_environment": lambda value: (
        NOTHING if value is None else ({"plugins": [value]}, "use Trainer(plugins=[...])")
    ),
    "distributed_backend": lambda value: _strategy("distributed_backend", value),
    "replace_sampler_ddp": _renamed("use_distributed_sampler"),
    "prepare_data_per_node": _refused("set it as an attribute of the data module", True),
    # precision
    "use_amp": lambda value: _today(precision="16-mixed") if value else NOTHING,
    "amp_level": _dropped(_APEX),
    "amp_backend": _refused(_APEX, "native"),
    # how long, and on how much
    "max_nb_epochs": _renamed("max_epochs"),
    "min_nb_epochs": _renamed("min_epochs"),
    "nb_sanity_val_steps": _renamed("num_sanity_val_steps"),
    # a percentage of 1 was everything; a limit of 1 is a single batch
    "train_percent_check": _renamed("limit_train_batches", float),
    "val_percent_check": _renamed("limit_val_batches", float),
    "test_percent_check": _renamed("limit_test_batches", float),
    "overfit_pct": _renamed("overfit_batches", float),
    "reload_dataloaders_every_epoch": _renamed("reload_dataloaders_every_n_epochs", int, nothing=False),
    "multiple_trainloader_mode": _refused("use CombinedLoader(loaders, mode=...) as the loader", "max_size_cycle"),
    # optimization
    "gradient_clip": _renamed("gradient_clip_val"),
    "auto_lr_find": _lr_finder,
    "auto_scale_batch_size": _batch_size_finder,
    "lr_scheduler_milestones": _refused("return a MultiStepLR from configure_optimizers"),
    "stochastic_weight_avg": _refused(
        "use Trainer(callbacks=[StochasticWeightAveraging(swa_lrs=...)]); the rate has to be given now", False
    ),
    "truncated_bptt_steps": _refused("optimize by hand: self.automatic_optimization = False in the module"),
    "automatic_optimization": _refused("set self.automatic_optimization = False in the module", True),
    "enable_pl_optimizer": _dropped("leave it out"),
    "terminate_on_nan": _renamed("stop_on_nan", bool, nothing=False),
    "print_nan_grads": _dropped(_PART),
    "check_grad_nans": _dropped(_PART),
    # checkpoints
    "checkpoint_callback": _either("enable_checkpointing", callbacks.Checkpoint),
    "early_stop_callback": _early_stopping,
    "enable_early_stop": _dropped("use Trainer(callbacks=[EarlyStopping(...)])"),
    "default_save_path": _renamed("default_root_dir"),
    "weights_save_path": _checkpoints_in,
    "resume_from_checkpoint": lambda value: (
        NOTHING if value is None else ({"ckpt_path": value}, f"use trainer.fit(..., ckpt_path={str(value)!r})")
    ),
    # what is logged and shown
    "experiment": _experiment,
    "row_log_interval": _renamed("log_every_n_steps"),
    "add_row_log_interval": _renamed("log_every_n_steps"),
    "add_log_row_interval": _renamed("log_every_n_steps"),
    "log_save_interval": _dropped(_LOGGERS_OWN),
    "flush_logs_every_n_steps": _dropped(_LOGGERS_OWN),
    "log_gpu_memory": _device_stats,
    "move_metrics_to_cpu": _dropped("leave it out; metrics stay on the device"),
    "track_grad_norm": _gradient_norm,
    "progress_bar_refresh_rate": _bar("refresh_rate"),
    "process_position": _bar("process_position"),
    "progress_bar_callback": _either("enable_progress_bar", callbacks.ProgressBar),
    "show_progress_bar": _renamed("enable_progress_bar"),
    "progress_bar": _renamed("enable_progress_bar"),
    "enable_tqdm": _renamed("enable_progress_bar"),
    "weights_summary": _summary,
    "print_weights_summary": _renamed("enable_model_summary"),
}

#: Today's arguments that took other values once. None was the default of most.
VALUES: dict[str, Translation] = {
    "accelerator": _accelerator,
    "strategy": lambda value: _strategy("strategy", value),
    "devices": lambda value: NOTHING if value is None else ({"devices": value}, ""),
    "plugins": _plugins,
    "precision": _precision,
    "accumulate_grad_batches": _schedule_of_accumulation,
    "max_steps": lambda value: NOTHING if value is None else ({"max_steps": value}, ""),
    "profiler": lambda value: (
        (_today(profiler="simple") if value else NOTHING) if isinstance(value, bool) else ({"profiler": value}, "")
    ),
}


def translate(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments under today's names, with one warning for each old spelling.

    Raises:
        TypeError: a spelling that nothing today means, or two that contradict each other.
    """
    result: dict[str, Any] = {}
    origin: dict[str, str] = {}
    for name, value in given.items():
        arguments, note = _translation(name, value)
        if note:
            warn(f"Trainer({_shown(name, value)}) is an old spelling: {note}.")
        for new, new_value in arguments.items():
            if new == "bar":
                result[new] = {**result.get(new, {}), **new_value}
            elif new == "callbacks":
                result[new] = [*result.get(new, []), *_listed(new_value)]
            elif new in result and result[new] != new_value:
                raise TypeError(_contradiction(new, origin[new], _shown(name, value)))
            else:
                result[new], origin[new] = new_value, _shown(name, value)
    if "bar" in result:
        result["callbacks"] = [*result.get("callbacks", []), callbacks.TQDMProgressBar(**result.pop("bar"))]
    return result


def _translation(name: str, value: Any) -> Today:
    translation = ARGUMENTS.get(name) or VALUES.get(name)
    if translation is None:
        return {name: value}, ""
    try:
        return translation(value)
    except (TypeError, ValueError) as error:
        raise TypeError(f"Trainer({_shown(name, value)}) is an old spelling: {error}") from None


def warn(note: str) -> None:
    """Note an old spelling at the line of the script."""
    rank_zero_warn(note, category=FutureWarning, stacklevel=8)


def _contradiction(argument: str, first: str, second: str) -> str:
    return f"Trainer({first}, {second}) contradicts itself: both say what {argument!r} is; leave one of them out"


def _listed(value: Any) -> list[Any]:
    if value is None:
        return []
    return list(value) if isinstance(value, Iterable) else [value]


def _shown(name: str, value: Any) -> str:
    plain = isinstance(value, (bool, int, float, str, type(None), list, tuple, dict))
    return f"{name}={value!r}" if plain else f"{name}={type(value).__name__}(...)"
