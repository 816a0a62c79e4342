"""A step without a loss: a batch that is left out, or a loss that is None, of which a script asks ``backward()``."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
import torch
from pytorch_lightning import LightningModule

from runtime import Module, Trainer

DATA = [torch.ones(1, 2), torch.zeros(1, 2), torch.ones(1, 2)]


class Steps(Module):
    """Counts the optimizer's steps."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(2, 1)
        self.stepped = 0

    def loss(self, batch: torch.Tensor) -> Any:
        """None for a batch of zeros."""
        return self.layer(batch).sum() if batch.any() else None

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        self.stepped += 1

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)


class LossIsNone(Steps):
    def training_step(self, batch: torch.Tensor) -> Any:
        loss = self.layer(batch).sum() if batch.any() else None
        return loss


class BehindABlock(Steps):
    def training_step(self, batch: torch.Tensor) -> Any:
        with contextlib.nullcontext():
            loss = self.loss(batch)
        return loss

    def loss(self, batch: torch.Tensor) -> Any:
        return {True: self.layer(batch).sum(), False: None}[bool(batch.any())]


class Left(Steps):
    def training_step(self, batch: torch.Tensor) -> Any:
        if not batch.any():
            return
        return self.layer(batch).sum()


class LeftInABlock(Steps):
    def training_step(self, batch: torch.Tensor) -> Any:
        with contextlib.nullcontext():
            if not batch.any():
                return
        return self.layer(batch).sum()


class FallsOff(Steps):
    def training_step(self, batch: torch.Tensor) -> Any:
        if batch.any():
            return self.layer(batch).sum()


class BySharedMethod(Steps):
    def training_step(self, batch: torch.Tensor) -> Any:
        return self.shared(batch)

    def shared(self, batch: torch.Tensor) -> Any:
        if not batch.any():
            return None
        return self.layer(batch).sum()


class BySuper(Left):
    def training_step(self, batch: torch.Tensor) -> Any:
        return super().training_step(batch)


@pytest.mark.parametrize("kind", [LossIsNone, BehindABlock])
@pytest.mark.parametrize("batches", [1, 2])
def test_a_loss_that_is_none_is_an_error(kind: type[Steps], batches: int) -> None:
    module = kind()
    with pytest.raises(AttributeError, match="'NoneType' object has no attribute 'backward'"):
        Trainer(max_epochs=1, accumulate_grad_batches=batches).fit(module, DATA)
    assert module.stepped == (1 if batches == 1 else 0)


@pytest.mark.parametrize("kind", [Left, LeftInABlock, FallsOff, BySharedMethod, BySuper])
def test_a_return_without_a_value_leaves_a_batch_out(kind: type[Steps]) -> None:
    module = kind()
    Trainer(max_epochs=1).fit(module, DATA)
    assert module.stepped == 2


def test_a_module_of_lightning_leaves_batches_out_as_lightning_does() -> None:
    class Plain(LightningModule):
        __init__, loss, configure_optimizers = Steps.__init__, Steps.loss, Steps.configure_optimizers
        on_before_optimizer_step, training_step = Steps.on_before_optimizer_step, LossIsNone.training_step

    module = Plain.__new__(Plain)
    LightningModule.__init__(module)
    module.layer, module.stepped = torch.nn.Linear(2, 1), 0
    Trainer(max_epochs=1).fit(module, DATA)
    assert module.stepped == 2


class Summed:
    """A loss of a script's own, which is no tensor."""

    def __init__(self, parts: list[torch.Tensor]) -> None:
        self.parts = parts

    def backward(self) -> None:
        torch.stack(self.parts).sum().backward()


class Manual(Steps):
    def __init__(self, lost: Any) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.lost = lost

    def training_step(self, batch: torch.Tensor) -> None:
        optimizer: Any = self.optimizers()
        optimizer.zero_grad()
        self.manual_backward(self.lost(self.layer(batch)))
        optimizer.step()


@pytest.mark.parametrize(("lost", "name"), [(lambda output: None, "NoneType"), (lambda output: 0.5, "float")])
def test_what_is_no_tensor_says_so_in_manual_optimization(lost: Any, name: str) -> None:
    with pytest.raises(AttributeError, match=f"'{name}' object has no attribute 'backward'"):
        Trainer(max_epochs=1).fit(Manual(lost), DATA)


def test_an_object_with_its_own_backward_is_asked_for_it() -> None:
    module = Manual(lambda output: Summed([output.sum(), output.sum()]))
    before = module.layer.weight.detach().clone()
    Trainer(max_epochs=1).fit(module, DATA)
    assert torch.allclose(module.layer.weight, before - 0.4)
