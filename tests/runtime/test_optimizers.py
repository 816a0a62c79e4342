"""What `configure_optimizers` may return besides optimizers of torch: wrappers, steps without a closure, nothing."""

from __future__ import annotations

from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from torch import nn

import runtime
from runtime.optimizers import ScriptsOptimizer, fitted
from tests.runtime.parity import Lit, Record, assert_same, bits, fit, loaders, mlp, sgd, train_step


class Wrapper:
    """Clears and steps, and is no optimizer of torch."""

    def __init__(self, record: Record, parameters: Any) -> None:
        self.inner, self.record = record.watch(sgd(parameters)), record

    def zero_grad(self) -> None:
        self.record("cleared")
        self.inner.zero_grad()

    def step(self) -> None:
        self.record("stepped", torch.rand(1).item())
        self.inner.step()


class Plain(torch.optim.SGD):
    """Takes no closure."""

    def step(self) -> None:  # type: ignore[override]
        super().step()


class OwnOptimizer(Lit):
    def configure_optimizers(self) -> Any:
        return Wrapper(self.record, self.model.parameters())


def plain_loop(record: Record) -> None:
    model, (training, _) = mlp(), loaders()
    optimizer: Any = Wrapper(record, model.parameters())
    for _ in range(3):
        for batch in training:
            train_step(record, model, optimizer, batch)


def test_a_wrapper_is_cleared_and_stepped_as_the_script_does() -> None:
    assert_same(plain_loop, lambda record: fit(OwnOptimizer(record, mlp()), loaders()[0]))


def test_a_wrapper_trains_in_lightnings_own_loop() -> None:
    """There the loss comes before the gradients are cleared."""
    expected, actual = Record(), Record()
    plain_loop(expected)
    trainer = runtime.Trainer(max_epochs=3, profiler="simple")
    trainer.fit(OwnOptimizer(actual, mlp()), loaders()[0])
    assert trainer.lean_loop_reason is not None
    assert [event[0] for event in actual.events].count("stepped") == 12
    assert {event[0] for event in actual.events} == {event[0] for event in expected.events}


def test_a_wrapper_trains_under_a_plain_lightning_trainer() -> None:
    record = Record()
    module = OwnOptimizer(record, mlp())
    before = bits(module.model[0].weight)
    trainer = pl.Trainer(max_epochs=1, accelerator="cpu", logger=False, enable_checkpointing=False,
                         enable_progress_bar=False, enable_model_summary=False)  # fmt: skip
    trainer.fit(module, loaders()[0])
    assert bits(module.model[0].weight) != before and ("cleared",) in record.events


def test_a_scheduler_of_an_optimizer_that_takes_no_closure() -> None:
    class Scheduled(Lit):
        def configure_optimizers(self) -> Any:
            optimizer = self.record.watch(Plain(self.model.parameters(), lr=0.1))
            return [optimizer], [torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.5)]

    def loop(record: Record) -> None:
        model, (training, _) = mlp(), loaders()
        optimizer = record.watch(Plain(model.parameters(), lr=0.1))
        scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.5)
        for _ in range(3):
            for batch in training:
                train_step(record, model, optimizer, batch)
            scheduler.step()

    assert_same(loop, lambda record: fit(Scheduled(record, mlp()), loaders()[0]))


@pytest.mark.parametrize("nothing", [False, True], ids=["LBFGS", "None"])
def test_without_closures_a_step_that_cannot_be_fails_as_in_a_script(nothing: bool) -> None:
    class Fails(Lit):
        def __init__(self, *args: Any) -> None:
            super().__init__(*args)
            self.automatic_closure = False

        def configure_optimizers(self) -> Any:
            return None if nothing else torch.optim.LBFGS(self.model.parameters())

    expected = (AttributeError, "zero_grad") if nothing else (TypeError, "missing 1 required positional argument")
    with pytest.raises(expected[0], match=expected[1]):
        fit(Fails(Record(), mlp()), loaders()[0])


def test_with_closures_nothing_is_changed() -> None:
    model = mlp()
    lbfgs, adam = torch.optim.LBFGS(model.parameters()), torch.optim.Adam(model.parameters())
    schedulers = [torch.optim.lr_scheduler.StepLR(adam, 1)]
    assert fitted(lbfgs, True) is lbfgs and fitted(adam, False) is adam and fitted(None, True) is None
    configured = {"optimizer": adam}
    assert fitted(configured, True) is configured and fitted([adam, lbfgs], True) == [adam, lbfgs]
    assert fitted(([adam], schedulers), True) == ([adam], schedulers)


def test_what_lightning_asks_of_an_optimizer() -> None:
    model = nn.Linear(2, 1)
    plain, bare = Plain(model.parameters(), lr=0.5), ScriptsOptimizer(object())
    wrapped = fitted(plain, True)
    assert isinstance(wrapped, ScriptsOptimizer) and wrapped == plain and wrapped.param_groups is plain.param_groups
    assert wrapped.state is plain.state and wrapped.state_dict() == plain.state_dict() and wrapped.defaults["lr"] == 0.5
    wrapped.load_state_dict(
        {**plain.state_dict(), "param_groups": [{**plain.state_dict()["param_groups"][0], "lr": 2}]}
    )
    assert plain.param_groups[0]["lr"] == 2
    assert (bare.param_groups, bare.state, bare.defaults, bare.state_dict()) == ([], {}, {}, {})
    with pytest.raises(AttributeError, match="anything"):
        _ = bare.anything


def test_a_checkpoint_keeps_the_state_of_the_scripts_optimizer(tmp_path: Any) -> None:
    class Kept(Lit):
        def configure_optimizers(self) -> Any:
            return Plain(self.model.parameters(), lr=0.1, momentum=0.9)

    trainer = fit(Kept(Record(), mlp()), loaders()[0])
    trainer.save_checkpoint(tmp_path / "x.ckpt")
    saved = torch.load(tmp_path / "x.ckpt", weights_only=False)["optimizer_states"][0]
    assert saved["param_groups"][0]["lr"] == 0.1 and len(saved["state"]) == 6
    runtime.Trainer(max_epochs=4).fit(Kept(Record(), mlp()), loaders()[0], ckpt_path=tmp_path / "x.ckpt")


class Renewed(Lit):
    """Makes its optimizer anew for some epochs, and clears the gradients in its step."""

    def on_train_epoch_start(self) -> None:
        if self.current_epoch != 1:
            made = self.record.watch(sgd(self.model.parameters()))
            self.trainer.optimizers = [Wrapper(self.record, self.model.parameters()) if self.current_epoch else made]

    def configure_optimizers(self) -> Any:
        return None


def loop_with_new_optimizers(record: Record) -> None:
    model, (training, _) = mlp(), loaders()
    optimizer: Any = None
    for epoch in range(4):
        if epoch != 1:
            made = record.watch(sgd(model.parameters()))
            optimizer = Wrapper(record, model.parameters()) if epoch else made
        for batch in training:
            train_step(record, model, optimizer, batch)


def test_an_epoch_may_give_the_trainer_another_optimizer() -> None:
    def run(record: Record) -> None:
        fit(Renewed(record, mlp()), loaders()[0], max_epochs=4)

    assert_same(loop_with_new_optimizers, run)


def test_arguments_of_zero_grad_reach_the_scripts_optimizer() -> None:
    given: list[Any] = []

    class Own:
        def zero_grad(self, *args: Any, **kwargs: Any) -> None:
            given.append((args, kwargs))

        def step(self) -> None:
            pass

    optimizer = ScriptsOptimizer(Own())
    optimizer.zero_grad()
    optimizer.zero_grad(False)
    optimizer.zero_grad(set_to_none=False)
    assert given == [((), {}), ((False,), {}), ((), {"set_to_none": False})]
