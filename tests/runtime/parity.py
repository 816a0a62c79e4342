"""Compares a plain loop with the same training under the Trainer, bit for bit."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

import runtime

torch.set_num_threads(1)


class Record:
    """What happened, in order: whatever the code under test notes, and the parameters after every step."""

    def __init__(self) -> None:
        self.events: list[Any] = []

    def __call__(self, *event: Any) -> None:
        self.events.append(event)

    def watch(self, optimizer: torch.optim.Optimizer) -> torch.optim.Optimizer:
        """Note parameters and learning rates after every step of the optimizer, and the gradients just before it."""
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        optimizer.register_step_pre_hook(
            lambda *_: self("gradients", [None if p.grad is None else bits(p.grad) for p in parameters])
        )
        optimizer.register_step_post_hook(
            lambda o, *_: self("step", [bits(p) for p in parameters], [group["lr"] for group in o.param_groups])
        )
        return optimizer


def bits(tensor: Tensor) -> bytes:
    """The tensor's content, exactly."""
    return tensor.detach().contiguous().numpy().tobytes()


def seed(value: int = 0) -> None:
    """Set all three global generators."""
    torch.manual_seed(value)
    np.random.seed(value)
    random.seed(value)


def random_states() -> tuple[Any, ...]:
    """The state of all three global generators."""
    return torch.get_rng_state().tolist(), np.random.get_state()[1].tolist(), random.getstate()  # type: ignore[union-attr,index]


def run(train: Callable[[Record], Any]) -> tuple[list[Any], tuple[Any, ...]]:
    """Run from a fixed seed; returns the events and the random states at the end."""
    seed()
    record = Record()
    train(record)
    return record.events, random_states()


def assert_same(loop: Callable[[Record], Any], converted: Callable[[Record], Any]) -> list[Any]:
    """Both must note the same events and leave the same random states; returns the events."""
    expected, states = run(loop)
    actual, other_states = run(converted)
    assert expected, "nothing was trained"
    assert actual == expected
    assert other_states == states
    return expected


def mlp() -> nn.Sequential:
    """A small classifier of 4 features into 3 classes, with dropout and batch normalisation."""
    return nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.3), nn.Linear(8, 3))


def samples(count: int = 20) -> TensorDataset:
    """Random samples for ``mlp``."""
    return TensorDataset(torch.randn(count, 4), torch.randint(3, (count,)))


def loaders(count: int = 20, batch_size: int = 5, **kwargs: Any) -> tuple[DataLoader[Any], DataLoader[Any]]:
    """A shuffled training loader and an evaluation loader."""
    training = DataLoader(samples(count), batch_size, shuffle=True, **kwargs)
    return training, DataLoader(samples(11), 4)


class Lit(runtime.Module):
    """The counterpart of ``plain_loop``."""

    def __init__(self, record: Record, model: nn.Module, optimizer: Callable[..., torch.optim.Optimizer] | None = None):
        super().__init__()
        self.record = record
        self.model = model
        self.make_optimizer = optimizer or sgd

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        data, target = batch
        loss = nn.functional.cross_entropy(self.model(data), target)
        self.record("loss", loss.item())
        return loss

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        data, target = batch
        self.record("evaluation", nn.functional.cross_entropy(self.model(data), target).item())

    def configure_optimizers(self) -> Any:
        return self.record.watch(self.make_optimizer(self.model.parameters()))


def sgd(parameters: Any) -> torch.optim.Optimizer:
    """SGD with momentum and weight decay: it moves parameters whose gradients are zero."""
    return torch.optim.SGD(parameters, lr=0.1, momentum=0.9, weight_decay=0.01)


def train_step(record: Record, model: nn.Module, optimizer: torch.optim.Optimizer, batch: Any) -> None:
    """The body of a plain training loop."""
    data, target = batch
    optimizer.zero_grad()
    loss = nn.functional.cross_entropy(model(data), target)
    record("loss", loss.item())
    loss.backward()
    optimizer.step()


def evaluate(record: Record, model: nn.Module, loader: Any) -> None:
    """A plain evaluation in the middle of training."""
    model.eval()
    with torch.no_grad():
        for data, target in loader:
            record("evaluation", nn.functional.cross_entropy(model(data), target).item())
    model.train()


def plain_loop(record: Record, model: nn.Module, training: Any, evaluation: Any = None, epochs: int = 3) -> None:
    """Train and evaluate as a script does."""
    optimizer = record.watch(sgd(model.parameters()))
    for _ in range(epochs):
        for batch in training:
            train_step(record, model, optimizer, batch)
        if evaluation is not None:
            evaluate(record, model, evaluation)


def fit(module: Lit, *data: Any, **trainer: Any) -> runtime.Trainer:
    """Train for three epochs in the lean loop."""
    fitting = runtime.Trainer(**{"max_epochs": 3, **trainer})
    fitting.fit(module, *data)
    assert fitting.lean_loop_reason is None
    return fitting
