"""A loop with Lightning's Fabric; its bar and its checkpoint are written by hand, as its guide does."""

from __future__ import annotations

import sys
from typing import Any

import torch
from lightning_fabric import Fabric
from lightning_fabric.loggers import CSVLogger
from torch import nn
from tqdm import tqdm

from benchmarks.overhead.cases import (
    ACCUMULATION,
    CALLBACKS,
    CLIP,
    CLIPPING,
    EVALUATION,
    EVERY,
    LOGGING,
    WINDOW,
    Case,
    loss_of,
)
from benchmarks.overhead.cases import (
    SETTINGS as ALL,
)

LABEL = "Fabric"
SETTINGS = frozenset(ALL)
_PRECISION = {"fp32": "32-true", "bf16": "bf16-mixed", "fp16": "16-mixed"}


def train(case: Case) -> tuple[float, nn.Module]:
    """One epoch."""
    logs = case.setting in (LOGGING, CALLBACKS)
    fabric: Any = Fabric(
        accelerator="cpu" if case.device == "cpu" else "gpu",
        devices=1,
        precision=_PRECISION[case.precision],  # type: ignore[arg-type]
        loggers=CSVLogger(case.folder) if logs else None,
    )
    plain = case.make_model()
    model, optimizer = fabric.setup(plain, case.make_optimizer(plain.parameters()))
    loader, evaluation = fabric.setup_dataloaders(case.loader(), case.evaluation_loader())
    watch = case.watch()
    watch.start()
    bar = tqdm(loader, file=sys.stdout) if case.setting == CALLBACKS else None
    for index, (data, target) in enumerate(bar or loader):
        last = (index + 1) % WINDOW == 0 or index + 1 == len(loader) or case.setting != ACCUMULATION
        with fabric.no_backward_sync(model, enabled=not last):
            loss = loss_of(model(data), target)
            fabric.backward(loss / WINDOW if case.setting == ACCUMULATION else loss)
        if case.setting == CLIPPING:
            fabric.clip_gradients(model, optimizer, max_norm=CLIP)
        if last:
            optimizer.step()
            optimizer.zero_grad()
        if logs and (index + 1) % EVERY == 0:
            fabric.log("loss", loss, step=index)
            if bar is not None:
                bar.set_postfix(loss=loss.item())
    if case.setting == EVALUATION:
        model.eval()
        with torch.no_grad():
            sum(loss_of(model(data), target).item() for data, target in evaluation)
        model.train()
    seconds = watch.stop()
    if case.setting == CALLBACKS:  # not timed: the Trainers' callbacks save behind the clock's last hook
        fabric.save(case.folder / "fabric.ckpt", {"model": model, "optimizer": optimizer})
    return seconds, plain
