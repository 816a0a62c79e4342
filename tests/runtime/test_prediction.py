"""What predictions are made for: one iterable of batches, or several loaders."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from pytorch_lightning.profilers import SimpleProfiler
from torch import Tensor, nn
from torch.utils.data import DataLoader

import runtime
from tests.runtime.parity import Lit as Trained
from tests.runtime.parity import Record, bits, mlp, plain_loop, run, samples


class Lit(runtime.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.model = nn.Linear(4, 3)
        self.numbers: list[int] = []

    def predict_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> Any:
        self.numbers.append(batch_idx)
        return self.model(batch["data"] if isinstance(batch, dict) else batch)


def batches() -> list[Tensor]:
    torch.manual_seed(1)
    return list(torch.randn(3, 5, 4))


class Repeatable:
    def __iter__(self) -> Iterator[Tensor]:
        return iter(batches())


@pytest.mark.parametrize(
    "make",
    [
        batches,
        lambda: tuple(batches()),
        lambda: [{"data": batch} for batch in batches()],
        lambda: DataLoader(torch.cat(batches()), 5),  # type: ignore[arg-type]
        Repeatable,
        lambda: [*batches()[:2], torch.cat([batches()[2]])],
    ],
    ids=["list", "tuple", "dictionaries", "loader", "iterable", "one more list"],
)
def test_one_prediction_for_each_batch(make: Callable[[], Any]) -> None:
    module = Lit()
    found = runtime.Trainer().predict(module, make())
    assert [bits(one) for one in found] == [bits(module.model(batch)) for batch in batches()]
    assert module.numbers == [0, 1, 2]
    assert not any(one.requires_grad for one in found)


def test_a_list_of_one_batch() -> None:
    module = Lit()
    (found,) = runtime.Trainer().predict(module, batches()[:1])
    assert torch.equal(found, module.model(batches()[0]))


def test_the_module_s_own_batches() -> None:
    class Own(Lit):
        def predict_dataloader(self) -> Any:
            return batches()

    module = Own()
    found = runtime.Trainer().predict(module)
    assert [bits(one) for one in found] == [bits(module.model(batch)) for batch in batches()]


def test_a_limit() -> None:
    assert len(runtime.Trainer(limit_predict_batches=2).predict(Lit(), batches())) == 2


def test_several_loaders_stay_several() -> None:
    """As in Lightning: a list of predictions for each loader."""
    module = Lit()
    loader = DataLoader(torch.cat(batches()), 5)  # type: ignore[arg-type]
    found = runtime.Trainer().predict(module, [loader, loader])
    assert [[bits(one) for one in part] for part in found] == [[bits(module.model(b)) for b in batches()]] * 2


class OwnData(Trained):
    """Its methods return lists of batches."""

    def __init__(self, record: Record, training: list[Any], evaluation: list[Any]) -> None:
        super().__init__(record, mlp())
        self.training_data, self.evaluation_data = training, evaluation

    def train_dataloader(self) -> Any:
        return self.training_data

    def val_dataloader(self) -> Any:
        return self.evaluation_data


@pytest.mark.parametrize("lean", [True, False])
def test_lists_from_methods_in_training_and_evaluation(lean: bool, tmp_path: Path) -> None:
    """Lightning's own loop trains on them as the lean one does: once for each batch, in order."""
    profiler = None if lean else SimpleProfiler(tmp_path, "profile")

    def data() -> tuple[list[Any], list[Any]]:
        return list(DataLoader(samples(20), 5)), list(DataLoader(samples(11), 4))

    def loop(record: Record) -> None:
        training, evaluation = data()
        plain_loop(record, mlp(), training, evaluation)

    def converted(record: Record) -> None:
        trainer = runtime.Trainer(max_epochs=3, profiler=profiler)
        trainer.fit(OwnData(record, *data()))
        assert (trainer.lean_loop_reason is None) == lean

    (expected, states), (actual, other_states) = run(loop), run(converted)
    assert [one for one in actual if one[0] != "gradients"] == [one for one in expected if one[0] != "gradients"]
    assert states == other_states
