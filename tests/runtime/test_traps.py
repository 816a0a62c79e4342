"""Where a Trainer easily trains differently from a plain loop: one small script each, and its converted form.

Each pair trains three epochs with dropout and must agree bit for bit in losses, gradients, parameters, learning rates
and random states. ``TESTED_ELSEWHERE`` names the tests of the traps that belong to a subject with a file of its own.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from io import BytesIO
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from torch import nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, Sampler

import runtime
from tests.runtime.parity import (
    Lit,
    Record,
    assert_same,
    bits,
    evaluate,
    fit,
    loaders,
    mlp,
    plain_loop,
    run,
    samples,
    seed,
    sgd,
    train_step,
)

TESTED_ELSEWHERE = {
    "a loader with a generator of its own is run to its end": "test_data.test_loader_with_its_own_generator",
    "a sampler that counts its passes at the end": "test_data.test_sampler_that_counts_its_passes",
    "a seed set at the start of each epoch": "test_optimization.test_seed_at_the_start_of_an_epoch",
    "a random stream without a length": "test_data.test_iterable_dataset",
    "a shuffle in __iter__": "test_data.test_iterable_that_shuffles_in_iter",
    "a length that is too small": "test_data.test_length_does_not_end_an_epoch",
    "hooks of the optimizer see its gradients": "test_optimization.test_hooks_around_the_step_see_current_gradients",
    "a backward pass inside the step": "test_optimization.test_partial_backward_inside_the_step",
    "momentum and parameters that are not used": "test_optimization.test_momentum_with_unused_parameters",
    "gradients from before the training": "test_optimization.test_gradients_from_before_are_kept",
    "continue": "test_optimization.test_step_that_returns_none_is_skipped",
    "break": "test_stopping.test_stopping_compared_with_break",
    "return": "test_stopping.test_stop_training",
    "StopIteration raised in a step": "test_leaving.test_the_very_exception_arrives",
    "several optimizers": "test_optimization.test_manual_optimization_of_two_optimizers",
    "LBFGS": "test_optimization.test_lbfgs",
    "the rate that an evaluation sees": "test_schedulers.test_scheduler_per_epoch_steps_after_the_evaluation",
    "a scheduler that watches a metric": "test_schedulers.test_scheduler_that_watches_a_metric",
    "modes of each module behind an evaluation": "test_modes.test_each_submodule_gets_its_mode_back",
    "training in eval mode": "test_modes.test_fit_does_not_switch_to_training",
    "tensors kept from an evaluation": "test_modes.test_tensors_kept_from_an_evaluation_can_be_trained_with",
    "anomaly detection": "test_optimization.test_anomaly_detection_stays_as_the_script_set_it",
    "flags of cuDNN and determinism": "test_settings.test_flags_stay_as_the_script_set_them",
    "output and files": "test_settings.test_no_output_and_no_files",
    "a second fit": "test_leaving.test_a_second_fit_starts_fresh",
    "Ctrl-C": "test_leaving.test_ctrl_c",
    "SIGTERM": "test_leaving.test_sigterm_is_the_scripts",
    "model and optimizer stay on their device": "test_leaving.test_everything_stays_in_place",
    "environment variables of Lightning": "test_settings.test_lightnings_environment_variables_do_not_count",
}


@pytest.mark.parametrize("place", TESTED_ELSEWHERE.values())
def test_the_other_traps_have_their_tests(place: str) -> None:
    module, name = place.split(".")
    assert callable(getattr(importlib.import_module(f"tests.runtime.{module}"), name))


# ---- data


def test_an_evaluation_loader_with_its_own_generator_is_not_tried_out_first() -> None:
    def data() -> Any:
        own = torch.Generator().manual_seed(3)
        return loaders()[0], DataLoader(samples(11), 4, shuffle=True, generator=own)

    assert_same(
        lambda record: plain_loop(record, mlp(), *data()),
        lambda record: fit(Lit(record, mlp()), *data()),
    )


class EpochSampler(Sampler[int]):
    """Shuffles by the number of the epoch, which has to be told to it."""

    def __init__(self) -> None:
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __iter__(self) -> Any:
        return iter(torch.randperm(20, generator=torch.Generator().manual_seed(self.epoch)).tolist())

    def __len__(self) -> int:
        return 20


@pytest.mark.parametrize("told", [False, True])
@pytest.mark.parametrize("workers", [0, 1])
def test_set_epoch_is_called_where_the_script_calls_it(told: bool, workers: int) -> None:
    def data() -> Any:
        return DataLoader(samples(), 5, sampler=EpochSampler(), num_workers=workers)

    class Tells(Lit):
        def on_train_epoch_start(self) -> None:
            if told:
                self.trainer.train_dataloader.sampler.set_epoch(self.current_epoch + 7)

    def loop(record: Record) -> None:
        model, loader = mlp(), data()
        optimizer = record.watch(sgd(model.parameters()))
        for epoch in range(3):
            if told:
                loader.sampler.set_epoch(epoch + 7)
            for batch in loader:
                train_step(record, model, optimizer, batch)

    assert_same(loop, lambda record: fit(Tells(record, mlp()), data()))


def test_zip_stops_at_the_shortest_loader() -> None:
    class Zipped:
        """What ``zip(first, second)`` in the loop's head becomes: evaluated anew in each epoch."""

        def __init__(self) -> None:
            self.loaders = loaders()[0], loaders(12)[0]

        def __iter__(self) -> Any:
            return zip(*self.loaders)

    class Joins(Lit):
        def training_step(self, batch: Any, batch_idx: int) -> Any:
            return super().training_step([torch.cat(parts) for parts in zip(*batch)], batch_idx)

    def loop(record: Record) -> None:
        model, both = mlp(), Zipped()
        optimizer = record.watch(sgd(model.parameters()))
        for _ in range(3):
            for first, second in zip(*both.loaders):
                train_step(record, model, optimizer, [torch.cat(parts) for parts in zip(first, second)])

    events = assert_same(loop, lambda record: fit(Joins(record, mlp()), Zipped()))
    assert [event[0] for event in events].count("loss") == 3 * 3


# ---- optimization


def test_an_evaluation_does_not_clear_gradients() -> None:
    class Looks(Lit):
        def on_validation_epoch_end(self) -> None:
            self.record("left", [bits(p.grad) for p in self.model.parameters()])

    def loop(record: Record) -> None:
        model, (training, evaluation) = mlp(), loaders()
        optimizer = record.watch(sgd(model.parameters()))
        for _ in range(3):
            for batch in training:
                train_step(record, model, optimizer, batch)
            evaluate(record, model, evaluation)
            record("left", [bits(p.grad) for p in model.parameters()])

    assert_same(loop, lambda record: fit(Looks(record, mlp()), *loaders()))


def test_clipping_of_all_parameters_where_the_optimizer_has_some() -> None:
    """``clip_grad_norm_(model.parameters())`` also counts the gradients of parameters that are not trained."""

    class Clips(Lit):
        def configure_optimizers(self) -> Any:
            return self.record.watch(sgd(self.model[4].parameters()))

        def configure_gradient_clipping(self, *_: Any, **__: Any) -> None:
            nn.utils.clip_grad_norm_(self.model.parameters(), 0.1)

    def loop(record: Record) -> None:
        model, (training, _) = mlp(), loaders()
        optimizer = record.watch(sgd(model[4].parameters()))
        for _ in range(3):
            for data, target in training:
                optimizer.zero_grad()
                loss = cross_entropy(model(data), target)
                record("loss", loss.item())
                loss.backward()
                nn.utils.clip_grad_norm_(model.parameters(), 0.1)
                optimizer.step()

    assert_same(loop, lambda record: fit(Clips(record, mlp()), loaders()[0]))


def accumulating(record: Record, model: nn.Module, divide: bool, drop_tail: bool, span: bool) -> None:
    optimizer, (training, _), count = record.watch(sgd(model.parameters())), loaders(25), 0
    optimizer.zero_grad()
    for _ in range(3):
        for index, (data, target) in enumerate(training):
            loss = cross_entropy(model(data), target) / (2 if divide else 1)
            record("loss", loss.item())
            loss.backward()
            count = count + 1 if span or index else 1
            if count % 2 == 0 or (not drop_tail and index + 1 == len(training)):
                optimizer.step()
                optimizer.zero_grad()


class Accumulating(Lit):
    """The literal form: any way to accumulate, under manual optimization."""

    def __init__(self, record: Record, model: nn.Module, divide: bool, drop_tail: bool, span: bool) -> None:
        super().__init__(record, model)
        self.automatic_optimization = False
        self.divide, self.drop_tail, self.span, self.count = divide, drop_tail, span, 0

    def on_train_start(self) -> None:
        self.optimizers().zero_grad()

    def training_step(self, batch: Any, batch_idx: int) -> None:
        loss = cross_entropy(self.model(batch[0]), batch[1]) / (2 if self.divide else 1)
        self.record("loss", loss.item())
        self.manual_backward(loss)
        self.count = self.count + 1 if self.span or batch_idx else 1
        if self.count % 2 == 0 or (not self.drop_tail and batch_idx + 1 == len(self.trainer.train_dataloader)):
            self.optimizers().step()
            self.optimizers().zero_grad()


@pytest.mark.parametrize(
    "way", [(True, False, False), (False, False, False), (True, True, False), (True, True, True)], ids=str
)
def test_accumulation_as_the_script_does_it(way: tuple[bool, bool, bool]) -> None:
    assert_same(
        lambda record: accumulating(record, mlp(), *way),
        lambda record: fit(Accumulating(record, mlp(), *way), loaders(25)[0]),
    )


def test_autocast_of_the_forward_pass_alone() -> None:
    """The script's own autocast stays in the step: the Trainer's would hold the loss, and keep no weights."""

    class Casts(Lit):
        def training_step(self, batch: Any, batch_idx: int) -> Any:
            with torch.autocast("cpu", torch.bfloat16):
                output = self.model(batch[0]) + self.model(batch[0])
            loss = cross_entropy(output.float(), batch[1])
            self.record("loss", loss.item())
            return loss

    def loop(record: Record) -> None:
        model, (training, _) = mlp(), loaders()
        optimizer = record.watch(sgd(model.parameters()))
        for _ in range(3):
            for data, target in training:
                optimizer.zero_grad()
                with torch.autocast("cpu", torch.bfloat16):
                    output = model(data) + model(data)
                loss = cross_entropy(output.float(), target)
                record("loss", loss.item())
                loss.backward()
                optimizer.step()

    assert_same(loop, lambda record: fit(Casts(record, mlp()), loaders()[0]))


class Recurrent(nn.Module):
    """Scores for 3 classes from 4 features and a state of 6."""

    def __init__(self) -> None:
        super().__init__()
        self.cell, self.head = nn.GRUCell(4, 6), nn.Linear(6, 3)

    def forward(self, data: Any, state: Any) -> Any:
        state = self.cell(data, state)
        return self.head(nn.functional.dropout(state, 0.2, self.training)), state


def test_state_that_is_carried_across_batches_survives_the_evaluation() -> None:
    class Carries(Lit):
        state: Any = None

        def training_step(self, batch: Any, batch_idx: int) -> Any:
            output, state = self.model(batch[0], self.state)
            self.state = state.detach()
            loss = cross_entropy(output, batch[1])
            self.record("loss", loss.item())
            return loss

        def on_validation_epoch_start(self) -> None:
            self.other = None

        def validation_step(self, batch: Any, batch_idx: int) -> None:
            output, self.other = self.model(batch[0], self.other)
            self.record("evaluation", cross_entropy(output, batch[1]).item())

    def data() -> Any:
        return loaders()[0], DataLoader(samples(12), 4)

    def loop(record: Record) -> None:
        model, state, (training, evaluation) = Recurrent(), None, data()
        optimizer = record.watch(sgd(model.parameters()))
        for _ in range(3):
            for features, target in training:
                optimizer.zero_grad()
                output, state = model(features, state)
                state = state.detach()
                loss = cross_entropy(output, target)
                record("loss", loss.item())
                loss.backward()
                optimizer.step()
            model.eval()
            with torch.no_grad():
                other = None
                for features, target in evaluation:
                    output, other = model(features, other)
                    record("evaluation", cross_entropy(output, target).item())
            model.train()

    assert_same(loop, lambda record: fit(Carries(record, Recurrent()), *data()))


def test_max_steps_of_the_script_counts_its_own_steps() -> None:
    """Each ``step()`` counts in ``global_step``; a script's own counter of iterations is an attribute."""

    class Counts(Lit):
        def __init__(self, record: Record, model: nn.Module) -> None:
            super().__init__(record, model)
            self.automatic_optimization = False
            self.iterations = 0

        def training_step(self, batch: Any, batch_idx: int) -> None:
            for optimizer in self.optimizers():
                train_step(self.record, self.model, optimizer, batch)
            self.iterations += 1
            if self.iterations == 6:
                self.stop_training()

        def configure_optimizers(self) -> Any:
            return [self.record.watch(sgd(self.model[n].parameters())) for n in (0, 4)]

    def loop(record: Record) -> None:
        model, (training, _), iterations = mlp(), loaders(), 0
        optimizers = [record.watch(sgd(model[n].parameters())) for n in (0, 4)]
        while iterations < 6:
            for batch in training:
                for optimizer in optimizers:
                    train_step(record, model, optimizer, batch)
                iterations += 1
                if iterations == 6:
                    break

    assert_same(loop, lambda record: fit(Counts(record, mlp()), loaders()[0]))


# ---- modes, numbers and files


def test_networks_in_a_plain_list_are_left_alone() -> None:
    """Nothing switches a module in a list to evaluation unless the script does."""

    class Hides(Lit):
        def __init__(self, record: Record, model: nn.Module) -> None:
            super().__init__(record, nn.Linear(3, 3))
            self.hidden = [model]

        def training_step(self, batch: Any, batch_idx: int) -> Any:
            loss = cross_entropy(self.model(self.hidden[0](batch[0])), batch[1])
            self.record("loss", loss.item())
            return loss

        def validation_step(self, batch: Any, batch_idx: int) -> None:
            self.record("evaluation", cross_entropy(self.model(self.hidden[0](batch[0])), batch[1]).item())

    def loop(record: Record) -> None:
        hidden, head, (training, evaluation) = [mlp()], nn.Linear(3, 3), loaders()
        optimizer = record.watch(sgd(head.parameters()))
        for _ in range(3):
            for data, target in training:
                optimizer.zero_grad()
                loss = cross_entropy(head(hidden[0](data)), target)
                record("loss", loss.item())
                loss.backward()
                optimizer.step()
            head.eval()
            with torch.no_grad():
                for data, target in evaluation:
                    record("evaluation", cross_entropy(head(hidden[0](data)), target).item())
            head.train()

    def converted(record: Record) -> None:
        model = mlp()
        fit(Hides(record, model), *loaders())

    assert_same(loop, converted)


def test_sums_and_means_of_an_evaluation_are_the_scripts() -> None:
    """A mean of batch means over batches of unequal size, in Python's own floats."""

    class Averages(Lit):
        def on_validation_epoch_start(self) -> None:
            self.total = 0.0

        def validation_step(self, batch: Any, batch_idx: int) -> None:
            self.total += cross_entropy(self.model(batch[0]), batch[1]).item()

        def on_validation_epoch_end(self) -> None:
            self.record("mean", self.total / len(self.trainer.val_dataloaders))

    def loop(record: Record) -> None:
        model, (training, evaluation) = mlp(), loaders()
        optimizer = record.watch(sgd(model.parameters()))
        for _ in range(3):
            for batch in training:
                train_step(record, model, optimizer, batch)
            model.eval()
            with torch.no_grad():
                total = sum(cross_entropy(model(data), target).item() for data, target in evaluation)
            record("mean", total / len(evaluation))
            model.train()

    assert_same(loop, lambda record: fit(Averages(record, mlp()), *loaders()))


def test_what_the_script_saves_has_its_own_names() -> None:
    def saved(model: nn.Module) -> bytes:
        file = BytesIO()
        torch.save(model.state_dict(), file)
        return file.getvalue()

    class Weighted(Lit):
        def __init__(self, record: Record, model: nn.Module) -> None:
            super().__init__(record, model)
            self.criterion = nn.CrossEntropyLoss(weight=torch.ones(3))

        def on_train_epoch_end(self) -> None:
            self.record("saved", saved(self.model))

    def loop(record: Record) -> None:
        model, (training, _) = mlp(), loaders()
        optimizer = record.watch(sgd(model.parameters()))
        for _ in range(3):
            for batch in training:
                train_step(record, model, optimizer, batch)
            record("saved", saved(model))

    assert_same(loop, lambda record: fit(Weighted(record, mlp()), loaders()[0]))


def test_a_resumed_script_that_keeps_its_random_states() -> None:
    """The states of generators go to a file where the script saves them, and come back where it loads them."""

    def snapshot(model: nn.Module, optimizer: torch.optim.Optimizer) -> Any:
        file = BytesIO()
        states = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "random": torch.get_rng_state()}
        torch.save(states, file)
        return torch.load(BytesIO(file.getvalue()), weights_only=True)

    class Resumed(Lit):
        states: Any = None

        def configure_optimizers(self) -> Any:
            optimizer = super().configure_optimizers()
            if self.states is not None:
                self.model.load_state_dict(self.states["model"])
                optimizer.load_state_dict(self.states["optimizer"])
                torch.set_rng_state(self.states["random"])
            return optimizer

    def converted(record: Record) -> None:
        first = Resumed(record, mlp())
        data = loaders()
        fit(first, *data, max_epochs=1)
        states = snapshot(first.model, first.trainer.optimizers[0])
        torch.manual_seed(99)
        second = Resumed(record, mlp())
        second.states = states
        fit(second, *data, max_epochs=2)

    expected, _ = run(lambda record: plain_loop(record, mlp(), *loaders()))
    actual, _ = run(converted)
    assert actual == expected


def test_importing_the_runtime_leaves_compile_a_function_that_compiles_alike() -> None:
    """Lightning's Fabric wraps ``torch.compile``; what the wrapper makes is the same for a plain module."""
    model = mlp()
    compiled = torch.compile(model, backend="eager")
    assert isinstance(compiled, torch._dynamo.eval_frame.OptimizedModule)
    assert compiled._orig_mod is model
    seed()
    expected = model(torch.ones(5, 4))
    seed()
    assert torch.equal(compiled(torch.ones(5, 4)), expected)


# ---- negative controls: Lightning's own Trainer falls into them, so the scripts above do have the property


def falls(loop: Callable[[Record], Any], converted: Callable[[Record, Any], Any]) -> bool:
    def with_lightning(record: Record) -> None:
        off: dict[str, Any] = dict.fromkeys(("enable_progress_bar", "enable_model_summary", "logger"), False)
        trainer = pl.Trainer(max_epochs=3, accelerator="cpu", enable_checkpointing=False, **off)
        converted(record, trainer)

    return run(loop) != run(with_lightning)


def test_lightning_tries_the_evaluation_loader_out() -> None:
    def data() -> Any:
        own = torch.Generator().manual_seed(3)
        return loaders()[0], DataLoader(samples(11), 4, shuffle=True, generator=own)

    assert falls(
        lambda record: plain_loop(record, mlp(), *data()),
        lambda record, trainer: trainer.fit(Lit(record, mlp()), *data()),
    )


def test_lightning_calls_set_epoch_by_itself() -> None:
    def data() -> Any:
        return DataLoader(samples(), 5, sampler=EpochSampler())

    assert falls(
        lambda record: plain_loop(record, mlp(), data()),
        lambda record, trainer: trainer.fit(Lit(record, mlp()), data()),
    )


def test_a_trainer_that_casts_also_casts_the_loss() -> None:
    assert isinstance(runtime.Trainer(precision="bf16-mixed").precision_plugin, pl.plugins.MixedPrecision)
    expected, _ = run(lambda record: plain_loop(record, mlp(), loaders()[0]))
    actual, _ = run(lambda record: fit(Lit(record, mlp()), loaders()[0], precision="bf16-mixed"))
    assert actual != expected
