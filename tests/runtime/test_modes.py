"""Train and eval modes, gradient mode, and evaluation outside of fit."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
import torch
from torch import nn

import runtime
from tests.runtime.parity import Lit, Record, loaders, mlp


class Looks(Lit):
    """Notes each submodule's mode, and whether gradients are on, in every hook."""

    def note(self, name: str) -> None:
        modes = [module.training for module in self.model.modules()]
        self.record(name, modes, torch.is_grad_enabled(), torch.is_inference_mode_enabled())

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        self.note("train")
        return self.model(batch[0]).sum()

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        self.note("evaluation")

    test_step = validation_step

    def on_train_epoch_end(self) -> None:
        self.note("end")


def frozen() -> nn.Sequential:
    """A model of which one part was put into eval mode by the script."""
    model = mlp()
    model[1].eval()
    return model


def modes(events: list[Any], name: str) -> list[Any]:
    found = [event[1:] for event in events if event[0] == name]
    assert found
    assert all(each == found[0] for each in found)
    return list(found[0])


def test_each_submodule_gets_its_mode_back() -> None:
    model, record = frozen(), Record()
    found = [module.training for module in model.modules()]
    assert not all(found)
    runtime.Trainer(max_epochs=2).fit(Looks(record, model), *loaders())
    assert modes(record.events, "train") == [found, True, False]
    assert modes(record.events, "evaluation") == [[False] * len(found), False, False]
    assert modes(record.events, "end") == [found, True, False]
    assert [module.training for module in model.modules()] == found


def test_fit_does_not_switch_to_training() -> None:
    model, record = mlp().eval(), Record()
    runtime.Trainer(max_epochs=1).fit(Looks(record, model), loaders()[0])
    assert not any(modes(record.events, "train")[0])


@pytest.mark.parametrize("name", ["validate", "test"])
@pytest.mark.parametrize("options", [{}, {"profiler": "simple"}])
def test_evaluation_on_its_own_uses_no_grad(name: str, options: dict[str, Any]) -> None:
    model, record = frozen(), Record()
    found = [module.training for module in model.modules()]
    getattr(runtime.Trainer(**options), name)(Looks(record, model), loaders()[1])
    assert modes(record.events, "evaluation") == [[False] * len(found), False, False]
    assert [module.training for module in model.modules()] == found
    assert torch.is_grad_enabled()


def test_inference_mode_can_be_asked_for() -> None:
    record = Record()
    runtime.Trainer(inference_mode=True).validate(Looks(record, mlp()), loaders()[1])
    assert modes(record.events, "evaluation")[2] is True


def test_own_ways_to_switch_modes() -> None:
    """A script that never calls train() again keeps training in eval mode."""

    class Stays(Looks):
        def on_validation_model_train(self) -> None:
            pass

    record = Record()
    runtime.Trainer(max_epochs=2).fit(Stays(record, mlp()), *loaders())
    training = [event[1][0] for event in record.events if event[0] == "train"]
    assert training == [True] * 4 + [False] * 4


def test_gradient_mode_is_left_as_found() -> None:
    class WithoutGradients(Lit):
        def training_step(self, batch: Any, batch_idx: int) -> None:
            assert not torch.is_grad_enabled()

    with torch.no_grad():
        runtime.Trainer(max_epochs=1).fit(WithoutGradients(Record(), mlp()), loaders()[0])


def test_tensors_kept_from_an_evaluation_can_be_trained_with() -> None:
    class Keeps(Lit):
        def validation_step(self, batch: Any, batch_idx: int) -> None:
            self.kept = self.model(batch[0])

    module = Keeps(Record(), mlp())
    runtime.Trainer().validate(module, loaders()[1])
    (module.model[-1].weight.sum() * module.kept).sum().backward()


def test_evaluation_hooks_in_order() -> None:
    events: list[Any] = []

    class Notes(Lit):
        def test_step(self, batch: Any, batch_idx: int) -> None:
            events.append(("test_step", batch_idx))

    for name in ("start", "epoch_start", "batch_start", "batch_end", "epoch_end", "end"):
        setattr(Notes, f"on_test_{name}", lambda self, *_, name=name: events.append(name))
    runtime.Trainer(limit_test_batches=2).test(Notes(Record(), mlp()), loaders()[1])
    step = [["batch_start", ("test_step", index), "batch_end"] for index in range(2)]
    assert events == ["start", "epoch_start", *step[0], *step[1], "epoch_end", "end"]


def test_several_evaluation_loaders_go_through_lightnings_loop() -> None:
    seen = []

    class Several(Lit):
        def validation_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> None:
            seen.append((dataloader_idx, batch_idx))

    runtime.Trainer(max_epochs=1).fit(Several(Record(), mlp()), loaders()[0], [loaders()[1], loaders()[1]])
    assert seen == [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2)]


class SwitchesByItself(Looks):
    """Leaves the modes to its own hooks: eval in front of every validation, and never back."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.automatic_modes = False

    def on_validation_epoch_start(self) -> None:
        self.model.eval()


@pytest.mark.parametrize("options", [{}, {"profiler": "simple"}])
def test_modes_left_to_the_module(options: dict[str, Any]) -> None:
    record = Record()
    runtime.Trainer(max_epochs=2, **options).fit(SwitchesByItself(record, mlp()), *loaders())
    training = [event[1][0] for event in record.events if event[0] == "train"]
    assert training == [True] * 4 + [False] * 4


@pytest.mark.parametrize("name", ["validate", "test"])
def test_nothing_is_switched_for_a_module_that_does_it_itself(name: str) -> None:
    module = SwitchesByItself(Record(), mlp())
    assert not module.automatic_modes
    getattr(runtime.Trainer(), name)(module, loaders()[1])
    assert module.model.training == (name == "test")
    module.automatic_modes = True
    assert module.automatic_modes


def test_a_hook_of_the_module_comes_first() -> None:
    class Own(SwitchesByItself):
        def on_validation_model_eval(self) -> None:
            self.asked = True

    module = Own(Record(), mlp())
    runtime.Trainer().validate(module, loaders()[1])
    assert module.asked


def test_modes_left_to_the_module_survive_pickling() -> None:
    module = pickle.loads(pickle.dumps(SwitchesByItself(Record(), mlp())))
    assert not module.automatic_modes
