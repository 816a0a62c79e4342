"""What the scenarios on two processes train."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

import runtime
from runtime import sharded


def linear() -> nn.Module:
    model = nn.Linear(3, 1).double()
    for parameter in model.parameters():
        nn.init.zeros_(parameter)
    return model


def network() -> nn.Module:
    torch.manual_seed(3)
    return nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 1)).double()


class Keeps(runtime.Module):
    """Regression; notes the numbers of the samples, the losses and a random number of each step."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model
        self.dtype_ = next(model.parameters()).dtype
        self.seen: list[list[int]] = []
        self.drawn: list[float] = []
        self.evaluated: list[list[int]] = []

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        number, data, target = batch
        self.seen.append(number.tolist())
        self.drawn.append(torch.rand(()).item())
        data, target = (part.to(self.dtype_) for part in (data, target))
        return (self.model(data).squeeze(1) - target).square().mean()

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        self.evaluated.append(batch[0].tolist())

    def configure_optimizers(self) -> Any:
        return torch.optim.SGD(self.model.parameters(), lr=2**-4)


class Lit(Keeps):
    """Adds up what all processes have evaluated."""

    def on_validation_epoch_end(self) -> None:
        self.count = self.sum_across_ranks(len(self.evaluated))


class Skips(Lit):
    """Trains the second epoch and the last one alone."""

    def on_train_epoch_start(self) -> None:
        if self.current_epoch in (0, 2):
            self.skip_epoch()


class TwoLosses(Lit):
    """Two networks, of which each loss trains one."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__(model)
        self.second = linear()
        self.automatic_optimization = False

    def training_step(self, batch: Any, batch_idx: int) -> None:
        number, data, target = batch
        self.seen.append(number.tolist())
        self.drawn.append(torch.rand(()).item())
        for optimizer, network in zip(self.optimizers(), (self.model, self.second)):
            optimizer.zero_grad()
            self.manual_backward((network(data).squeeze(1) - target).square().mean())
            optimizer.step()

    def configure_optimizers(self) -> Any:
        return [torch.optim.SGD(network.parameters(), lr=2**-4) for network in (self.model, self.second)]


class WithTarget(Lit):
    """Trained with one loss; a second network gets no gradients, and follows the first."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__(model)
        self.target = linear()
        self.target.load_state_dict(model.state_dict())

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        number, data, target = batch
        with torch.no_grad():
            target = target + (self.target(data).squeeze(1) / 4).round()
        return super().training_step((number, data, target), batch_idx)

    def on_train_epoch_end(self) -> None:
        self.target.load_state_dict(self.model.state_dict())


class Thaws(Lit):
    """The weight is frozen when training begins, and trained from the second epoch on."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__(model)
        model.weight.requires_grad_(False)  # type: ignore[union-attr]

    def on_train_epoch_start(self) -> None:
        if self.current_epoch == 1:
            self.model.weight.requires_grad_(True)  # type: ignore[union-attr]


class ThawsInTheStep(TwoLosses):
    """As GANs do it: a network is frozen while it is not trained, and here from the start."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__(model)
        self.second.requires_grad_(False)

    def training_step(self, batch: Any, batch_idx: int) -> None:
        self.second.requires_grad_(True)
        super().training_step(batch, batch_idx)
        self.second.requires_grad_(False)


class WithAdam(Lit):
    """Its optimizer has a state; notes the shapes of the whole parameters."""

    shapes: list[tuple[int, ...]]

    def on_train_epoch_end(self) -> None:
        with sharded.whole_parameters(self.trainer):
            self.shapes = [tuple(parameter.shape) for parameter in self.model.parameters()]

    def configure_optimizers(self) -> Any:
        return torch.optim.Adam(self.model.parameters(), lr=2**-4)


class LooksAtGradients(Lit):
    """Does so where FSDP has divided them."""

    def on_before_optimizer_step(self, optimizer: Any) -> None:
        self.found = [parameter.grad for parameter in self.model.parameters()]
