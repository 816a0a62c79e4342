"""What is trained: a model, batches, and what goes on around the steps."""

from __future__ import annotations

import functools
import pathlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader

Batch = tuple[Tensor, Tensor]

PLAIN, EVALUATION, LOGGING, CALLBACKS, CLIPPING, ACCUMULATION = SETTINGS = (
    "plain",
    "evaluation",
    "logging",
    "logger, bar, checkpoint",
    "clipping",
    "accumulation",
)
CLIP = 1.0
WINDOW = 4
#: A logger writes after so many steps.
EVERY = 50


class Transformer(nn.Module):
    """A causal language model of two layers: (batch, 32) tokens in, (batch, 32, 64) scores out."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(64, 64)
        layer = nn.TransformerEncoderLayer(64, 4, 128, dropout=0.0, batch_first=True)
        self.layers = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.head = nn.Linear(64, 64)
        self.register_buffer("mask", nn.Transformer.generate_square_subsequent_mask(32))

    def forward(self, tokens: Tensor) -> Tensor:
        return self.head(self.layers(self.embedding(tokens), mask=self.mask))  # type: ignore[no-any-return]


def mlp() -> nn.Module:
    return nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))


def cnn() -> nn.Module:
    body = [nn.Conv2d(1, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 16, 3, 2, 1), nn.ReLU()]
    return nn.Sequential(*body, nn.Flatten(), nn.Linear(16 * 7 * 7, 10))


@dataclass(frozen=True)
class Model:
    """A kind of model, its data, and how many steps make one measurement."""

    make: Callable[[], nn.Module]
    batch: Callable[[], Batch]
    steps: int


MODELS = {
    "tiny MLP": Model(mlp, lambda: (torch.randn(32, 64), torch.randint(10, (32,))), 400),
    "small CNN": Model(cnn, lambda: (torch.randn(32, 1, 28, 28), torch.randint(10, (32,))), 80),
    "small transformer": Model(Transformer, lambda: (torch.randint(64, (16, 32)), torch.randint(64, (16, 32))), 30),
}


@functools.cache
def batches(model: str, steps: int) -> list[Batch]:
    """The same ready-made batches for every way: loading data is not what is measured."""
    torch.manual_seed(1)
    return [MODELS[model].batch() for _ in range(steps)]


@dataclass(frozen=True)
class Case:
    """One training: which model, what around the steps, where, and how precisely."""

    model: str
    setting: str = PLAIN
    device: str = "cpu"
    precision: str = "fp32"
    folder: pathlib.Path = pathlib.Path("build/bench")

    def make_model(self) -> nn.Module:
        """Always with the same parameters, on the CPU."""
        torch.manual_seed(0)
        return MODELS[self.model].make()

    def make_optimizer(self, parameters: Any) -> torch.optim.Optimizer:
        return torch.optim.Adam(parameters, lr=1e-3)

    def loader(self) -> DataLoader[Any]:
        return self._loader(MODELS[self.model].steps)

    def evaluation_loader(self) -> DataLoader[Any]:
        return self._loader(MODELS[self.model].steps // 3)

    def _loader(self, steps: int) -> DataLoader[Any]:
        return DataLoader(batches(self.model, steps), batch_size=1, collate_fn=itemgetter(0))  # type: ignore[arg-type]

    def watch(self) -> Watch:
        return Watch(self.device)


def loss_of(scores: Tensor, target: Tensor) -> Tensor:
    """Cross entropy over the last dimension of the scores."""
    return F.cross_entropy(scores.flatten(0, -2), target.flatten())


class Watch:
    """Measures a piece of a run: processor time on the CPU, which other programs disturb least, else wall time."""

    def __init__(self, device: str) -> None:
        self._device = device

    def start(self) -> None:
        self._begin = self._now()

    def stop(self) -> float:
        """Seconds since ``start``."""
        return self._now() - self._begin

    def _now(self) -> float:
        if self._device == "cpu":
            return time.process_time()
        torch.cuda.synchronize()
        return time.perf_counter()
