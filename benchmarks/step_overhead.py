"""How much a training step costs beside the user's own code.

Trains the same small MLP with Adam on the same ready-made batches in three ways: a plain loop, ``runtime.Trainer``
and ``pytorch_lightning.Trainer`` (everything optional switched off). The ways are run in turn, round after round, so
that a busy machine slows all of them alike; each round gives one ratio to the plain loop of the same round.

    python benchmarks/step_overhead.py [--rounds 15] [--steps 400] [--width 64]
"""

from __future__ import annotations

import argparse
import logging
import statistics
import time
import warnings
from collections.abc import Callable
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import runtime

Batches = list[tuple[Tensor, Tensor]]


def make_model(width: int) -> nn.Module:
    """A three-layer perceptron for 64 features and 10 classes, always with the same parameters."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(64, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 10))


def make_batches(steps: int) -> Batches:
    """Batches of 32 random samples."""
    torch.manual_seed(1)
    return [(torch.randn(32, 64), torch.randint(10, (32,))) for _ in range(steps)]


def training_step(self: Any, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
    data, target = batch
    return F.cross_entropy(self.model(data), target)


def configure_optimizers(self: Any) -> torch.optim.Optimizer:
    return torch.optim.Adam(self.model.parameters(), lr=1e-3)


def make_module(base: type[pl.LightningModule], model: nn.Module) -> pl.LightningModule:
    """The same module on top of ``runtime.Module`` or ``pytorch_lightning.LightningModule``."""
    module = type("Lit", (base,), {"training_step": training_step, "configure_optimizers": configure_optimizers})()
    module.model = model
    return module  # type: ignore[no-any-return]


class Clock(pl.Callback):
    """Measures from the first batch's begin to the end of the epoch: set-up does not count."""

    def on_train_epoch_start(self, *_: Any) -> None:
        """Start."""
        self.start = time.perf_counter()

    def on_train_epoch_end(self, *_: Any) -> None:
        """Stop."""
        self.seconds = time.perf_counter() - self.start


def plain(batches: Batches, width: int) -> tuple[float, nn.Module]:
    """The loop as a script writes it; returns seconds and the trained model."""
    model = make_model(width)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    start = time.perf_counter()
    for data, target in batches:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(data), target)
        loss.backward()
        optimizer.step()
    return time.perf_counter() - start, model


def with_runtime(batches: Batches, width: int) -> tuple[float, nn.Module]:
    """``runtime.Trainer`` with its defaults."""
    model, clock = make_model(width), Clock()
    runtime.Trainer(max_epochs=1, callbacks=[clock]).fit(make_module(runtime.Module, model), batches)
    return clock.seconds, model


def with_lightning(batches: Batches, width: int) -> tuple[float, nn.Module]:
    """``pytorch_lightning.Trainer`` with everything switched off that can be."""
    model, clock = make_model(width), Clock()
    off: dict[str, Any] = dict.fromkeys(("logger", "enable_checkpointing", "enable_progress_bar"), False)
    trainer = pl.Trainer(max_epochs=1, accelerator="cpu", enable_model_summary=False, callbacks=[clock], **off)
    trainer.fit(make_module(pl.LightningModule, model), torch.utils.data.DataLoader(batches, batch_size=None))  # type: ignore[arg-type]
    return clock.seconds, model


def same(first: nn.Module, second: nn.Module) -> bool:
    """Whether two models have the same parameters, bit for bit."""
    return all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))


def main() -> None:
    """Run the comparison and print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--width", type=int, default=64)
    args = parser.parse_args()
    torch.set_num_threads(1)
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    warnings.simplefilter("ignore")
    batches = make_batches(args.steps)
    ways: dict[str, Callable[[Batches, int], tuple[float, nn.Module]]] = {
        "plain loop": plain,
        "runtime.Trainer": with_runtime,
        "pytorch_lightning.Trainer": with_lightning,
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(args.rounds):
        models = []
        for name, run in ways.items():
            elapsed, model = run(batches, args.width)
            seconds[name].append(elapsed)
            models.append(model)
        assert same(models[0], models[1]), "runtime.Trainer trained other parameters than the plain loop"
    report(seconds, args.steps)


def report(seconds: dict[str, list[float]], steps: int) -> None:
    """Print, per way, the time of a step and the ratio to the plain loop: median and quartiles over the rounds."""
    base = seconds["plain loop"]
    print(f"{'':28}{'us/step':>9}{'ratio':>8}{'quartiles':>18}")
    for name, values in seconds.items():
        ratios = [value / other for value, other in zip(values, base, strict=True)]
        low, middle, high = statistics.quantiles(ratios, n=4, method="inclusive")
        step = statistics.median(values) / steps * 1e6
        print(f"{name:28}{step:9.0f}{middle:8.3f}{f'{low:.3f} .. {high:.3f}':>18}")


if __name__ == "__main__":
    main()
