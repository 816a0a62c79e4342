"""A loop with Accelerate, which has no logger to files and no checkpoint callback."""

from __future__ import annotations

from typing import Any

import torch
from accelerate import Accelerator
from torch import nn

from benchmarks.overhead.cases import ACCUMULATION, CLIP, CLIPPING, EVALUATION, PLAIN, WINDOW, Case, loss_of

LABEL = "Accelerate"
SETTINGS = frozenset((PLAIN, EVALUATION, CLIPPING, ACCUMULATION))
_PRECISION = {"fp32": "no", "bf16": "bf16", "fp16": "fp16"}


def train(case: Case) -> tuple[float, nn.Module]:
    """One epoch."""
    accelerator: Any = Accelerator(
        cpu=case.device == "cpu",
        mixed_precision=_PRECISION[case.precision],
        gradient_accumulation_steps=WINDOW if case.setting == ACCUMULATION else 1,
    )
    plain = case.make_model()
    model, optimizer, loader, evaluation = accelerator.prepare(
        plain, case.make_optimizer(plain.parameters()), case.loader(), case.evaluation_loader()
    )
    watch = case.watch()
    watch.start()
    for data, target in loader:
        with accelerator.accumulate(model):
            loss = loss_of(model(data), target)
            accelerator.backward(loss)
            if case.setting == CLIPPING and accelerator.sync_gradients:
                accelerator.clip_grad_norm_(model.parameters(), CLIP)
            optimizer.step()
            optimizer.zero_grad()
    if case.setting == EVALUATION:
        model.eval()
        with torch.no_grad():
            sum(loss_of(model(data), target).item() for data, target in evaluation)
        model.train()
    seconds = watch.stop()
    accelerator.free_memory()
    return seconds, plain
