"""A Trainer that was told of no device leaves a module on the accelerator where the script has put it.

The tests know one accelerator, `meta`, which holds no numbers: enough to see where everything is.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from runtime import Module, Trainer

META = torch.device("meta")


class Placed(Module):
    """Steps by itself, on the device of its network, and notes where everything is."""

    def __init__(self, net: nn.Module, *others: nn.Module) -> None:
        super().__init__()
        self.net, self.others = net, nn.ModuleList(others)
        self.optimizer = torch.optim.Adam(net.parameters())
        self.seen: list[torch.device] = []
        self.automatic_optimization = False

    def training_step(self, batch: torch.Tensor, batch_idx: int) -> None:
        loss = self.net(batch.to(META)).sum()
        self.optimizer.zero_grad()
        self.manual_backward(loss)
        self.optimizer.step()
        self.seen += [batch.device, loss.device, self.device]

    def validation_step(self, batch: torch.Tensor, batch_idx: int) -> None:
        self.seen += [batch.device, self.net(batch.to(META)).device, self.device]

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return self.optimizer


def test_a_module_stays_on_its_accelerator_and_batches_where_they_are() -> None:
    module = Placed(nn.Linear(2, 1, device=META))
    loader = [torch.ones(4, 2), torch.ones(4, 2)]
    for _ in range(2):  # a second run begins like the first
        trainer = Trainer(max_epochs=2)
        trainer.fit(module, loader, loader)
        trainer.validate(module, loader)
    assert set(module.seen[::3]) == {torch.device("cpu")}
    assert {*module.seen[1::3], *module.seen[2::3]} == {META}
    state = module.optimizer.state[module.net.weight]
    assert module.net.weight.device == META and state["exp_avg"].device == META


def test_one_trainer_trains_modules_of_different_places() -> None:
    trainer = Trainer(max_epochs=1)
    placed = Placed(nn.Linear(2, 1, device=META))
    trainer.fit(placed, [torch.ones(4, 2)])
    other = Ordinary()
    trainer.fit_loop.epoch_progress.reset()
    trainer.fit(other, [torch.ones(4, 2)])
    assert placed.net.weight.device == META and other.device == torch.device("cpu")


def test_what_the_script_keeps_on_the_cpu_stays_there() -> None:
    module = Placed(nn.Linear(2, 1, device=META), nn.Embedding(3, 2))
    Trainer(max_epochs=1).fit(module, [torch.ones(4, 2)])
    assert module.others[0].weight.device == torch.device("cpu")


class Ordinary(Module):
    """Trains on the CPU."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Linear(2, 1)

    def training_step(self, batch: torch.Tensor, batch_idx: int) -> torch.Tensor:
        loss: torch.Tensor = self.net(batch).sum()
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)


@pytest.mark.parametrize("given", [{}, {"accelerator": "cpu"}, {"device": "cpu"}, {"strategy": "auto"}])
def test_a_module_on_the_cpu_is_trained_there(given: dict[str, Any]) -> None:
    module = Ordinary()
    Trainer(max_epochs=1, **given).fit(module, [torch.ones(4, 2)])
    assert module.device == module.net.weight.device == torch.device("cpu")
    assert not module.net.weight.equal(Ordinary().net.weight)


@pytest.mark.parametrize("given", [{"accelerator": "cpu"}, {"device": "cpu"}, {"devices": 1, "accelerator": "cpu"}])
def test_a_trainer_that_was_told_of_the_cpu_moves_the_module(given: dict[str, Any]) -> None:
    """What is on `meta` cannot be moved: the attempt shows."""
    with pytest.raises(NotImplementedError, match="meta"):
        Trainer(max_epochs=1, **given).fit(Placed(nn.Linear(2, 1, device=META)), [torch.ones(4, 2)])


def test_buffers_of_a_module_on_the_cpu_stay_where_they_are() -> None:
    module = Ordinary()
    module.register_buffer("table", torch.zeros(2, device=META))
    Trainer(max_epochs=1).fit(module, [torch.ones(4, 2)])
    assert module.table.device == META
