"""Steps happen in the script's order, with the script's gradients."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.optim.lr_scheduler import LambdaLR

import runtime
from tests.runtime.parity import Lit, Record, assert_same, evaluate, fit, loaders, mlp, plain_loop, sgd, train_step


@pytest.mark.parametrize("optimizer", [torch.optim.SGD, torch.optim.Adam, torch.optim.Adadelta, torch.optim.RMSprop])
def test_optimizers(optimizer: type[torch.optim.Optimizer]) -> None:
    def make(parameters: Any) -> torch.optim.Optimizer:
        return optimizer(parameters, lr=0.01)

    def loop(record: Record) -> None:
        model = mlp()
        training, evaluation = loaders()
        stepping = record.watch(make(model.parameters()))
        for _ in range(3):
            for batch in training:
                train_step(record, model, stepping, batch)
            evaluate(record, model, evaluation)

    assert_same(loop, lambda record: fit(Lit(record, mlp(), make), *loaders()))


def test_seed_at_the_start_of_an_epoch() -> None:
    class Seeds(Lit):
        def on_train_epoch_start(self) -> None:
            torch.manual_seed(self.current_epoch)
            np.random.seed(self.current_epoch)

    def loop(record: Record) -> None:
        model, (training, _) = mlp(), loaders()
        optimizer = record.watch(sgd(model.parameters()))
        for epoch in range(3):
            torch.manual_seed(epoch)
            np.random.seed(epoch)
            for batch in training:
                train_step(record, model, optimizer, batch)

    assert_same(loop, lambda record: fit(Seeds(record, mlp()), loaders()[0]))


def test_partial_backward_inside_the_step() -> None:
    """A part of the loss is sent backward in the step itself: its gradients must survive."""

    class Partial(Lit):
        def training_step(self, batch: Any, batch_idx: int) -> Tensor:
            data, target = batch
            first, second = losses(self.model, data, target)
            self.record("loss", first.item(), second.item())
            first.backward(retain_graph=True)
            return second

    def losses(model: nn.Module, data: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        output = model(data)
        return cross_entropy(output, target), output.square().mean()

    def loop(record: Record) -> None:
        model, (training, _) = mlp(), loaders()
        optimizer = record.watch(sgd(model.parameters()))
        for _ in range(3):
            for data, target in training:
                optimizer.zero_grad()
                first, second = losses(model, data, target)
                record("loss", first.item(), second.item())
                first.backward(retain_graph=True)
                second.backward()
                optimizer.step()

    assert_same(loop, lambda record: fit(Partial(record, mlp()), loaders()[0]))


class Branches(nn.Module):
    """Uses one half of its parameters in turn with the other."""

    def __init__(self) -> None:
        super().__init__()
        self.halves = nn.ModuleList([nn.Linear(4, 3), nn.Linear(4, 3)])
        self.calls = 0

    def forward(self, data: Tensor) -> Tensor:
        self.calls += 1
        return self.halves[self.calls % 2](data)


def test_momentum_with_unused_parameters() -> None:
    def loop(record: Record) -> None:
        plain_loop(record, Branches(), *loaders())

    assert_same(loop, lambda record: fit(Lit(record, Branches()), *loaders()))


def test_gradients_from_before_are_kept() -> None:
    """A script that never clears gradients trains with the sum, also of those from before the loop."""

    class Accumulates(Lit):
        def optimizer_zero_grad(self, epoch: int, batch_idx: int, optimizer: Any) -> None:
            pass

    def warmed_up() -> nn.Module:
        model = mlp()
        model(torch.randn(5, 4)).sum().backward()
        return model

    def loop(record: Record) -> None:
        model = warmed_up()
        training, evaluation = loaders()
        optimizer = record.watch(sgd(model.parameters()))
        for _ in range(3):
            for data, target in training:
                loss = cross_entropy(model(data), target)
                record("loss", loss.item())
                loss.backward()
                optimizer.step()
            evaluate(record, model, evaluation)

    assert_same(loop, lambda record: fit(Accumulates(record, warmed_up()), *loaders()))


def test_step_that_returns_none_is_skipped() -> None:
    class Skips(Lit):
        def training_step(self, batch: Any, batch_idx: int) -> Any:
            loss = super().training_step(batch, batch_idx)
            return None if batch_idx % 2 else loss

        def configure_optimizers(self) -> Any:
            optimizer = super().configure_optimizers()
            schedule = LambdaLR(optimizer, lambda step: 0.9**step)
            return [optimizer], [{"scheduler": schedule, "interval": "step"}]

    def loop(record: Record) -> None:
        model, (training, _) = mlp(), loaders()
        optimizer = record.watch(sgd(model.parameters()))
        schedule = LambdaLR(optimizer, lambda step: 0.9**step)
        for _ in range(3):
            for index, (data, target) in enumerate(training):
                optimizer.zero_grad()
                loss = cross_entropy(model(data), target)
                record("loss", loss.item())
                if index % 2:
                    continue
                loss.backward()
                optimizer.step()
                schedule.step()

    def converted(record: Record) -> None:
        assert fit(Skips(record, mlp()), loaders()[0]).global_step == 6

    assert_same(loop, converted)


def test_loss_in_a_dictionary() -> None:
    outputs = []

    class Dictionary(Lit):
        def training_step(self, batch: Any, batch_idx: int) -> Any:
            return {"loss": super().training_step(batch, batch_idx), "more": batch_idx}

        def on_train_batch_end(self, result: Any, batch: Any, batch_idx: int) -> None:
            outputs.append(result)

    assert_same(
        lambda record: plain_loop(record, mlp(), loaders()[0]),
        lambda record: fit(Dictionary(record, mlp()), loaders()[0]),
    )
    assert [output["more"] for output in outputs] == [0, 1, 2, 3] * 3
    assert not outputs[0]["loss"].requires_grad


def test_gradient_clipping() -> None:
    def loop(record: Record) -> None:
        model, (training, _) = mlp(), loaders()
        optimizer = record.watch(sgd(model.parameters()))
        for _ in range(3):
            for data, target in training:
                optimizer.zero_grad()
                loss = cross_entropy(model(data), target)
                record("loss", loss.item())
                loss.backward()
                nn.utils.clip_grad_norm_(model.parameters(), 0.1)
                optimizer.step()

    assert_same(loop, lambda record: fit(Lit(record, mlp()), loaders()[0], gradient_clip_val=0.1))


def test_hooks_around_the_step_see_current_gradients() -> None:
    class Looks(Lit):
        def on_before_optimizer_step(self, optimizer: Any) -> None:
            self.record("norm", sum(p.grad.norm().item() for p in self.model.parameters()))

        def on_after_backward(self) -> None:
            self.record("backward")

    def loop(record: Record) -> None:
        model, (training, _) = mlp(), loaders()
        optimizer = record.watch(sgd(model.parameters()))
        for _ in range(3):
            for data, target in training:
                optimizer.zero_grad()
                loss = cross_entropy(model(data), target)
                record("loss", loss.item())
                loss.backward()
                record("backward")
                record("norm", sum(p.grad.norm().item() for p in model.parameters()))  # type: ignore[union-attr]
                optimizer.step()

    assert_same(loop, lambda record: fit(Looks(record, mlp()), loaders()[0]))


def test_manual_optimization_of_two_optimizers() -> None:
    def parts() -> tuple[nn.Module, nn.Module]:
        return nn.Linear(4, 4), nn.Linear(4, 3)

    class Manual(runtime.Module):
        def __init__(self, record: Record, first: nn.Module, second: nn.Module) -> None:
            super().__init__()
            self.automatic_optimization = False
            self.record, self.first, self.second = record, first, second

        def training_step(self, batch: Any, batch_idx: int) -> None:
            data, target = batch
            one, two = self.optimizers()
            one.zero_grad()
            loss = cross_entropy(self.second(self.first(data)), target)
            self.record("loss", loss.item())
            self.manual_backward(loss, retain_graph=True)
            one.step()
            two.zero_grad()
            loss = self.second(self.first(data).detach()).square().mean()
            self.record("loss", loss.item())
            self.manual_backward(loss)
            two.step()

        def configure_optimizers(self) -> Any:
            return [self.record.watch(sgd(part.parameters())) for part in (self.first, self.second)]

    def loop(record: Record) -> None:
        (first, second), (training, _) = parts(), loaders()
        one, two = (record.watch(sgd(part.parameters())) for part in (first, second))
        for _ in range(3):
            for data, target in training:
                one.zero_grad()
                loss = cross_entropy(second(first(data)), target)
                record("loss", loss.item())
                loss.backward(retain_graph=True)
                one.step()
                two.zero_grad()
                loss = second(first(data).detach()).square().mean()
                record("loss", loss.item())
                loss.backward()
                two.step()

    def converted(record: Record) -> None:
        trainer = fit(Manual(record, *parts()), loaders()[0])  # type: ignore[arg-type]
        assert trainer.global_step == 24

    assert_same(loop, converted)


@pytest.mark.parametrize("automatic", [False, True])
def test_lbfgs(automatic: bool) -> None:
    """Under automatic optimization the parameters agree after each step; the closure is Lightning's."""

    def make(parameters: Any) -> torch.optim.Optimizer:
        return torch.optim.LBFGS(parameters, lr=0.1, max_iter=3)

    class Closure(Lit):
        def __init__(self, *args: Any) -> None:
            super().__init__(*args)
            self.automatic_optimization = automatic

        def training_step(self, batch: Any, batch_idx: int) -> Any:
            data, target = batch
            if automatic:
                return super().training_step(batch, batch_idx)
            optimizer = self.optimizers()

            def closure() -> Tensor:
                optimizer.zero_grad()
                loss = cross_entropy(self.model(data), target)
                self.record("loss", loss.item())
                self.manual_backward(loss)
                return loss

            return optimizer.step(closure)

    def loop(record: Record) -> None:
        model, (training, _) = nn.Linear(4, 3), loaders()
        optimizer = record.watch(make(model.parameters()))
        for _ in range(3):
            for data, target in training:

                def closure(data: Tensor = data, target: Tensor = target) -> Tensor:
                    optimizer.zero_grad()
                    loss = cross_entropy(model(data), target)
                    record("loss", loss.item())
                    loss.backward()
                    return loss

                optimizer.step(closure)

    def converted(record: Record) -> None:
        assert fit(Closure(record, nn.Linear(4, 3), make), loaders()[0]).global_step == 12

    assert_same(loop, converted)


def test_anomaly_detection_stays_as_the_script_set_it() -> None:
    seen = []

    class Looks(Lit):
        def training_step(self, batch: Any, batch_idx: int) -> Any:
            seen.append(torch.is_anomaly_enabled())
            return super().training_step(batch, batch_idx)

    with torch.autograd.set_detect_anomaly(True):
        fit(Looks(Record(), mlp()), loaders()[0])
        assert torch.is_anomaly_enabled()
    assert set(seen) == {True}
    seen.clear()
    fit(Looks(Record(), mlp()), loaders()[0], detect_anomaly=True)
    assert set(seen) == {True}


def test_full_precision_plugins_and_autocast() -> None:
    """bf16-mixed goes through Lightning's plugin, and still in the script's order."""

    def loop(record: Record) -> None:
        model, (training, _) = nn.Linear(4, 3), loaders()
        optimizer = record.watch(sgd(model.parameters()))
        for _ in range(3):
            for data, target in training:
                optimizer.zero_grad()
                with torch.autocast("cpu", dtype=torch.bfloat16, cache_enabled=False):
                    loss = cross_entropy(model(data), target)
                record("loss", loss.item())
                loss.backward()
                optimizer.step()

    assert_same(loop, lambda record: fit(Lit(record, nn.Linear(4, 3)), loaders()[0], precision="bf16-mixed"))


def test_double_precision() -> None:
    def loop(record: Record) -> None:
        model, (training, _) = nn.Linear(4, 3).double(), loaders()
        plain_loop(record, model, [(x.double(), y) for x, y in training], epochs=1)

    def converted(record: Record) -> None:
        module = Lit(record, nn.Linear(4, 3))
        fit(module, list(loaders()[0]), max_epochs=1, precision="64-true")

    assert_same(loop, converted)


def test_module_without_batch_index() -> None:
    class Short(Lit):
        def training_step(self, batch: Any) -> Any:  # type: ignore[override]
            return super().training_step(batch, 0)

    assert_same(
        lambda record: plain_loop(record, mlp(), loaders()[0]), lambda record: fit(Short(record, mlp()), loaders()[0])
    )


class Clears(Lit):
    """Notes when gradients are cleared; ``late`` is its ``late_zero_grad``."""

    def __init__(self, record: Record, model: nn.Module, late: bool) -> None:
        super().__init__(record, model)
        self.late_zero_grad = late

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        self.record("forward", batch_idx)
        return super().training_step(batch, batch_idx)  # type: ignore[no-any-return]

    def on_before_zero_grad(self, optimizer: Any) -> None:
        self.record("zero_grad")

    def on_before_backward(self, loss: Tensor) -> None:
        self.record("backward")


def _order(late: bool, **settings: Any) -> list[str]:
    module = Clears(Record(), mlp(), late)
    trainer = runtime.Trainer(max_epochs=1, limit_train_batches=4, **settings)
    trainer.fit(module, loaders()[0])
    return [event[0] for event in module.record.events if event[0] in ("forward", "zero_grad", "backward")]


def test_gradients_are_cleared_in_front_of_the_step_or_late() -> None:
    assert _order(late=False) == ["zero_grad", "forward", "backward"] * 4
    assert _order(late=True) == ["forward", "zero_grad", "backward"] * 4


def test_gradients_of_several_batches_are_cleared_once() -> None:
    early = ["zero_grad", "forward", "backward", "forward", "backward"]
    assert _order(late=False, accumulate_grad_batches=2) == early * 2
    assert (
        _order(late=True, accumulate_grad_batches=2) == ["forward", "zero_grad", "backward", "forward", "backward"] * 2
    )
