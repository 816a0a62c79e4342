"""The names that generated scripts use: usual ones, and ones that a careless conversion trips over."""

from __future__ import annotations

import random

USUAL = {
    "model": ["model", "net", "network", "mlp"],
    "optimizer": ["optimizer", "opt", "optim_", "solver"],
    "criterion": ["criterion", "loss_fn", "loss_func", "objective"],
    "scheduler": ["scheduler", "sched", "lr_scheduler"],
    "loader": ["train_loader", "trainloader", "loader", "train_dl"],
    "val_loader": ["test_loader", "val_loader", "valid_dl", "testloader"],
    "device": ["device", "dev"],
    "epoch": ["epoch", "ep", "e"],
    "bar": ["bar", "pbar", "progress"],
    "i": ["i", "batch_idx", "step", "n_iter"],
    "x": ["x", "inputs", "data", "images", "xb"],
    "y": ["y", "targets", "target", "labels", "yb"],
    "out": ["out", "output", "outputs", "pred", "logits"],
    "loss": ["loss", "loss_value", "L"],
    "batch": ["batch", "sample", "item"],
    "epochs": ["epochs", "EPOCHS", "num_epochs", "n_epochs"],
    "history": ["history", "losses", "records"],
    "counter": ["counter", "total_steps", "seen"],
    "running": ["running_loss", "running", "epoch_loss", "total_loss"],
    "correct": ["correct", "hits", "n_right"],
    "best": ["best", "best_loss", "best_val"],
    "result": ["val_loss", "score", "metric"],
    "train": ["train", "train_epoch", "train_one_epoch", "do_train"],
    "evaluate": ["evaluate", "test", "validate", "check"],
    "main": ["main", "run", "fit"],
    "Net": ["Net", "Model", "MLP", "Classifier"],
    "extra": ["value", "last", "previous", "carried"],
    "aux": ["noise_layer", "teacher", "augment"],
    "args": ["args", "opt_", "config", "hp"],
}

NASTY = {
    "model": ["module", "trainer", "self", "lit", "hparams", "fabric"],
    "optimizer": ["optimizers", "configure_optimizers", "trainer"],
    "criterion": ["loss_module", "log", "logger", "training_step", "forward"],
    "scheduler": ["lr_schedulers", "logger"],
    "loader": ["train_dataloader", "dataloader", "train_dataloaders"],
    "val_loader": ["val_dataloader", "val_dataloaders", "trainer"],
    "device": ["self_device"],
    "epoch": ["current_epoch", "_", "epoch_", "t"],
    "bar": ["progress_bar", "loop"],
    "i": ["global_step", "batch_idx", "index", "_i"],
    "x": ["batch", "args", "self"],
    "y": ["label", "idx"],
    "out": ["result_", "output_"],
    "loss": ["l", "loss_"],
    "batch": ["batch", "self", "data_"],
    "epochs": ["max_epochs", "current_epoch"],
    "history": ["logger", "metrics", "log_", "callbacks", "children"],
    "counter": ["global_step", "current_epoch", "step_count", "state"],
    "running": ["training", "total", "parameters_", "buffers"],
    "correct": ["correct_", "state_dict"],
    "best": ["best_model", "device_", "dtype"],
    "result": ["result", "validation_step", "acc"],
    "train": ["training_step", "fit", "train"],
    "evaluate": ["eval_", "validation_step", "test_step"],
    "main": ["Main", "trainer_main"],
    "Net": ["LitNet", "LightningNet", "Module", "Trainer"],
    "extra": ["hparams", "device_", "prepare_data", "print_"],
    "aux": ["layer", "teacher", "backbone"],
    "args": ["hparams", "self_args", "cfg"],
}


def choose(rng: random.Random, nasty: float) -> dict[str, str]:
    """A different name for each role; `nasty` is the share of the troublesome ones."""
    chosen: dict[str, str] = {}
    for role, usual in USUAL.items():
        pool = NASTY[role] if rng.random() < nasty else usual
        free = [name for name in pool if name not in chosen.values()]
        free = free or [name for name in usual if name not in chosen.values()] or [f"{role}_1"]
        chosen[role] = rng.choice(free)
    return chosen


def renamed(rng: random.Random, names: dict[str, str], roles: list[str], nasty: float) -> dict[str, str]:
    """The names inside a function: some of the `roles` get another name than in the caller."""
    inner = dict(names)
    for role in roles:
        if rng.random() < 0.3:
            pool = [n for n in USUAL[role] + (NASTY[role] if nasty else []) if n not in inner.values()]
            inner[role] = rng.choice(pool) if pool else inner[role]
    return inner
