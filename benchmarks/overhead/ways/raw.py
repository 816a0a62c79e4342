"""The loop as a script writes it. It never logs, draws a bar or saves: the others are compared to the bare steps."""

from __future__ import annotations

import torch
from torch import nn

from benchmarks.overhead.cases import ACCUMULATION, CLIP, CLIPPING, EVALUATION, WINDOW, Case, loss_of
from benchmarks.overhead.cases import SETTINGS as ALL

LABEL = "raw loop"
SETTINGS = frozenset(ALL)
_TYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


def train(case: Case) -> tuple[float, nn.Module]:
    """One epoch."""
    model = case.make_model().to(case.device)
    optimizer = case.make_optimizer(model.parameters())
    watch, loader, evaluation = case.watch(), case.loader(), case.evaluation_loader()
    watch.start()
    if case.precision != "fp32":
        _mixed(case, model, optimizer, loader)
    elif case.setting == ACCUMULATION:
        _accumulating(case, model, optimizer, loader)
    else:
        _plain(case, model, optimizer, loader)
    if case.setting == EVALUATION:
        model.eval()
        total = 0.0
        with torch.no_grad():
            for data, target in evaluation:
                total += loss_of(model(data.to(case.device)), target.to(case.device)).item()
        model.train()
    return watch.stop(), model


def _plain(case, model, optimizer, loader) -> None:  # type: ignore[no-untyped-def]
    clips = case.setting == CLIPPING
    for data, target in loader:
        data, target = data.to(case.device), target.to(case.device)
        optimizer.zero_grad()
        loss = loss_of(model(data), target)
        loss.backward()
        if clips:
            nn.utils.clip_grad_norm_(model.parameters(), CLIP)
        optimizer.step()


def _accumulating(case, model, optimizer, loader) -> None:  # type: ignore[no-untyped-def]
    for index, (data, target) in enumerate(loader):
        data, target = data.to(case.device), target.to(case.device)
        loss = loss_of(model(data), target) / WINDOW
        loss.backward()
        if (index + 1) % WINDOW == 0 or index + 1 == len(loader):
            optimizer.step()
            optimizer.zero_grad()


def _mixed(case, model, optimizer, loader) -> None:  # type: ignore[no-untyped-def]
    scaler = torch.amp.GradScaler(case.device, enabled=case.precision == "fp16")
    for data, target in loader:
        data, target = data.to(case.device), target.to(case.device)
        optimizer.zero_grad()
        with torch.autocast(case.device, _TYPES[case.precision]):
            loss = loss_of(model(data), target)
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
