"""Old spellings of the Trainer's arguments and hooks: translated with a note, or refused with one."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from lightning_fabric.plugins.environments import LightningEnvironment
from lightning_fabric.utilities.exceptions import MisconfigurationException
from pytorch_lightning import callbacks
from pytorch_lightning.loggers import CSVLogger

import runtime
from runtime import settings, spellings
from tests.runtime.parity import Lit, Record, loaders, mlp

STOPPING = callbacks.EarlyStopping("val_loss")
SAVING = callbacks.ModelCheckpoint()
LOGGER = CSVLogger("nowhere")
ENVIRONMENT = LightningEnvironment()
PLUGIN = pl.plugins.MixedPrecision("bf16-mixed", "cpu")


def gpu(devices: Any) -> dict[str, Any]:
    return {"accelerator": "gpu", "devices": devices}


def tpu(devices: Any) -> dict[str, Any]:
    return {"accelerator": "tpu", "devices": devices}


#: The old spelling, what it is today, and a part of the note.
TRANSLATED: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({"gpus": 8}, gpu(8), "Trainer(gpus=8) is an old spelling: use Trainer(accelerator='gpu', devices=8)."),
    ({"gpus": -1}, gpu(-1), "devices=-1"),
    ({"gpus": "-1"}, gpu(-1), "devices=-1"),
    ({"gpus": "3"}, gpu(3), "devices=3"),
    ({"gpus": [0, 2]}, gpu([0, 2]), "devices=[0, 2]"),
    ({"gpus": (1,)}, gpu([1]), "devices=[1]"),
    ({"gpus": "0, 2"}, gpu([0, 2]), "devices=[0, 2]"),
    ({"gpus": "1,"}, gpu([1]), "devices=[1]"),
    ({"tpu_cores": 8}, tpu(8), "use Trainer(accelerator='tpu', devices=8)"),
    ({"tpu_cores": "8"}, tpu(8), "devices=8"),
    ({"tpu_cores": [5]}, tpu([4]), "devices=[4]"),
    ({"num_tpu_cores": 8}, tpu(8), "devices=8"),
    ({"num_processes": 2}, {"accelerator": "cpu", "devices": 2}, "use Trainer(accelerator='cpu', devices=2)"),
    ({"on_gpu": True}, gpu(1), "devices=1"),
    ({"current_gpu_name": 1}, {}, "devices=[...]"),
    ({"auto_select_gpus": True}, {}, "CUDA_VISIBLE_DEVICES"),
    ({"nb_gpu_nodes": 4}, {"num_nodes": 4}, "num_nodes=4"),
    ({"cluster_environment": ENVIRONMENT}, {"plugins": [ENVIRONMENT]}, "use Trainer(plugins=[...])"),
    ({"distributed_backend": "ddp"}, {"strategy": "ddp"}, "use Trainer(strategy='ddp')"),
    ({"distributed_backend": "ddp_cpu"}, {"accelerator": "cpu", "strategy": "ddp_spawn"}, "strategy='ddp_spawn'"),
    ({"accelerator": "ddp"}, {"strategy": "ddp"}, "use Trainer(strategy='ddp')"),
    ({"accelerator": "ddp_cpu"}, {"accelerator": "cpu", "strategy": "ddp_spawn"}, "accelerator='cpu'"),
    ({"strategy": "fsdp_native"}, {"strategy": "fsdp"}, "use Trainer(strategy='fsdp')"),
    ({"strategy": "fsdp_native_full_shard_offload"}, {"strategy": "fsdp_cpu_offload"}, "'fsdp_cpu_offload'"),
    ({"strategy": "ddp_fully_sharded"}, {"strategy": "fsdp"}, "'fsdp'"),
    ({"strategy": "tpu_spawn"}, {"accelerator": "tpu", "strategy": "xla"}, "'xla'"),
    ({"strategy": "tpu_spawn_debug"}, {"accelerator": "tpu", "strategy": "xla_debug"}, "'xla_debug'"),
    ({"strategy": "single_tpu"}, {"accelerator": "tpu", "strategy": "single_xla"}, "'single_xla'"),
    ({"plugins": "ddp"}, {"strategy": "ddp"}, "use Trainer(strategy='ddp')"),
    ({"plugins": ["deepspeed_stage_2"]}, {"strategy": "deepspeed_stage_2"}, "strategy="),
    ({"replace_sampler_ddp": False}, {"use_distributed_sampler": False}, "use_distributed_sampler=False"),
    ({"precision": 16}, {"precision": "16-mixed"}, "use Trainer(precision='16-mixed')"),
    ({"precision": "16"}, {"precision": "16-mixed"}, "precision='16-mixed'"),
    ({"precision": "bf16"}, {"precision": "bf16-mixed"}, "precision='bf16-mixed'"),
    ({"use_amp": True}, {"precision": "16-mixed"}, "precision='16-mixed'"),
    ({"amp_level": "O2"}, {}, "apex is not supported any more"),
    ({"max_nb_epochs": 3}, {"max_epochs": 3}, "max_epochs=3"),
    ({"min_nb_epochs": 3}, {"min_epochs": 3}, "min_epochs=3"),
    ({"nb_sanity_val_steps": 0}, {"num_sanity_val_steps": 0}, "num_sanity_val_steps=0"),
    ({"train_percent_check": 1}, {"limit_train_batches": 1.0}, "limit_train_batches=1.0"),
    ({"val_percent_check": 0.5}, {"limit_val_batches": 0.5}, "limit_val_batches=0.5"),
    ({"test_percent_check": 0.5}, {"limit_test_batches": 0.5}, "limit_test_batches=0.5"),
    ({"overfit_pct": 0.1}, {"overfit_batches": 0.1}, "overfit_batches=0.1"),
    ({"reload_dataloaders_every_epoch": True}, {"reload_dataloaders_every_n_epochs": 1}, "every_n_epochs=1"),
    ({"gradient_clip": 0.5}, {"gradient_clip_val": 0.5}, "gradient_clip_val=0.5"),
    ({"enable_pl_optimizer": True}, {}, "leave it out"),
    ({"terminate_on_nan": True}, {"stop_on_nan": True}, "stop_on_nan=True"),
    ({"print_nan_grads": True}, {}, "detect_anomaly=True"),
    ({"check_grad_nans": True}, {}, "detect_anomaly=True"),
    ({"checkpoint_callback": True}, {"enable_checkpointing": True}, "enable_checkpointing=True"),
    ({"checkpoint_callback": False}, {"enable_checkpointing": False}, "enable_checkpointing=False"),
    ({"checkpoint_callback": SAVING}, {"callbacks": [SAVING]}, "callbacks=[...]"),
    ({"early_stop_callback": STOPPING}, {"callbacks": [STOPPING]}, "callbacks=[...]"),
    ({"enable_early_stop": True}, {}, "EarlyStopping"),
    ({"default_save_path": "a"}, {"default_root_dir": "a"}, "default_root_dir='a'"),
    ({"resume_from_checkpoint": "a.ckpt"}, {"ckpt_path": "a.ckpt"}, "use trainer.fit(..., ckpt_path='a.ckpt')"),
    ({"experiment": LOGGER}, {"logger": LOGGER}, "logger=..."),
    ({"row_log_interval": 5}, {"log_every_n_steps": 5}, "log_every_n_steps=5"),
    ({"add_row_log_interval": 5}, {"log_every_n_steps": 5}, "log_every_n_steps=5"),
    ({"add_log_row_interval": 5}, {"log_every_n_steps": 5}, "log_every_n_steps=5"),
    ({"log_save_interval": 5}, {}, "CSVLogger(flush_logs_every_n_steps=...)"),
    ({"flush_logs_every_n_steps": 5}, {}, "CSVLogger(flush_logs_every_n_steps=...)"),
    ({"move_metrics_to_cpu": True}, {}, "leave it out"),
    ({"progress_bar_refresh_rate": 0}, {"enable_progress_bar": False}, "enable_progress_bar=False"),
    ({"progress_bar_callback": False}, {"enable_progress_bar": False}, "enable_progress_bar=False"),
    ({"show_progress_bar": False}, {"enable_progress_bar": False}, "enable_progress_bar=False"),
    ({"progress_bar": True}, {"enable_progress_bar": True}, "enable_progress_bar=True"),
    ({"enable_tqdm": True}, {"enable_progress_bar": True}, "enable_progress_bar=True"),
    ({"weights_summary": None}, {"enable_model_summary": False}, "enable_model_summary=False"),
    ({"print_weights_summary": True}, {"enable_model_summary": True}, "enable_model_summary=True"),
    ({"profiler": True}, {"profiler": "simple"}, "profiler='simple'"),
]

#: Old spellings that are callbacks today: the type, and attributes that tell its settings.
CALLBACKS: list[tuple[dict[str, Any], str, dict[str, Any]]] = [
    ({"auto_lr_find": True}, "LearningRateFinder", {"_attr_name": ""}),
    ({"auto_lr_find": "my_lr"}, "LearningRateFinder", {"_attr_name": "my_lr"}),
    ({"auto_scale_batch_size": True}, "BatchSizeFinder", {"_mode": "power"}),
    ({"auto_scale_batch_size": "binsearch"}, "BatchSizeFinder", {"_mode": "binsearch"}),
    ({"early_stop_callback": True}, "EarlyStopping", {"monitor": "val_loss"}),
    ({"weights_save_path": "there"}, "ModelCheckpoint", {"dirpath": str(Path("there").resolve())}),
    ({"log_gpu_memory": "all"}, "DeviceStatsMonitor", {}),
    ({"track_grad_norm": 2}, "GradientNorms", {"norm_type": 2.0}),
    ({"track_grad_norm": "inf"}, "GradientNorms", {"norm_type": float("inf")}),
    ({"progress_bar_refresh_rate": 20}, "TQDMProgressBar", {"refresh_rate": 20}),
    ({"process_position": 2}, "TQDMProgressBar", {"process_position": 2}),
    ({"progress_bar_refresh_rate": 20, "process_position": 2}, "TQDMProgressBar", {"refresh_rate": 20}),
    ({"weights_summary": "top"}, "ModelSummary", {}),
    ({"weights_summary": "full"}, "ModelSummary", {}),
    ({"accumulate_grad_batches": {0: 2}}, "GradientAccumulationScheduler", {"scheduling": {0: 2}}),
]

#: Nothing today means these; a part of what is said.
REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"distributed_backend": "dp"}, "divide the loader's batch_size by their number"),
    ({"strategy": "dp"}, "divide the loader's batch_size"),
    ({"accelerator": "ddp2"}, "divide the loader's batch_size"),
    ({"strategy": "ddp_sharded"}, "'fsdp'"),
    ({"strategy": "horovod"}, "use strategy='ddp'"),
    ({"plugins": ["ddp_sharded", PLUGIN]}, "a strategy is not a plugin any more"),
    ({"ipus": 4}, "IPUs"),
    ({"cluster": object()}, "SLURM"),
    ({"amp_backend": "apex"}, "apex"),
    ({"prepare_data_per_node": False}, "data module"),
    ({"multiple_trainloader_mode": "min_size"}, "CombinedLoader(loaders, mode=...)"),
    ({"lr_scheduler_milestones": [3]}, "MultiStepLR"),
    ({"stochastic_weight_avg": True}, "StochasticWeightAveraging(swa_lrs=...)"),
    ({"truncated_bptt_steps": 5}, "automatic_optimization = False"),
    ({"automatic_optimization": False}, "automatic_optimization = False"),
    ({"experiment": "test_tube"}, "pytorch_lightning.loggers"),
    ({"weights_summary": "half"}, "max_depth"),
    ({"gpus": "two"}, "is an old spelling"),
]

#: Values that asked for nothing, and arguments of today: no note.
SILENT: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"gpus": 0}, {}),
    ({"gpus": None}, {}),
    ({"gpus": []}, {}),
    ({"tpu_cores": None}, {}),
    ({"num_processes": 1}, {}),
    ({"distributed_backend": None}, {}),
    ({"accelerator": None, "strategy": None, "devices": None, "max_steps": None}, {}),
    ({"use_amp": False}, {}),
    ({"amp_backend": "native"}, {}),
    ({"auto_lr_find": False, "auto_scale_batch_size": False}, {}),
    ({"track_grad_norm": -1}, {}),
    ({"terminate_on_nan": False}, {}),
    ({"early_stop_callback": False}, {}),
    ({"checkpoint_callback": None}, {}),
    ({"stochastic_weight_avg": False}, {}),
    ({"automatic_optimization": True}, {}),
    ({"multiple_trainloader_mode": "max_size_cycle"}, {}),
    ({"prepare_data_per_node": True}, {}),
    ({"process_position": 0}, {}),
    ({"resume_from_checkpoint": None}, {}),
    ({"reload_dataloaders_every_epoch": False}, {}),
    ({"accelerator": "gpu", "devices": 2}, {"accelerator": "gpu", "devices": 2}),
    ({"strategy": "ddp"}, {"strategy": "ddp"}),
    ({"precision": 32}, {"precision": 32}),
    ({"precision": 64}, {"precision": 64}),
    ({"precision": "bf16-true"}, {"precision": "bf16-true"}),
    ({"plugins": [PLUGIN]}, {"plugins": [PLUGIN]}),
    ({"profiler": "simple"}, {"profiler": "simple"}),
    ({"accumulate_grad_batches": 4}, {"accumulate_grad_batches": 4}),
    ({"limit_train_batches": 1}, {"limit_train_batches": 1}),
    ({"max_steps": 7}, {"max_steps": 7}),
]


@pytest.mark.parametrize(("old", "today", "note"), TRANSLATED)
def test_translated_with_one_note(old: dict[str, Any], today: dict[str, Any], note: str) -> None:
    with pytest.warns(FutureWarning) as noted:
        assert spellings.translate(old) == today
    assert len(noted) == 1
    assert note in str(noted[0].message)
    assert str(noted[0].message).startswith(f"Trainer({next(iter(old))}=")


@pytest.mark.parametrize(("old", "kind", "attributes"), CALLBACKS)
def test_translated_to_a_callback(old: dict[str, Any], kind: str, attributes: dict[str, Any]) -> None:
    with pytest.warns(FutureWarning) as noted:
        today = spellings.translate({**old, "callbacks": STOPPING})
    assert len(noted) == len(old)
    assert set(today) == {"callbacks"}
    made = [callback for callback in today["callbacks"] if callback is not STOPPING]
    assert len(today["callbacks"]) == 2
    assert type(made[0]).__name__ == kind
    assert {name: getattr(made[0], name) for name in attributes} == attributes


@pytest.mark.parametrize(("old", "said"), REFUSED)
def test_refused_with_what_to_do(old: dict[str, Any], said: str) -> None:
    with pytest.raises(TypeError) as refused:
        runtime.Trainer(max_epochs=1, **old)
    assert said in str(refused.value)
    assert str(refused.value).startswith(f"Trainer({next(iter(old))}=")


@pytest.mark.parametrize(("given", "today"), SILENT)
def test_nothing_to_note(given: dict[str, Any], today: dict[str, Any]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert spellings.translate(given) == today


def test_every_old_argument_is_tested() -> None:
    tested = {name for table in (TRANSLATED, CALLBACKS, REFUSED) for old, *_ in table for name in old}
    assert set(spellings.ARGUMENTS) <= tested
    assert not set(spellings.ARGUMENTS) & set(settings.LIGHTNING_DEFAULTS), "today's arguments are not old"
    assert set(spellings.VALUES) <= set(settings.LIGHTNING_DEFAULTS)


@pytest.mark.parametrize(
    "given",
    [
        {"gpus": 2, "devices": 4},
        {"gpus": 2, "tpu_cores": 8},
        {"gpus": 2, "num_processes": 2},
        {"use_amp": True, "precision": 32},
        {"max_nb_epochs": 2, "max_epochs": 3},
        {"distributed_backend": "ddp", "strategy": "fsdp"},
        {"checkpoint_callback": False, "enable_checkpointing": True},
        {"row_log_interval": 2, "log_every_n_steps": 3},
    ],
)
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_contradictions_are_errors(given: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match="contradicts itself") as raised:
        runtime.Trainer(**given)
    for name, value in given.items():
        assert f"{name}={value!r}" in str(raised.value)


@pytest.mark.parametrize(
    "given",
    [
        {"gpus": 2, "accelerator": "gpu"},
        {"max_nb_epochs": 3, "max_epochs": 3},
        {"use_amp": True, "precision": 16},
        {"gpus": None, "num_processes": 2, "distributed_backend": "ddp_cpu"},
    ],
)
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_spellings_that_agree(given: dict[str, Any]) -> None:
    assert spellings.translate(given)


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_old_spellings_from_outside(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("REFACTORER_TRAINER", '{"max_nb_epochs": 2, "track_grad_norm": 2, "terminate_on_nan": true}')
    trainer = runtime.Trainer(max_epochs=7, callbacks=[STOPPING])
    assert trainer.max_epochs == 2
    assert [type(one).__name__ for one in trainer.callbacks] == ["EarlyStopping", "GradientNorms", "StopOnNaN"]
    monkeypatch.setenv("REFACTORER_TRAINER", '{"strategy": "dp"}')
    with pytest.raises(runtime.SettingsError):
        runtime.Trainer(max_epochs=7)
    assert capsys.readouterr().err.startswith("error: REFACTORER_TRAINER: Trainer(strategy='dp') is an old spelling")


def test_the_note_names_the_line_of_the_script() -> None:
    with pytest.warns(FutureWarning) as noted:
        runtime.Trainer(max_nb_epochs=1)
    assert noted[0].filename == __file__


class Tuned(Lit):
    """Has what the finders look for."""

    def __init__(self, record: Record) -> None:
        super().__init__(record, mlp())
        self.lr = 0.123
        self.batch_size = 2

    def train_dataloader(self) -> Any:
        data = torch.utils.data.TensorDataset(torch.randn(64, 4), torch.randint(3, (64,)))
        return torch.utils.data.DataLoader(data, self.batch_size)

    def configure_optimizers(self) -> Any:
        return torch.optim.SGD(self.parameters(), lr=self.lr)


@pytest.mark.filterwarnings("ignore")
def test_tune_and_gradient_norms(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    module = Tuned(Record())
    trainer = runtime.Trainer(max_nb_epochs=1, auto_lr_find=True, track_grad_norm=2, log_every_n_steps=1)
    assert set(trainer.tune(module)) == {"lr_find"}
    assert module.lr != 0.123
    assert [type(one).__name__ for one in trainer.callbacks] == ["GradientNorms"], "fit does not search again"
    searching = runtime.Trainer(max_nb_epochs=1, auto_scale_batch_size="binsearch")
    assert searching.tune(module) == {"scale_batch_size": module.batch_size}
    assert module.batch_size > 2
    trainer.fit(module)
    total, parts = trainer.callback_metrics["grad_2.0_norm_total"], dict(trainer.callback_metrics)
    parts = {name: value for name, value in parts.items() if "total" not in name}
    assert len(parts) == len(list(module.parameters()))
    assert total == pytest.approx(torch.stack(list(parts.values())).norm().item(), rel=1e-6)


@pytest.mark.filterwarnings("ignore")
def test_resume_from_checkpoint(tmp_path: Path) -> None:
    first = runtime.Trainer(max_epochs=2)
    first.fit(Lit(Record(), mlp()), loaders()[0])
    first.save_checkpoint(tmp_path / "a.ckpt")
    record = Record()
    second = runtime.Trainer(max_epochs=3, resume_from_checkpoint=str(tmp_path / "a.ckpt"))
    second.fit(Lit(record, mlp()), loaders()[0])
    assert sum(event[0] == "step" for event in record.events) == 4, "one epoch of the three"
    with pytest.raises(TypeError, match="contradict each other"):
        second.fit(Lit(record, mlp()), loaders()[0], ckpt_path="other.ckpt")


def test_old_names_of_loaders() -> None:
    record, (training, evaluation) = Record(), loaders()

    class Tests(Lit):
        test_step = Lit.validation_step

    module, trainer = Tests(record, mlp()), runtime.Trainer(max_epochs=1)
    with pytest.warns(FutureWarning, match=r"fit\(train_dataloader=...\) is an old spelling"):
        trainer.fit(module, train_dataloader=training, val_dataloaders=evaluation)
    with pytest.warns(FutureWarning, match=r"test\(test_dataloaders=...\)"):
        trainer.test(module, test_dataloaders=evaluation)
    with pytest.warns(FutureWarning, match=r"validate\(val_dataloaders=...\)"):
        trainer.validate(module, val_dataloaders=evaluation)
    assert sum(event[0] == "evaluation" for event in record.events) == 9
    with pytest.raises(TypeError, match="both name the data"):
        trainer.test(module, evaluation, test_dataloaders=evaluation)


def test_hooks_with_all_outputs_are_refused() -> None:
    class Old(Lit):
        def training_epoch_end(self, outputs: Any) -> None: ...

    with pytest.raises(MisconfigurationException) as raised:
        runtime.Trainer(max_epochs=1).fit(Old(Record(), mlp()), loaders()[0])
    assert "Old.training_epoch_end is an old hook" in str(raised.value)
    assert "on_train_epoch_end(self)" in str(raised.value)


def test_hooks_that_nobody_calls_are_named() -> None:
    class Old(Lit):
        def on_epoch_end(self) -> None:
            raise AssertionError

        def training_step_end(self, outputs: Any) -> None:
            raise AssertionError

    class Watches(pl.Callback):
        def on_keyboard_interrupt(self, *_: Any) -> None: ...

    with pytest.warns(FutureWarning) as noted:
        runtime.Trainer(max_epochs=1, callbacks=[Watches()]).fit(Old(Record(), mlp()), loaders()[0])
    assert sorted(str(note.message).split(" ")[0] for note in noted if note.category is FutureWarning) == [
        "Old.on_epoch_end",
        "Old.training_step_end",
        "Watches.on_keyboard_interrupt",
    ]


def test_no_hook_of_today_is_called_old() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error", FutureWarning)
        runtime.Trainer(max_epochs=1, callbacks=[STOPPING.__class__("loss", strict=False)]).fit(
            Lit(Record(), mlp()), loaders()[0]
        )
